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

    @Test("names are distinguished by their bytes")
    func namesAreBytes() {
        var tally = Tally()
        tally.add(1, to: LabelValue("\u{E9}"))
        tally.add(1, to: LabelValue("e\u{301}"))
        #expect(tally.entries.count == 2)
    }

    @Test("a new name is admitted up to the limit, a reserved one and one that came always")
    func admission() {
        var tally = Tally()
        for name in ["a", "b", "_other"] as [LabelValue] { tally.add(1, to: name) }
        #expect(tally.admitted("c", limit: 3) == "c")
        #expect(tally.admitted("c", limit: 2) == .other)
        #expect(tally.admitted("b", limit: 2) == "b")
        #expect(tally.admitted("r", limit: 2, reserved: ["r"]) == "r")
        // The place is kept although the name did not come.
        #expect(tally.admitted("c", limit: 3, reserved: ["r"]) == .other)
        #expect(tally.admitted("c", limit: 3, reserved: ["a"]) == "c")
    }
}
