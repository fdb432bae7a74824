package import Model

/// The operator's choices for the store.
package struct StoreSettings: Sendable {
    /// `nil` keeps the stored ones.
    package var bounds: HistogramBounds?
    /// Whether histograms begin again at 0 if the bounds cannot be converted.
    package var resetsHistogramsOnChange: Bool
    package var maxSeries: Int
    package var idWindow: Duration
    package var maxIDs: Int
    /// `nil` keeps the stored ones.
    package var budgets: [Budget]?

    package init(
        bounds: HistogramBounds?, resetsHistogramsOnChange: Bool, maxSeries: Int, idWindow: Duration, maxIDs: Int,
        budgets: [Budget]?
    ) {
        self.bounds = bounds
        self.resetsHistogramsOnChange = resetsHistogramsOnChange
        self.maxSeries = maxSeries
        self.idWindow = idWindow
        self.maxIDs = maxIDs
        self.budgets = budgets
    }
}
