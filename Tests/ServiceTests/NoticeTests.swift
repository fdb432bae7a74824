import Testing

@testable import Service

@Suite("Notices") struct NoticeTests {
    @Test("a message is due at once, and again when its interval has passed since it was last due")
    func interval() {
        let notice = Notice(every: .seconds(60))
        let start = ContinuousClock.now
        let due = [0, 1, 59, 60, 61, 119, 300, 301].map { notice.isDue(at: start + .seconds($0)) }
        #expect(due == [true, false, false, true, false, false, true, false])
    }
}
