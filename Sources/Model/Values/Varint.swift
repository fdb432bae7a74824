extension [UInt8] {
    /// Appends an unsigned varint: 7 bits a byte, the lowest first (protobuf.dev, "Encoding").
    package mutating func append(varint value: UInt64) {
        var rest = value
        while rest >= 0x80 {
            append(UInt8(truncatingIfNeeded: rest) | 0x80)
            rest >>= 7
        }
        append(UInt8(truncatingIfNeeded: rest))
    }
}
