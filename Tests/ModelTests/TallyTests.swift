import Testing

@testable import Model

@Suite("Tally") struct TallyTests {
    @Test("counts by name, in the order in which the names came")
    func countsByName() {
        var tally = Tally()
        tally.add(2, to: LabelValue("timeout"))
        tally.add(1, to: LabelValue("success"))
        tally.add(3, to: LabelValue("timeout"))
        #expect(tally.entries.map(\.name.text) == ["timeout", "success"])
        #expect(tally.entries.map(\.count) == [5, 1])
        #expect(tally[LabelValue("timeout")] == 5)
        #expect(tally[LabelValue("absent")] == 0)
        #expect(!tally.contains(LabelValue("absent")))
        #expect(tally.total == 6)
    }

    @Test("names are told apart by their bytes")
    func namesAreBytes() {
        var tally = Tally()
        tally.add(1, to: LabelValue("\u{E9}"))
        tally.add(1, to: LabelValue("e\u{301}"))
        #expect(tally.entries.count == 2)
    }

    @Test("merging adds name by name and keeps the older order")
    func mergingAdds() {
        var older = Tally()
        older.add(1, to: LabelValue("a"))
        older.add(1, to: LabelValue("b"))
        var newer = Tally()
        newer.add(5, to: LabelValue("c"))
        newer.add(7, to: LabelValue("b"))
        older.merge(newer)
        #expect(older.entries.map(\.name.text) == ["a", "b", "c"])
        #expect(older.entries.map(\.count) == [1, 8, 5])
    }
}
