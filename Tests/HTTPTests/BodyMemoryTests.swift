import Bodies
import Concurrency
import Glibc
import HTTP
import Testing

/// The memory of bodies is 1 MiB here, and a body at most 512 KiB. The header `Client` names the client.
@Suite("The memory of bodies") struct BodyMemoryTests {
    private static let limit = 1 << 20
    private static let half = limit / 2

    private static func byName(handle: @escaping @Sendable (borrowing Exchange) -> Void) -> ScriptedService {
        ScriptedService(
            open: { $0.answering.proceed(.read, client: $0.header("Client")) },
            handle: handle)
    }

    /// Answers with the length of the body.
    private static func measure(_ exchange: borrowing Exchange) {
        if let fault = exchange.fault {
            exchange.answering.answer(.text(500, "\(fault)"))
        } else {
            exchange.answering.answer(.text(200, "\(exchange.takeBody().count)"))
        }
    }

    private func serving(
        handle: @escaping @Sendable (borrowing Exchange) -> Void = Self.measure, _ body: (Clients) throws -> Void
    ) throws {
        try HTTPTests.serving(
            Self.byName(handle: handle), bodyLimitBytes: Self.half, bodyMemoryBytes: Self.limit
        ) { address, _ in
            try body(Clients(address: address))
        }
    }

    private struct Clients {
        let address: String

        /// A request that announces `length` bytes and has sent `sent` of them.
        func begin(_ client: String, length: Int, sent: Int) throws -> Wire {
            let wire = try Wire(to: address)
            wire.request("POST", "/", headers: ["Client: \(client)", "Content-Length: \(length)"])
            // Apart from the head: libmicrohttpd then reads the body in several pieces.
            usleep(20_000)
            wire.send(String(repeating: "x", count: sent))
            return wire
        }

        /// Whether a whole body of `length` bytes is taken.
        func posts(_ client: String, length: Int) throws -> Bool {
            let wire = try begin(client, length: length, sent: length)
            return wire.answer()?.body == "\(length)"
        }
    }

    private static let settling: UInt32 = 100_000

    @Test("a client that is alone may use all of it; what is announced and not sent takes nothing")
    func alone() throws {
        try serving { clients in
            let announced = try (0..<20).map { _ in try clients.begin("a", length: Self.half, sent: 10_000) }
            let others = try (0..<1).map { _ in try clients.begin("a", length: Self.half, sent: Self.half - 1) }
            usleep(Self.settling)
            for wire in others {
                wire.send("x")
                #expect(wire.answer()?.status == 200)
            }
            #expect(announced.count == 20)
        }
    }

    @Test("beyond the limit a client that is alone is refused, and its bodies that are on their way are not")
    func beyond() throws {
        try serving { clients in
            let first = try (0..<2).map { _ in try clients.begin("a", length: Self.half, sent: Self.half - 16) }
            usleep(Self.settling)
            let refused = try clients.begin("a", length: 300_000, sent: 300_000)
            #expect(refused.answer()?.body == "outOfMemory")
            for wire in first {
                wire.send(String(repeating: "x", count: 16))
                #expect(wire.answer()?.status == 200)
            }
        }
    }

    @Test("a client that holds all of it gives way to another", arguments: [20_000, 200_000])
    func givesWay(length: Int) throws {
        try serving { clients in
            let held = try (0..<2).map { _ in try clients.begin("a", length: Self.half, sent: Self.half - 16) }
            usleep(Self.settling)
            #expect(try clients.posts("b", length: length))
            for wire in held { wire.send(String(repeating: "x", count: 16)) }
            let answers = held.map { $0.answer()?.status }
            #expect(answers.filter { $0 == 500 }.count == 1, "one body was dropped, and no more")
            #expect(answers.filter { $0 == 200 }.count == 1)
        }
    }

    @Test("a small body that comes in one piece is taken while others hold all of it")
    func small() throws {
        try serving { clients in
            let held = try (0..<2).map { _ in try clients.begin("a", length: Self.half, sent: Self.half - 16) }
            usleep(Self.settling)
            let wire = try Wire(to: clients.address)
            wire.request("POST", "/", headers: ["Client: a"], body: String(repeating: "x", count: 4096))
            #expect(wire.answer()?.status == 200)
            for wire in held {
                wire.send(String(repeating: "x", count: 16))
                #expect(wire.answer()?.status == 200)
            }
        }
    }

    @Test("a body that makes no progress gives way, also to its own client")
    func stalled() throws {
        try serving { clients in
            let held = try (0..<2).map { _ in try clients.begin("a", length: Self.half, sent: Self.half - 16) }
            usleep(2_300_000)
            #expect(try clients.posts("a", length: 300_000))
            for wire in held { wire.send(String(repeating: "x", count: 16)) }
            let answers = held.map { $0.answer()?.status }
            #expect(answers.contains(500))
        }
    }

    @Test("what a body becomes counts in its client's share, in place of bodies that arrive")
    func share() throws {
        let shares = Locked<[any MemoryShare]>([])
        try serving(handle: { exchange in
            let body = exchange.takeBody()
            guard exchange.fault == nil, exchange.header("Client") == "b", let share = exchange.answering.memoryShare()
            else {
                exchange.answering.answer(.text(exchange.fault == nil ? 200 : 500, "\(body.count)"))
                return
            }
            // A body of each size in KiB that its text names.
            let steps = unsafe body.withUnsafeBytes { unsafe String(decoding: $0, as: UTF8.self) }
                .split(separator: " ").compactMap { Int($0) }
            let grown = steps.filter { share.grow(by: $0 << 10) }
            shares.withLock { $0.append(share) }
            exchange.answering.answer(.text(200, "\(grown)"))
        }) { clients in
            func unpack(_ steps: String) throws -> String? {
                let wire = try Wire(to: clients.address)
                wire.request("POST", "/", headers: ["Client: b"], body: steps)
                return wire.answer()?.body
            }
            let held = try clients.begin("a", length: Self.half, sent: Self.half - 16)
            usleep(Self.settling)
            // 512 KiB arrive; there is room for as much, and for no more than another client holds.
            #expect(try unpack("500 100 4096") == "[500]")
            // More than the other client's, which therefore stays.
            held.send(String(repeating: "x", count: 16))
            #expect(held.answer()?.status == 200)
            #expect(try unpack("512 600") == "[512]")
            shares.withLock { $0.removeAll() }
            #expect(try unpack("1024") == "[1024]")
        }
    }

    @Test("a body counts until it is freed, and another client finds room meanwhile")
    func taken() throws {
        let kept = Locked<[(PaddedBytes, any Answering)]>([])
        try serving(handle: { exchange in
            let body = exchange.takeBody()
            let answering = exchange.answering
            if exchange.header("Client") == "a", exchange.fault == nil {
                kept.withLock { $0.append((body, answering)) }
            } else {
                answering.answer(.text(exchange.fault == nil ? 200 : 500, "\(body.count)"))
            }
        }) { clients in
            let held = try (0..<2).map { _ in try clients.begin("a", length: Self.half, sent: Self.half) }
            #expect(eventually { kept.withLock { $0.count } == 2 })
            // None of them can be dropped any more.
            #expect(try clients.posts("b", length: 50_000))
            let refused = try clients.begin("a", length: 300_000, sent: 300_000)
            #expect(refused.answer()?.status == 500)
            for (_, answering) in kept.withLock({ kept in
                defer { kept = [] }
                return kept
            }) {
                answering.answer(.text(200, "kept"))
            }
            for wire in held { #expect(wire.answer()?.body == "kept") }
            #expect(try clients.posts("b", length: Self.half))
        }
    }
}
