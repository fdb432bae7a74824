#if canImport(Darwin)
    import Darwin
#elseif canImport(Musl)
    import Musl
#else
    import Glibc
#endif

/// Memory of this process and of its host, in MB of 1024 × 1024 bytes; nil where the system does not say.
enum ProcessMemory {
    private static let bytesPerMB = 1024.0 * 1024.0

    /// Resident memory of this process; on Apple's systems the most that it ever was.
    static func residentMB() -> Double? {
        #if canImport(Darwin)
            var usage = rusage()
            guard unsafe getrusage(RUSAGE_SELF, &usage) == 0 else { return nil }
            return Double(usage.ru_maxrss) / bytesPerMB
        #else
            let fields = beginning(of: "/proc/self/statm", bytes: 128).split(separator: UInt8(ascii: " "))
            guard fields.count > 1, let pages = Double(String(decoding: fields[1], as: UTF8.self)) else { return nil }
            return pages * Double(sysconf(Int32(_SC_PAGESIZE))) / bytesPerMB
        #endif
    }

    /// Memory that the host could give out without swapping, as Linux estimates it; nil on other systems.
    static func availableMB() -> Double? {
        #if canImport(Darwin)
            return nil
        #else
            let name = Array("MemAvailable:".utf8)
            for line in beginning(of: "/proc/meminfo", bytes: 1024).split(separator: UInt8(ascii: "\n"))
            where line.starts(with: name) {
                let kilobytes = line.dropFirst(name.count).split(separator: UInt8(ascii: " ")).first
                return kilobytes.flatMap { Double(String(decoding: $0, as: UTF8.self)) }.map { $0 / 1024 }
            }
            return nil
        #endif
    }

    #if !canImport(Darwin)
        /// The beginning of a file of `/proc`, which a single read gives; empty where there is none.
        private static func beginning(of path: String, bytes: Int) -> [UInt8] {
            let descriptor = unsafe open(path, O_RDONLY | O_CLOEXEC)
            if descriptor < 0 { return [] }
            defer { close(descriptor) }
            return unsafe [UInt8](unsafeUninitializedCapacity: bytes) { buffer, count in
                // The buffer has room for what is asked for; a failure reads nothing.
                count = unsafe max(0, read(descriptor, buffer.baseAddress, buffer.count))
            }
        }
    #endif
}
