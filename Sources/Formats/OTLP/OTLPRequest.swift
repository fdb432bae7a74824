internal import Bodies

/// The request of an export, the same for all signals: a list of groups, each of one resource.
extension PaddedBytes {
    /// Reads a request in protobuf.
    ///
    /// - Parameter read: called with the request. It keeps no bytes, only values made of them.
    /// - Throws: if `read` does.
    func readProtobuf<Result>(
        _ signal: OTLPSignal, _ read: (BorrowedBytes) throws(ProtobufFault) -> Result
    ) throws(MalformedBody) -> Result {
        // Safe: no bytes leave the closure.
        try unsafe withUnsafeBytes { (bytes) throws(MalformedBody) in
            let request = unsafe BorrowedBytes(bytes.assumingMemoryBound(to: UInt8.self))
            do throws(ProtobufFault) {
                return try read(request)
            } catch {
                throw .unreadable(.protobuf, as: signal)
            }
        }
    }

    /// Reads a request in JSON.
    ///
    /// - Parameter read: called with the list of groups, if there is one. It keeps no text, only values made of it.
    /// - Throws: if the body is no JSON, or JSON of another form.
    func readJSON(
        _ signal: OTLPSignal, _ read: (BorrowedBytes) throws(JSONFault) -> Void
    ) throws(MalformedBody) {
        // Safe: no text leaves the closure.
        try unsafe repairedUTF8.withUnsafeBytes { (bytes) throws(MalformedBody) in
            let text = unsafe BorrowedBytes(bytes.assumingMemoryBound(to: UInt8.self))
            var isRequest = false
            do throws(JSONFault) {
                isRequest = try Self.read(text, signal, read)
            } catch {
                // The fault may quote the body, so the answer does not show it.
            }
            if !isRequest { throw .unreadable(.json, as: signal) }
        }
    }

    /// - Returns: `false` if the text is JSON of another form.
    private static func read(
        _ text: BorrowedBytes, _ signal: OTLPSignal, _ read: (BorrowedBytes) throws(JSONFault) -> Void
    ) throws(JSONFault) -> Bool {
        var whole = JSONReader(skippingAllBut: signal.groups + "\n")
        guard try whole.open(text) == .object else { return false }
        switch try whole.readObject()[place: 0] {
        case .absent, .null: return true
        case .array(let groups):
            try read(groups)
            return true
        default: return false
        }
    }
}
