private import Glibc
internal import Model

/// The standard `process_*` families, as client libraries name them, read from procfs (proc(5)).
package enum ProcessMetrics {
    /// Families whose source cannot be read are left out: a missing sample is honest, a 0 is not.
    package static func families() -> [MetricFamily] {
        var families: [MetricFamily] = []
        func add(_ name: String, _ kind: MetricFamily.Kind, _ help: String, _ value: MetricFamily.Value?) {
            guard let value else { return }
            families.append(MetricFamily(name: name, kind: kind, help: help, samples: [.init(value: value)]))
        }
        let stat = Stat()
        add(
            "process_cpu_seconds_total", .counter, "Total user and system CPU time spent in seconds.",
            stat.map { .scaled($0.cpuTicks * 1_000_000 / ticksPerSecond, scale: 6) })
        add("process_open_fds", .gauge, "Number of open file descriptors.", openDescriptors().map { .integer($0) })
        add("process_max_fds", .gauge, "Maximum number of open file descriptors.", limit(RLIMIT_NOFILE))
        add(
            "process_virtual_memory_bytes", .gauge, "Virtual memory size in bytes.",
            stat.map { .integer($0.virtualBytes) })
        add(
            "process_virtual_memory_max_bytes", .gauge, "Maximum amount of virtual memory available in bytes.",
            limit(RLIMIT_AS))
        add(
            "process_resident_memory_bytes", .gauge, "Resident memory size in bytes.",
            stat.map { .integer($0.residentPages * Int128(sysconf(Int32(_SC_PAGESIZE)))) })
        add("process_threads", .gauge, "Number of OS threads in the process.", stat.map { .integer($0.threads) })
        add(
            "process_start_time_seconds", .gauge, "Start time of the process since unix epoch in seconds.",
            stat.flatMap { stat in
                bootTimeSeconds().map { .scaled($0 * 100 + stat.startTicks * 100 / ticksPerSecond, scale: 2) }
            })
        return families
    }

    private static var ticksPerSecond: Int128 { Int128(sysconf(Int32(_SC_CLK_TCK))) }

    /// The fields of /proc/self/stat that are wanted.
    private struct Stat {
        let cpuTicks: Int128
        let threads: Int128
        let startTicks: Int128
        let virtualBytes: Int128
        let residentPages: Int128

        init?() {
            guard let text = readFile("/proc/self/stat"), let end = text.lastIndex(of: ")") else { return nil }
            // The name before may hold anything; behind it come fields 3 and on.
            let fields = text[text.index(after: end)...].split { $0 == " " || $0 == "\n" }.map { Int128($0) }
            func field(_ number: Int) -> Int128? { number - 3 < fields.count ? fields[number - 3] : nil }
            guard let user = field(14), let system = field(15), let threads = field(20), let start = field(22),
                let virtual = field(23), let resident = field(24)
            else { return nil }
            cpuTicks = user + system
            self.threads = threads
            startTicks = start
            virtualBytes = virtual
            residentPages = resident
        }
    }

    private static func bootTimeSeconds() -> Int128? {
        readFile("/proc/stat")?.split(separator: "\n").first { $0.hasPrefix("btime ") }
            .flatMap { Int128($0.dropFirst("btime ".count)) }
    }

    private static func openDescriptors() -> Int128? {
        // Safe: the folder is this function's own until it is closed.
        guard let folder = unsafe opendir("/proc/self/fd") else { return nil }
        defer { unsafe closedir(folder) }
        var entries: Int128 = 0
        while unsafe readdir(folder) != nil { entries += 1 }
        // Not counted: ".", "..", and the descriptor that reads the folder.
        return entries - 3
    }

    private static func limit(_ resource: __rlimit_resource) -> MetricFamily.Value? {
        var limits = rlimit()
        // Safe: the call fills the local struct.
        guard unsafe getrlimit(__rlimit_resource_t(resource.rawValue), &limits) == 0 else { return nil }
        return limits.rlim_cur == ~0 ? .double(.infinity) : .integer(Int128(limits.rlim_cur))
    }

    private static func readFile(_ path: String) -> String? {
        let descriptor = unsafe open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { return nil }
        defer { close(descriptor) }
        var bytes: [UInt8] = []
        while true {
            // Safe: `read` fills no more than the buffer's capacity, and says how much.
            let chunk = unsafe [UInt8](unsafeUninitializedCapacity: 4096) { buffer, count in
                count = unsafe max(0, read(descriptor, buffer.baseAddress, buffer.count))
            }
            if chunk.isEmpty { return String(decoding: bytes, as: UTF8.self) }
            bytes += chunk
        }
    }
}
