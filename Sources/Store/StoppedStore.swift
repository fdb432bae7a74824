package import Model

extension Store {
    /// Removes all series of a database that no exporter uses; ids, open calls and what was spent of budgets stay.
    ///
    /// - Parameter now: the time of day.
    /// - Returns: how many sets there were, and their totals.
    /// - Throws: `inUse` if an exporter runs; `damaged`; `full` or `failed`, and nothing is changed.
    package static func reset(_ folder: StorageFolder, now: Instant) throws(StoreError) -> (series: Int, sums: CallSums)
    {
        try change(folder) { state in
            var sums = CallSums()
            for series in state.registry.calls.elements { sums.add(series.totals) }
            defer { state.reset(now: now) }
            return (state.registry.calls.count, sums)
        }
    }

    /// Removes the series of a selection from a database that no exporter uses.
    ///
    /// - Returns: what was removed; empty if nothing has these labels.
    /// - Throws: as `reset`.
    package static func forget(_ selection: SeriesSelection, in folder: StorageFolder) throws(StoreError)
        -> ForgottenTotals
    {
        try change(folder) { $0.forget(selection) }
    }

    private static func change<Result>(_ folder: StorageFolder, _ body: (inout LedgerState) -> Result)
        throws(StoreError) -> Result
    {
        guard try Files.identity(of: folder.database) != nil else {
            throw StoreError(.failed, "there is no \(folder.database); name the folder with --storage.path")
        }
        // Bounds and budgets stay as they are; ids are not read. At the end of time nothing stored is later than now.
        let settings = StoreSettings(
            bounds: nil, resetsHistogramsOnChange: false, maxSeries: .max, idWindow: .zero, maxIDs: 0, budgets: nil)
        let now = Instant(unixMilliseconds: .max)
        var (store, state) = try open(folder, settings, now: now)
        defer { _ = store.close() }
        let result = body(&state)
        switch store.replace(with: state, at: Moment(now)) {
        case .committed: return result
        case .refused(let error), .undecided(let error): throw error.naming(folder.database)
        }
    }
}
