/// A series, or the series of several families that share their labels: one row of the registry, and of the database.
package protocol NumberedSeries: Keyed {
    /// Above 0, in the order of birth, and the series' own while it exists.
    var number: Int64 { get }
}

/// A value that is found by a part of itself.
package protocol Keyed: Sendable {
    associatedtype Key: Hashable & Sendable
    var key: Key { get }
}
