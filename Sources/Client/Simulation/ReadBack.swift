/// What the exporter says of itself at one moment: its summary and its exposition.
struct ReadBack: Equatable, Sendable {
    var summary = Summary()
    var exposition = Exposition()
}
