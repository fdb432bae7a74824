package import Model

/// The bytes of one scrape.
///
/// Built whole, in one buffer; nothing here can fail.
package enum Exposition {
    /// The families of docs/metrics.md in its order, then `own` in the order given.
    ///
    /// - Parameter started: when the counters and histograms of `own` began.
    package static func render(
        _ snapshot: Snapshot, own: [MetricFamily], started: Instant, format: ExpositionFormat
    ) -> [UInt8] {
        switch format {
        case .text, .openMetrics:
            var writer = TextWriter(format, reserving: TextWriter.estimatedBytes(of: snapshot))
            write(snapshot, own, started, to: &writer)
            return writer.finished()
        case .protobuf(let hasNativeHistograms):
            var writer = ProtobufWriter(hasNativeHistograms: hasNativeHistograms)
            write(snapshot, own, started, to: &writer)
            return writer.bytes
        }
    }

    private static func write(
        _ snapshot: Snapshot, _ own: [MetricFamily], _ started: Instant, to writer: inout some SampleWriter
    ) {
        CallFamilies.write(snapshot, to: &writer)
        for family in own { writer.append(family, created: started) }
    }
}
