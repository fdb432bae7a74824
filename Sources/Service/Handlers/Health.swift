import HTTP
import Synchronization

extension Service {
    /// `GET /-/ready`: 200 when the exporter can commit and render.
    func readiness(_ answer: Answer) {
        if let obstacle {
            answer.send(.notReady(obstacle))
        } else {
            answer.send(.text(200, "ready\n"))
        }
    }

    /// The reason why no records are taken; `nil` if they are.
    var obstacle: String? {
        if !isReady.load(ordering: .relaxed) { return "the exporter is starting or stopping" }
        return ledger.obstacle.map { "records cannot be committed: \($0)" }
    }
}
