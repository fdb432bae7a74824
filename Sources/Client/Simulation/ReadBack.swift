/// The summary and the exposition of the exporter at one moment.
struct ReadBack: Equatable, Sendable {
    var summary = Summary()
    var exposition = Exposition()
}
