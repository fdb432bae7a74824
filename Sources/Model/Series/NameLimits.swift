/// How many names one set may have (docs/metrics.md).
package enum NameLimits {
    package static let statuses = 16
    package static let errorTypes = 32
    /// Statuses whose place is kept free for them.
    package static let reservedStatuses = ["success", "error", "timeout", "cancelled", "rate_limited"].map(
        LabelValue.init)
}
