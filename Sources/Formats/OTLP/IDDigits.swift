extension FixedWidthInteger where Self: UnsignedInteger {
    /// The number that the bytes of an id are; 0, which is none, if their count is wrong.
    init(idBytes bytes: BorrowedBytes) {
        self = bytes.count * 8 == Self.bitWidth ? bytes.reduce(0) { $0 << 8 | Self($1) } : 0
    }

    /// The same of an id in JSON, which is hexadecimal digits.
    init(idDigits digits: BorrowedBytes) {
        self = 0
        guard digits.count * 4 == Self.bitWidth else { return }
        var number: Self = 0
        for digit in digits {
            switch digit {
            case UInt8(ascii: "0")...UInt8(ascii: "9"): number = number << 4 | Self(digit - UInt8(ascii: "0"))
            case UInt8(ascii: "a")...UInt8(ascii: "f"): number = number << 4 | Self(digit - UInt8(ascii: "a") + 10)
            case UInt8(ascii: "A")...UInt8(ascii: "F"): number = number << 4 | Self(digit - UInt8(ascii: "A") + 10)
            default: return
            }
        }
        self = number
    }
}
