import Bodies
import Glibc
import Testing

@Suite("Padded bytes") struct PaddedBytesTests {
    @Test("zeros follow a copy, whatever its memory held before", arguments: [0, 1, 100, 5000])
    func padding(count: Int) {
        for _ in 0..<10 {
            let before = unsafe malloc(count + PaddedBytes.padding)
            if let before = unsafe before { unsafe memset(before, 0x7D, count + PaddedBytes.padding) }
            unsafe free(before)
            let copy = PaddedBytes([UInt8](repeating: 1, count: count))
            let areZeros = unsafe copy.withUnsafeBytes { bytes in
                guard let start = bytes.baseAddress else { return false }
                // Safe: so many bytes follow.
                return unsafe UnsafeRawBufferPointer(start: start + count, count: PaddedBytes.padding)
                    .allSatisfy { $0 == 0 }
            }
            #expect(areZeros)
        }
    }
}
