/// What a request may do (docs/securing.md).
package enum Scope: String, CaseIterable, Sendable {
    case record, scrape, admin
}
