/// The totals as of one batch, for one scrape: a value that shares its storage with the registry.
package struct Snapshot: Sendable {
    package let bounds: HistogramBounds
    package let calls: ChunkedArray<CallSeries>
    package let endpoints: ChunkedArray<EndpointSeries>
    package let offerings: ChunkedArray<OfferingSeries>
    package let agents: ChunkedArray<AgentSeries>
    package let memoryAvailableMegabytes: Double?
}

extension Registry {
    /// Without the look-up tables: shared, they would be copied whole when the next series is born.
    package var snapshot: Snapshot {
        Snapshot(
            bounds: bounds, calls: calls.elements, endpoints: endpoints.elements, offerings: offerings.elements,
            agents: agents.elements, memoryAvailableMegabytes: memoryAvailableMegabytes)
    }
}
