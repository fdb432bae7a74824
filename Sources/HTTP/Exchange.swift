package import Bodies

/// One request and its answer, lent to the service for one call.
///
/// Not copyable, because it looks into the server's own memory, which is gone once the request is decided. Only
/// `answering` outlives the call.
@safe package struct Exchange: ~Copyable {
    private let source: any ExchangeSource

    package init(_ source: any ExchangeSource) {
        self.source = source
    }

    /// `GET`, `POST`, …, as sent; empty for a request that libmicrohttpd would refuse by itself.
    package var method: String { source.method }
    /// Percent-decoded, without the query.
    package var path: String { source.path }
    /// Why the request must be refused; `nil` for a sound one.
    package var fault: RequestFault? { source.fault }

    /// A header that no request may have twice, and that this one has twice.
    package var repeatedHeader: String? { source.repeatedHeader }

    /// The value of a header, in any case of letters; the first, if there are several. The Host of a request for a
    /// whole URI is that of the URI.
    package func header(_ name: StaticString) -> String? { source.header(name) }

    /// All values of a header that is a list, with commas between (RFC 9110, section 5.3).
    package func list(_ name: StaticString) -> String? { source.list(name) }

    /// Arguments in the query, of any name: more than `query` gave means that some were not understood.
    package var queryCount: Int { source.queryCount }

    /// A decoded argument of the query; `nil` if it is absent or not UTF-8.
    package func query(_ name: StaticString) -> String? { source.query(name) }

    /// Takes the bytes of the request body; empty before `handle`, at a fault, and if it was discarded.
    package func takeBody() -> PaddedBytes { source.takeBody() }

    /// The right to decide this exchange, from any thread.
    package var answering: any Answering { source }

    /// A number that `open` leaves for `handle`, such as the place of a route.
    package var tag: Int {
        get { source.tag }
        nonmutating set { source.tag = newValue }
    }

    /// The client's name, as `proceed` left it for `handle`.
    package var client: String? { source.client }
}

/// The right to decide one exchange: once, from any thread. Later decisions are dropped. If it is dropped undecided,
/// the request is answered 500, because it would hold its connection, and the server's stop, for good.
package protocol Answering: AnyObject, Sendable {
    /// Sends the answer. While `open` has not decided, it refuses the request: the body is not read.
    func answer(_ response: Response)

    /// Closes the connection without an answer: the outcome is unknown to the client.
    func abandon()

    /// Lets a request go on that `open` held.
    ///
    /// - Parameter client: the name under which the client is known, for `handle`.
    func proceed(_ body: BodyTreatment, client: String?)

    /// A number for the client whose shares the request takes: the user or token, else the network. Not 0; different
    /// clients seldom have the same. Until the decision.
    var clientNumber: UInt64 { get }

    /// A share of the client in the memory for bodies, for what the body unpacks to; `nil` without memory. Until the
    /// decision.
    func memoryShare() -> (any MemoryShare)?

    /// The client's address, without its port. Until the decision.
    var peer: String { get }

    /// The network that one host or household has: an IPv4 address, or the /64 prefix of an IPv6 one. Until the
    /// decision.
    var network: String { get }
}

extension Answering {
    /// Lets a request of an unknown client go on.
    package func proceed(_ body: BodyTreatment) { proceed(body, client: nil) }
}

/// The treatment of the body of a request that goes on.
package enum BodyTreatment: Sendable {
    case read
    /// Thrown away as it comes: it takes no memory.
    case discard
}

/// The request and answer behind an exchange: libmicrohttpd in the program, a double in tests. The members that read
/// are valid only during the call that lends the exchange.
package protocol ExchangeSource: Answering {
    var method: String { get }
    var path: String { get }
    var fault: RequestFault? { get }
    var repeatedHeader: String? { get }
    func header(_ name: StaticString) -> String?
    func list(_ name: StaticString) -> String?
    var queryCount: Int { get }
    func query(_ name: StaticString) -> String?
    func takeBody() -> PaddedBytes
    /// Set and read only during the calls that lend the exchange.
    var tag: Int { get set }
    /// Read only during `handle`.
    var client: String? { get }
}
