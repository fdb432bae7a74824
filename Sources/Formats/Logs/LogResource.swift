/// The resource of log records, and its part of their ids.
struct LogResource {
    private(set) var resource: Resource
    private let operatorAttributes: OperatorAttributes
    /// The same for equal attributes in any order, in all versions: ids are remembered across restarts.
    private(set) var digest: UInt128 = 0
    private var input = DigestInput()

    /// - Parameter operatorAttributes: those that the configuration names.
    init(_ operatorAttributes: OperatorAttributes = .none) {
        self.operatorAttributes = operatorAttributes
        resource = Resource(operatorAttributes)
    }

    /// Begins another resource; memory is kept.
    mutating func removeAll() {
        resource = Resource(operatorAttributes)
        digest = 0
    }

    mutating func add(_ name: BorrowedBytes, _ value: BorrowedValue) {
        resource.add(name, value)
        input.removeAll()
        input.append(part: name)
        switch value {
        case .text(let text): input.append(part: text)
        case .boolean(let value): input.append(number: value ? 1 : 0)
        case .integer(let number): input.append(number: UInt64(bitPattern: number))
        case .double(let number): input.append(number: number.bitPattern)
        }
        digest &+= input.digest128
    }
}
