import Model
import Testing

@Suite("Rejected records") struct RejectedRecordsTests {
    private func records(_ indices: some Sequence<Int>, _ code: RecordRejection.Code) -> RejectedRecords {
        var records = RejectedRecords()
        for index in indices {
            records.append(index: index, of: nil, code) { RecordRejection(code: code, message: "\(index)") }
        }
        return records
    }

    @Test("all are counted, the first hundred listed")
    func bounded() {
        let many = records(0..<1000, .missing)
        #expect(many.count == 1000)
        #expect(many.listed.map(\.index) == Array(0..<100))
    }

    @Test("two merged list the first of both, in the order of the body")
    func merging() {
        let even = records(stride(from: 0, to: 300, by: 2), .missing)
        let odd = records(stride(from: 1, to: 300, by: 2), .idReused)
        for merged in [even.merging(odd), odd.merging(even)] {
            #expect(merged.listed.map(\.index) == Array(0..<100))
            #expect(merged.counts == [.missing: 150, .idReused: 150])
        }
        #expect(even.merging(RejectedRecords()).count == 150)
        #expect(RejectedRecords().merging(even).listed.count == 100)
        #expect(RejectedRecords().merging(RejectedRecords()).isEmpty)
    }
}
