internal import CSQLite

/// A prepared statement of one connection. Used by one thread at a time.
@safe final class Statement {
    // Safe: both are open until `Connection` finalizes its statements, which it does before it closes; a finalized
    // statement fails each call, as `handle` is nil then.
    private var handle: OpaquePointer?
    private let connection: OpaquePointer

    /// - Parameters: a statement that nothing else uses, and its open connection.
    init(_ handle: OpaquePointer, of connection: OpaquePointer) {
        unsafe self.handle = handle
        unsafe self.connection = connection
    }

    func finalize() {
        unsafe sqlite3_finalize(handle)
        unsafe handle = nil
    }

    /// - Parameter index: from 1.
    func bind(_ value: Value, at index: Int) throws(StoreError) {
        let index = Int32(index)
        let code =
            switch value {
            case .null: unsafe sqlite3_bind_null(handle, index)
            case .integer(let integer): unsafe sqlite3_bind_int64(handle, index, integer)
            case .real(let real): unsafe sqlite3_bind_double(handle, index, real)
            case .text(let text): bind(text, at: index)
            case .bytes(let bytes): bind(bytes, at: index)
            }
        guard code == SQLITE_OK else { throw unsafe StoreError(sqlite: code, connection) }
    }

    private func bind(_ text: String, at index: Int32) -> Int32 {
        var text = text
        return text.withUTF8 { utf8 in
            // Safe: the shim copies as many bytes as there are before the closure returns.
            unsafe utf8.withMemoryRebound(to: CChar.self) { text in
                unsafe csqlite_bind_text(handle, index, text.baseAddress, Int32(text.count))
            }
        }
    }

    private func bind(_ bytes: [UInt8], at index: Int32) -> Int32 {
        // Safe: the shim copies as many bytes as there are before the closure returns.
        unsafe bytes.withUnsafeBytes { bytes in
            unsafe csqlite_bind_blob(handle, index, bytes.baseAddress, Int32(bytes.count))
        }
    }

    /// - Returns: whether there is a row.
    func step() throws(StoreError) -> Bool {
        switch unsafe sqlite3_step(handle) {
        case SQLITE_ROW: return true
        case SQLITE_DONE: return false
        case let code:
            let error = unsafe StoreError(sqlite: code, connection)
            reset()
            throw error
        }
    }

    /// Runs the statement to its end, with these parameters.
    func run(_ values: Value...) throws(StoreError) {
        for (place, value) in values.enumerated() { try bind(value, at: place + 1) }
        while try step() {}
        reset()
    }

    func reset() {
        unsafe sqlite3_reset(handle)
    }

    /// - Parameter column: from 0; of the present row.
    func value(_ column: Int) -> Value {
        let column = Int32(column)
        return switch unsafe sqlite3_column_type(handle, column) {
        case SQLITE_INTEGER: .integer(unsafe sqlite3_column_int64(handle, column))
        case SQLITE_FLOAT: .real(unsafe sqlite3_column_double(handle, column))
        case SQLITE_TEXT: .text(text(column))
        case SQLITE_BLOB: .bytes(bytes(column))
        default: .null
        }
    }

    private func text(_ column: Int32) -> String {
        guard let text = unsafe sqlite3_column_text(handle, column) else { return "" }
        // Safe: SQLite keeps as many bytes as it says until the statement steps or is reset; they are copied at once.
        let utf8 = unsafe UnsafeBufferPointer(start: text, count: Int(sqlite3_column_bytes(handle, column)))
        return unsafe String(decoding: utf8, as: UTF8.self)
    }

    private func bytes(_ column: Int32) -> [UInt8] {
        guard let bytes = unsafe sqlite3_column_blob(handle, column) else { return [] }
        // Safe: SQLite keeps as many bytes as it says until the statement steps or is reset; they are copied at once.
        return unsafe [UInt8](
            UnsafeRawBufferPointer(start: bytes, count: Int(sqlite3_column_bytes(handle, column))))
    }
}
