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
            var writer = TextWriter(format, reserving: estimatedBytes(of: snapshot, bucketsInALine: 1))
            write(snapshot, own, started, to: &writer)
            return writer.finished()
        case .protobuf(let hasNativeHistograms):
            var writer = ProtobufWriter(
                hasNativeHistograms: hasNativeHistograms, reserving: estimatedBytes(of: snapshot, bucketsInALine: 4))
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

    /// An estimate of the size, on the high side: unused room costs nothing, but growing the buffer copies it.
    ///
    /// - Parameter bucketsInALine: buckets that take as many bytes as a line of text.
    private static func estimatedBytes(of snapshot: Snapshot, bucketsInALine: Int) -> Int {
        // The longest name with the longest end and a number of usual length.
        let lineBeyondBlock = 96
        let histogramLines = (snapshot.bounds.microseconds.count + 3) / bucketsInALine + 1
        var estimate = 16_384
        for chunk in snapshot.calls.chunks {
            for index in chunk.indices {
                var lines = 12
                if chunk[index].totals.latency != nil { lines += histogramLines }
                if chunk[index].totals.timeToFirstToken != nil { lines += histogramLines }
                estimate += lines * (chunk[index].block.bytes.count + lineBeyondBlock)
            }
        }
        for chunk in snapshot.endpoints.chunks {
            for index in chunk.indices {
                estimate += histogramLines * (chunk[index].block.bytes.count + lineBeyondBlock)
            }
        }
        return estimate + (snapshot.agents.count * 3 + snapshot.offerings.count) * 2 * lineBeyondBlock
    }
}
