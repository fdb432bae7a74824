internal import Model

/// The objects of a JSON body, as one format reads them: each becomes an event or a rejection, or is ignored.
///
/// `BodyWalk` finds the objects. The static members say which bodies the format takes beyond those that all formats
/// take.
protocol BodyObjects: ~Copyable {
    /// Whether `null` may stand in place of an object or of the whole document; it is skipped.
    static var skipsNull: Bool { get }
    /// Whether a line may be an array, and whether a body that is not JSON as a whole is read line by line if one of
    /// its lines is sound.
    static var takesSoundLines: Bool { get }
    /// Whether a byte order mark may precede the body.
    static var allowsByteOrderMark: Bool { get }

    /// The array that an object wraps which is the body or a line: its elements are the objects then. `nil` if the
    /// object is one itself.
    static func elements(of object: JSONObject) -> BorrowedBytes?

    /// The agent of an object that `read` has just refused; `nil` if it names none that is valid.
    func agentName(of object: JSONObject) -> LabelValue?

    /// - Parameter index: the object's place in the body.
    /// - Throws: the first rule that the object breaks.
    mutating func read(
        _ object: JSONObject, index: Int, warnings: inout BodyWarnings
    ) throws(RecordFault) -> ReadObject
}

/// The content of an object that breaks no rule.
enum ReadObject {
    case event(Event)
    /// Counted as ignored.
    case nonCall(LiteLLMNonCall)
    /// An object that wraps `null`.
    case null
}

extension BodyObjects where Self: ~Copyable {
    static func elements(of object: JSONObject) -> BorrowedBytes? { nil }
}
