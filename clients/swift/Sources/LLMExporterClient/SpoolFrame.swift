#if canImport(FoundationEssentials)
    import FoundationEssentials
#else
    import Foundation
#endif

/// How a batch lies in a file of the spool: a line of JSON, then the batch as it goes over the wire. The Python client
/// writes the same.
///
/// `{"agent":"A","bytes":210,"crc32":3421780262,"records":2,"time":1764000000.5}`; `time` is Unix seconds.
enum SpoolFrame {
    /// A header is shorter, whatever the name of its agent.
    static let maxHeaderBytes = 4096

    struct Header: Codable {
        let agent: String
        let time: Double
        let records: Int
        let bytes: Int
        let crc32: UInt32
    }

    /// What a frame must not be.
    struct Damage: Error, CustomStringConvertible {
        let description: String
    }

    static func bytes(of batch: Batch) throws -> [UInt8] {
        let age = ContinuousClock.now - batch.created
        let header = Header(
            agent: batch.agentName, time: Date().timeIntervalSince1970 - age / .seconds(1), records: batch.records,
            bytes: batch.body.count, crc32: checksum(of: batch.body))
        let encoder = JSONEncoder()
        encoder.outputFormatting = .sortedKeys
        return try encoder.encode(header) + [UInt8(ascii: "\n")] + batch.body
    }

    /// The header at the beginning of `bytes`, and its length with the line feed.
    static func header(in bytes: [UInt8]) throws(Damage) -> (Header, length: Int) {
        guard let end = bytes.firstIndex(of: UInt8(ascii: "\n")) else {
            throw Damage(description: "a frame without its header")
        }
        guard let header = try? JSONDecoder().decode(Header.self, from: Data(bytes[..<end])) else {
            throw Damage(description: "a header without its fields")
        }
        return (header, end + 1)
    }

    static func batch(_ header: Header, _ body: [UInt8], firstPlace: Int?) throws(Damage) -> Batch {
        guard body.count == header.bytes, checksum(of: body) == header.crc32 else {
            throw Damage(description: "a frame that is torn")
        }
        // By the clock on the wall, which alone outlives a process; set back, it makes a batch no younger than now.
        let age = max(0, min(Date().timeIntervalSince1970 - header.time, 366 * 86_400))
        return Batch(
            agentName: header.agent, body: body, firstPlace: firstPlace,
            created: .now - .seconds(age))
    }

    /// CRC-32 as in zlib and ISO 3309.
    static func checksum(of bytes: [UInt8]) -> UInt32 {
        ~bytes.reduce(~0) { crc, byte in table[Int((crc ^ UInt32(byte)) & 0xFF)] ^ (crc >> 8) }
    }

    private static let table: [UInt32] = (0..<256).map { byte in
        (0..<8).reduce(byte) { crc, _ in crc & 1 == 1 ? 0xEDB8_8320 ^ (crc >> 1) : crc >> 1 }
    }
}
