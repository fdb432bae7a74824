import Glibc
import Testing

@testable import Systemd

/// Each test runs in a process of its own, because the protocol is read from the environment.
@Suite("Service manager") struct ServiceManagerTests {
    @Test("without NOTIFY_SOCKET nothing listens, and notices are dropped")
    func noManager() async {
        await #expect(processExitsWith: .success) {
            setEnvironment(["NOTIFY_SOCKET": nil, "WATCHDOG_USEC": "600000", "WATCHDOG_PID": "\(getpid())"])
            let manager = ServiceManager()
            #expect(!manager.isListening && manager.watchdogInterval == nil)
            manager.notify(.ready)
        }
    }

    @Test("a socket in the file system gets each message whole, in order")
    func path() async {
        await #expect(processExitsWith: .success) {
            let socket = try NotifySocket(isAbstract: false)
            setEnvironment(["NOTIFY_SOCKET": socket.name])
            let manager = ServiceManager()
            #expect(manager.isListening)
            manager.notify(.ready, .status("Listening on 127.0.0.1:10140"))
            manager.notify(.alive)
            manager.notify(.stopping)
            #expect(try socket.receive() == "READY=1\nSTATUS=Listening on 127.0.0.1:10140")
            #expect(try socket.receive() == "WATCHDOG=1")
            #expect(try socket.receive() == "STOPPING=1")
        }
    }

    @Test("a socket in the abstract namespace, which begins with @, gets messages too")
    func abstract() async {
        await #expect(processExitsWith: .success) {
            let socket = try NotifySocket(isAbstract: true)
            #expect(socket.name.hasPrefix("@"))
            setEnvironment(["NOTIFY_SOCKET": socket.name])
            ServiceManager().notify(.ready)
            #expect(try socket.receive() == "READY=1")
        }
    }

    @Test("a manager that went away does not stop the program")
    func gone() async {
        await #expect(processExitsWith: .success) {
            let socket = try NotifySocket(isAbstract: false)
            setEnvironment(["NOTIFY_SOCKET": socket.name])
            socket.remove()
            let manager = ServiceManager()
            #expect(manager.isListening)
            manager.notify(.ready)
        }
    }

    @Test("a reload begins with the time of the monotonic clock in microseconds")
    func reload() async {
        await #expect(processExitsWith: .success) {
            let socket = try NotifySocket(isAbstract: false)
            setEnvironment(["NOTIFY_SOCKET": socket.name])
            let before = monotonicMicroseconds()
            ServiceManager().notify(.reloading, .status("Reloading"))
            let lines = try socket.receive().split(separator: "\n").map(String.init)
            #expect(lines.count == 3 && lines.first == "RELOADING=1" && lines.last == "STATUS=Reloading")
            let time = try #require(lines[1].split(separator: "=").last.flatMap { Int64($0) })
            #expect(lines[1] == "MONOTONIC_USEC=\(time)")
            #expect((before...monotonicMicroseconds()).contains(time))
        }
    }

    @Test("more time is asked for in microseconds")
    func moreTime() async {
        await #expect(processExitsWith: .success) {
            let socket = try NotifySocket(isAbstract: false)
            setEnvironment(["NOTIFY_SOCKET": socket.name])
            ServiceManager().notify(.moreTime(.seconds(30)))
            ServiceManager().notify(.moreTime(.milliseconds(1500)))
            #expect(try socket.receive() == "EXTEND_TIMEOUT_USEC=30000000")
            #expect(try socket.receive() == "EXTEND_TIMEOUT_USEC=1500000")
        }
    }

    @Test("line breaks in a status become spaces: a line of its own would be another assignment")
    func status() async {
        await #expect(processExitsWith: .success) {
            let socket = try NotifySocket(isAbstract: false)
            setEnvironment(["NOTIFY_SOCKET": socket.name])
            let manager = ServiceManager()
            manager.notify(.status("Not ready:\nREADY=1\r\n\u{2028}x\n"))
            manager.notify(.status(""))
            manager.notify(.status("50 % of ü=ö %s"))
            #expect(try socket.receive() == "STATUS=Not ready: READY=1 x")
            #expect(try socket.receive() == "STATUS=")
            #expect(try socket.receive() == "STATUS=50 % of ü=ö %s")
        }
    }

    @Test("WATCHDOG_USEC is the interval, if WATCHDOG_PID names this process or none")
    func watchdog() async {
        await #expect(processExitsWith: .success) {
            setEnvironment(["NOTIFY_SOCKET": "@nothing"])
            let own = "\(getpid())"
            let intervals: [(microseconds: String?, process: String?, interval: Duration?)] = [
                ("600000", own, .milliseconds(600)), ("30000000", nil, .seconds(30)), (nil, own, nil),
                ("600000", "1", nil), ("0", own, nil), ("", own, nil), ("soon", own, nil), ("-5", own, nil),
                ("600000", "nobody", nil),
            ]
            for (microseconds, process, interval) in intervals {
                setEnvironment(["WATCHDOG_USEC": microseconds, "WATCHDOG_PID": process])
                #expect(ServiceManager().watchdogInterval == interval, "\(microseconds ?? "-") \(process ?? "-")")
            }
        }
    }
}

private func monotonicMicroseconds() -> Int64 {
    var now = timespec()
    // Safe: it is written during the call only.
    unsafe clock_gettime(CLOCK_MONOTONIC, &now)
    return Int64(now.tv_sec) * 1_000_000 + Int64(now.tv_nsec) / 1000
}
