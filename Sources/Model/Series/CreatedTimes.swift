/// When the series of one set began: a counter was 0 until then.
package struct CreatedTimes: Equatable, Sendable {
    /// The arrival of the record that created the set; `nil` for a set of version 0.1.0.
    package let set: Instant?
    /// Series that a later record created. Few sets have any.
    package private(set) var later: [Later] = []

    package struct Later: Equatable, Sendable {
        package let part: Part
        package let instant: Instant

        package init(part: Part, instant: Instant) {
            self.part = part
            self.instant = instant
        }
    }

    /// The series of a set that may begin later than the set.
    package enum Part: Hashable, Sendable {
        case cost
        case planEquivalent
        /// The kinds of tokens that are always shown together.
        case kinds
        case kind(TokenKind)
        case webSearches
        case latency
        case timeToFirstToken
        /// Not `success` and `error`, which begin with the set.
        case status(LabelValue)
        case errorType(LabelValue)
    }

    package init(set: Instant?, later: [Later] = []) {
        self.set = set
        self.later = later
    }

    package subscript(part: Part) -> Instant? {
        if later.isEmpty { return set }
        return later.first { $0.part == part }?.instant ?? set
    }

    /// Records that a series begins now.
    mutating func begin(_ part: Part, at instant: Instant) {
        if instant != set { later.append(Later(part: part, instant: instant)) }
    }

    /// Records that a series begins again.
    package mutating func renew(_ part: Part, at instant: Instant) {
        later.removeAll { $0.part == part }
        begin(part, at: instant)
    }
}
