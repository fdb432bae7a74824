/// 128 bits: among 5,000,000 ids two are equal by chance with probability below 1e-25.
package struct Digest: Hashable, Sendable {
    package let bits: UInt128

    package init(bits: UInt128) {
        self.bits = bits
    }

    var forStart: Digest { Digest(bits: bits ^ 0x5354_4152_5453_5441_5254_5354_4152_5453) }
    var forSpan: Digest { Digest(bits: bits ^ 0x5350_414E_5350_414E_5350_414E_5350_414E) }
}
