import Foundation
import NIOConcurrencyHelpers
import NIOCore
import NIOHTTP1
import NIOPosix
import NIOSSL

/// An HTTP server whose replies are a script, used up one by one; it accepts records when none is left.
final class ScriptedServer: Sendable {
    struct Request: Sendable {
        let head: HTTPRequestHead
        let body: String
        let at: ContinuousClock.Instant

        var lines: [Substring] { body.split(separator: "\n") }
    }

    enum Reply: Sendable {
        case accept
        case answer(Int, headers: HTTPHeaders = [:], body: String = "{}")
        /// Closes the connection without an answer.
        case close
        /// Never answers.
        case hang
    }

    /// What the connections write down.
    final class Book: Sendable {
        struct Pages {
            var requests: [Request] = []
            var script: [Reply] = []
            var connections = 0
        }

        let pages: NIOLockedValueBox<Pages>
        let rest: Reply

        init(script: [Reply], rest: Reply) {
            pages = NIOLockedValueBox(Pages(script: script))
            self.rest = rest
        }

        func reply(to request: Request) -> Reply {
            pages.withLockedValue { pages in
                pages.requests.append(request)
                return pages.script.isEmpty ? rest : pages.script.removeFirst()
            }
        }
    }

    let url: String
    private let book: Book
    private let channel: any Channel

    /// - `rest`: the reply when the script is used up.
    /// - `certificate`: a file with a certificate and its key, which makes it speak TLS.
    init(_ script: Reply..., rest: Reply = .accept, certificate: String? = nil) async throws {
        let book = Book(script: script, rest: rest)
        let tls = try certificate.map { file in
            try NIOSSLContext(
                configuration: .makeServerConfiguration(
                    certificateChain: NIOSSLCertificate.fromPEMFile(file).map { .certificate($0) },
                    privateKey: .privateKey(NIOSSLPrivateKey(file: file, format: .pem))))
        }
        channel = try await ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .childChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    let pipeline = channel.pipeline.syncOperations
                    if let tls { try pipeline.addHandler(NIOSSLServerHandler(context: tls)) }
                    try pipeline.configureHTTPServerPipeline()
                    try pipeline.addHandler(Connection(book))
                }
            }
            .bind(host: "127.0.0.1", port: 0).get()
        self.book = book
        url = "\(certificate == nil ? "http" : "https")://127.0.0.1:\(channel.localAddress?.port ?? 0)"
    }

    deinit { channel.close(promise: nil) }

    var requests: [Request] { book.pages.withLockedValue { $0.requests } }
    var connections: Int { book.pages.withLockedValue { $0.connections } }

    /// Adds replies to the script.
    func expect(_ replies: Reply...) { book.pages.withLockedValue { $0.script += replies } }
}

private final class Connection: ChannelInboundHandler {
    typealias InboundIn = HTTPServerRequestPart
    typealias OutboundOut = HTTPServerResponsePart

    private let book: ScriptedServer.Book
    private var head: HTTPRequestHead?
    private var body = ""

    init(_ book: ScriptedServer.Book) { self.book = book }

    func channelActive(context: ChannelHandlerContext) { book.pages.withLockedValue { $0.connections += 1 } }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        switch unwrapInboundIn(data) {
        case .head(let head): (self.head, body) = (head, "")
        case .body(let part): body += String(buffer: part)
        case .end:
            guard let head else { return }
            let request = ScriptedServer.Request(head: head, body: body, at: .now)
            switch book.reply(to: request) {
            case .hang: break
            case .close: context.close(promise: nil)
            case .answer(let status, let headers, let body): answer(status, headers, body, context)
            case .accept:
                answer(200, [:], #"{"accepted":\#(request.lines.count),"duplicates":0,"rejected":0}"#, context)
            }
        }
    }

    private func answer(_ status: Int, _ headers: HTTPHeaders, _ body: String, _ context: ChannelHandlerContext) {
        var head = HTTPResponseHead(version: .http1_1, status: .init(statusCode: status), headers: headers)
        head.headers.add(name: "Content-Length", value: String(body.utf8.count))
        context.write(wrapOutboundOut(.head(head)), promise: nil)
        context.write(wrapOutboundOut(.body(.byteBuffer(ByteBuffer(string: body)))), promise: nil)
        context.writeAndFlush(wrapOutboundOut(.end(nil)), promise: nil)
    }
}

/// An address where nothing listens.
func closedURL() async throws -> String {
    let channel = try await ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
        .bind(host: "127.0.0.1", port: 0).get()
    let port = channel.localAddress?.port ?? 0
    try await channel.close()
    return "http://127.0.0.1:\(port)"
}
