package import Model

/// A family that is not kept by the registry: the exporter's own metrics and those of its process. Few samples.
package struct MetricFamily: Sendable {
    package enum Kind: String, Sendable {
        case counter, gauge, histogram
    }

    package struct Sample: Sendable {
        package let labels: LabelBlock
        package let value: Value

        package init(labels: LabelBlock = LabelBlock(), value: Value) {
            self.labels = labels
            self.value = value
        }
    }

    package enum Value: Sendable {
        case integer(Int128)
        /// `value` x 10^-scale, exact.
        case scaled(Int128, scale: Int)
        case double(Double)
        /// Observations by bucket, not cumulated; one count more than bounds, for `+Inf`.
        case histogram(bounds: HistogramBounds, counts: [Int64], sumMicroseconds: Int64)
    }

    package let head: Head
    package let samples: [Sample]

    /// - Parameters:
    ///   - name: as the text format 0.0.4 shows it; a counter's ends in `_total`.
    ///   - help: for a person; escaped when rendered.
    ///   - samples: in the order shown; for a histogram each value is one.
    package init(name: String, kind: Kind, help: String, samples: [Sample]) {
        head = Head(name: name, kind: kind, help: help)
        self.samples = samples
    }

    /// What HELP and TYPE say of a family.
    package struct Head: Sendable {
        package let name: String
        package let kind: Kind
        package let help: String
    }
}
