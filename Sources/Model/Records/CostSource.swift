/// The source of a call's cost.
package enum CostSource: String, CaseIterable, Sendable {
    case reported, computed, unpriced
    case usageMissing = "usage_missing"
}

/// Calls by the source of their cost.
package struct CostSources: Equatable, Sendable {
    private var reported = 0
    private var computed = 0
    private var unpriced = 0
    private var usageMissing = 0

    package init() {}

    package subscript(source: CostSource) -> Int {
        get {
            switch source {
            case .reported: reported
            case .computed: computed
            case .unpriced: unpriced
            case .usageMissing: usageMissing
            }
        }
        set {
            switch source {
            case .reported: reported = newValue
            case .computed: computed = newValue
            case .unpriced: unpriced = newValue
            case .usageMissing: usageMissing = newValue
            }
        }
    }
}
