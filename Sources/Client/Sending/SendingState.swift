/// What the connections of one run share.
struct SendingState {
    /// What is acknowledged; written beside the file if `isMarked`.
    var sent: SentMark
    var isMarked = false
    var progress = Sending.Progress()
    var isStopped = false
    /// The first failure, which ends the run.
    var failure: SendingError?
    /// When records were last acknowledged, or when the run began.
    var lastSuccess = ContinuousClock.now
    /// Whether the exporter answered any request, whatever the answer.
    var hasAnswered = false
    /// The number of the first batch that is not acknowledged, and the ends of later ones that are.
    private var upcoming = 0
    private var acknowledged: [Int: FilePosition] = [:]

    /// - Parameter sent: the mark of a file of which nothing was sent.
    init(sent: SentMark) {
        self.sent = sent
    }

    var isOver: Bool { isStopped || failure != nil }

    /// Counts an answer to `lines`.
    mutating func take(_ reply: RecordReply, to lines: [Batch.Line]) {
        lastSuccess = .now
        progress.add(reply, to: lines)
    }

    /// Moves the mark past `batch`, or, if an earlier batch is not acknowledged yet, as soon as that one is.
    mutating func acknowledge(_ batch: Batch) {
        acknowledged[batch.number] = batch.end
        while let end = acknowledged.removeValue(forKey: upcoming) {
            sent.position = end
            upcoming += 1
        }
        progress.bytes = sent.position.offset
    }
}
