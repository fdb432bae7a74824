/// A value that adds up to totals with a bound.
protocol BoundedSum {
    /// The sum, or `nil` past the bound.
    func adding(_ other: Self) -> Self?
}

extension Int64: BoundedSum {
    func adding(_ other: Int64) -> Int64? {
        let (sum, overflow) = addingReportingOverflow(other)
        return overflow ? nil : sum
    }
}

extension Money: BoundedSum {}

extension Optional where Wrapped: BoundedSum {
    /// The sum of a total and what one record adds to it; either may be absent.
    ///
    /// - Throws: `total_overflow`, which names the family and the record's field.
    func adding(_ added: Wrapped?, of family: String, field: String) throws(RecordRejection) -> Wrapped? {
        guard let added else { return self }
        guard let total = self else { return added }
        guard let sum = total.adding(added) else { throw .overflow(of: family, field: field) }
        return sum
    }
}
