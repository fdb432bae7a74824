internal import FoundationEssentials

/// The memory of this process and of the machine, in MB of 1,048,576 bytes.
struct MemoryReading: Equatable, Sendable {
    /// Resident, from `VmRSS` of /proc/self/status.
    let residentMB: Double
    /// Available without swapping, from `MemAvailable` of /proc/meminfo.
    let availableMB: Double

    /// Reads both from the kernel.
    static func now() throws(SimulationError) -> MemoryReading {
        MemoryReading(
            residentMB: try read("VmRSS", from: "/proc/self/status"),
            availableMB: try read("MemAvailable", from: "/proc/meminfo"))
    }

    private static func read(_ field: String, from path: String) throws(SimulationError) -> Double {
        let text: String
        do {
            text = String(decoding: try Data(contentsOf: URL(filePath: path)), as: UTF8.self)
        } catch {
            throw .noMemoryReading(path: path, reason: "cannot be read")
        }
        guard let megabytes = megabytes(of: field, in: text) else {
            throw .noMemoryReading(path: path, reason: "has no line \(field) in kB")
        }
        return megabytes
    }

    /// The field of a line like `VmRSS:     12345 kB` (proc(5)); `nil` if there is none.
    static func megabytes(of field: String, in text: String) -> Double? {
        for line in text.split(separator: "\n") {
            let words = line.split(whereSeparator: { $0 == " " || $0 == "\t" })
            guard words.count == 3, words[0] == field + ":", words[2] == "kB" else { continue }
            // Whole kB by 1024: exact in binary, so the exporter's gauge can be compared with `==`.
            return UInt32(words[1]).map { Double($0) / 1024 }
        }
        return nil
    }
}
