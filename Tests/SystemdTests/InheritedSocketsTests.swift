import Glibc
import Testing

@testable import Systemd

/// The end-to-end tests (test_systemd.py) pass real descriptors from 3 on to the program. A test's process cannot: the
/// testing library may have opened these for itself.
@Suite("Inherited sockets") struct InheritedSocketsTests {
    @Test("TCP sockets that listen are taken, in order")
    func listening() throws {
        let sockets = [try TestSocket(.ipv4), try TestSocket(.ipv6)]
        let taken = try InheritedSockets.checked(sockets.map { ($0.descriptor, "web") })
        #expect(taken == sockets.map(\.descriptor))
    }

    @Test(
        "the first socket of another kind is named, with its place",
        arguments: [TestSocket.Kind.idle, .datagram, .unix])
    func otherKind(kind: TestSocket.Kind) throws {
        let good = try TestSocket(.ipv4)
        let bad = try TestSocket(kind)
        let error = try #require(throws: InheritedSocketError.self) {
            try InheritedSockets.checked([(good.descriptor, "web"), (bad.descriptor, "other"), (-1, "third")])
        }
        #expect(
            error.description.hasPrefix("socket 2 of systemd, other, is no TCP socket that listens; in its unit use "))
    }

    @Test("a descriptor that is not open is no socket")
    func closed() throws {
        let error = try #require(throws: InheritedSocketError.self) { try InheritedSockets.checked([(-1, "web")]) }
        #expect(error.description.hasPrefix("socket 1 of systemd, web, is no TCP socket that listens; "))
    }

    /// In a process of its own, because the variables are those of the process.
    @Test("without the variables, or with those of another process, there is none")
    func none() async {
        await #expect(processExitsWith: .success) {
            let own = "\(getpid())"
            let cases: [(count: String?, process: String?)] = [(nil, nil), ("1", nil), (nil, own), ("1", "1")]
            for (count, process) in cases {
                setEnvironment(["LISTEN_FDS": count, "LISTEN_PID": process])
                let error = try #require(throws: InheritedSocketError.self) { try InheritedSockets.take() }
                #expect(error.description.hasPrefix("systemd has handed over no socket; start "))
            }
        }
    }

    /// In a process of its own, because the variables are those of the process.
    @Test("variables that systemd does not set so are reported, and removed: a second call finds none")
    func unreadable() async {
        await #expect(processExitsWith: .success) {
            let own = "\(getpid())"
            for (count, process) in [("many", own), ("0", own), ("-1", own), ("1", "nobody")] {
                setEnvironment(["LISTEN_FDS": count, "LISTEN_PID": process])
                let first = try #require(throws: InheritedSocketError.self) { try InheritedSockets.take() }
                #expect(
                    first.description == "LISTEN_FDS cannot be read (Invalid argument); "
                        + "start the program by systemd, or leave the flag out")
                let second = try #require(throws: InheritedSocketError.self) { try InheritedSockets.take() }
                #expect(second.description.hasPrefix("systemd has handed over no socket; "))
            }
        }
    }
}
