import FoundationEssentials
import Model
import Testing

@testable import Store

let dawn = Instant(unixMilliseconds: 1_700_000_000_000)

/// Runs `body` with a folder of its own, which is removed afterwards.
func withFolder<Result>(_ body: (StorageFolder) throws -> Result) throws -> Result {
    // Every character with a meaning in a URI: SQLite gets the path as one.
    let path = FileManager.default.temporaryDirectory.path + "/store tests?#%41é-" + UUID().uuidString
    try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
    defer {
        do {
            #expect(try openFiles(under: path) == [], "left open")
            try FileManager.default.removeItem(atPath: path)
        } catch {
            Issue.record(error)
        }
    }
    return try body(StorageFolder(path + "/storage"))
}

/// The files in a folder that this process has open.
private func openFiles(under path: String) throws -> [String] {
    let descriptors = "/proc/self/fd"
    // Other tests open and close theirs meanwhile: a descriptor that is listed may be gone.
    return try FileManager.default.contentsOfDirectory(atPath: descriptors).compactMap {
        try? FileManager.default.destinationOfSymbolicLink(atPath: descriptors + "/" + $0)
    }.filter { $0.hasPrefix(path + "/") }
}

extension StorageFolder {
    /// A folder beside this one.
    func beside(_ name: String) -> StorageFolder {
        StorageFolder(URL(filePath: path).deletingLastPathComponent().path + "/" + name)
    }

    /// The files of the folder, byte for byte, by name; without the lock, which names its holder.
    func contents() throws -> [String: [UInt8]] {
        var contents: [String: [UInt8]] = [:]
        for name in try names() where name != "lock" {
            contents[name] = [UInt8](try Data(contentsOf: URL(filePath: path + "/" + name)))
        }
        return contents
    }

    func names() throws -> [String] { try FileManager.default.contentsOfDirectory(atPath: path).sorted() }

    /// Makes the folder hold these files and no other.
    func fill(_ contents: [String: [UInt8]]) throws {
        if FileManager.default.fileExists(atPath: path) { try FileManager.default.removeItem(atPath: path) }
        try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
        for (name, bytes) in contents { try Data(bytes).write(to: URL(filePath: path + "/" + name)) }
    }

    /// The folder as a crash leaves it: what is open stays open, and the index of the WAL is lost with the memory.
    func crashed(into copy: StorageFolder) throws -> StorageFolder {
        try copy.fill(try contents().filter { !$0.key.hasSuffix("-shm") })
        return copy
    }

    /// Changes the database behind the store's back.
    func tamper(_ sql: String) throws {
        let connection = try Connection(database, .writing)
        defer { connection.close() }
        try connection.execute(sql)
    }

    func opened(_ settings: StoreSettings = .example(), now: Instant = dawn) throws(StoreError) -> LedgerState {
        let (store, state) = try Store.open(self, settings, now: now)
        store.close()
        return state
    }
}

extension StoreSettings {
    static func example(
        bounds: HistogramBounds? = nil, resetsHistogramsOnChange: Bool = false, maxSeries: Int = 10_000,
        idWindow: Duration = .seconds(3600), maxIDs: Int = 1_000_000, budgets: [Budget]? = nil
    ) -> StoreSettings {
        StoreSettings(
            bounds: bounds, resetsHistogramsOnChange: resetsHistogramsOnChange, maxSeries: maxSeries,
            idWindow: idWindow, maxIDs: maxIDs, budgets: budgets)
    }
}

extension LabelValue: ExpressibleByStringLiteral {
    /// The text as it is written.
    public init(stringLiteral value: String) { self.init(value) }
}

extension SeriesLabels {
    init(_ agentName: LabelValue, _ provider: LabelValue = "openai", _ model: LabelValue = "gpt-4o-mini") {
        self.init(agentName: agentName, provider: provider, model: model)
    }
}

extension RecordID {
    static func example(_ number: Int, content: UInt64 = 1) -> RecordID {
        // Spread over all parts of the look-up table.
        RecordID(
            call: Digest(bits: UInt128(number) &* 0x9E37_79B9_7F4A_7C15_F39C_C060_5CED_C835), content: content)
    }
}

extension Event {
    static func started(_ agentName: LabelValue, _ number: Int) -> Event {
        .start(CallStart(agentName: agentName, id: .example(number)))
    }

    static func ended(_ agentName: LabelValue, _ number: Int, content: UInt64 = 1) -> Event {
        .end(CallRecord(labels: SeriesLabels(agentName), id: .example(number, content: content)))
    }
}

/// SplitMix64 (Steele, Lea, Flood, 2014): the same numbers for the same seed on every run.
struct Seeded: RandomNumberGenerator {
    private var state: UInt64

    init(_ seed: UInt64) {
        state = seed
    }

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var mixed = state
        mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
        return mixed ^ (mixed >> 31)
    }
}
