private import CPriceTable

/// A file within the program.
enum ShippedFile {
    case prices, providers

    /// Its text. A constant: it lives as long as the process.
    func withText<Result>(_ body: (borrowing Span<UInt8>) throws(PriceFault) -> Result) throws(PriceFault) -> Result {
        // Safe: the bytes are constants of the program.
        let file = unsafe self == .prices ? cpricetable_prices() : cpricetable_providers()
        return try body(unsafe UnsafeBufferPointer(start: file.start, count: file.length).span)
    }
}
