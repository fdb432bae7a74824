"""The protobuf form of a scrape, read back by Google's protobuf.

The message types are those of io.prometheus.client (prometheus/client_model, metrics.proto), declared here by their
field numbers, so that a wrong number in the exporter shows.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator
from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory, unknown_fields

ACCEPT = "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited"
PACKAGE = "io.prometheus.client"

_TYPES: dict[str, dict[str, tuple[int, str]]] = {
    "Timestamp": {"seconds": (1, "int64"), "nanos": (2, "int32")},
    "LabelPair": {"name": (1, "string"), "value": (2, "string")},
    "Gauge": {"value": (1, "double")},
    "Exemplar": {"label": (1, "*LabelPair"), "value": (2, "double"), "timestamp": (3, "Timestamp")},
    "Counter": {"value": (1, "double"), "exemplar": (2, "Exemplar"), "created_timestamp": (3, "Timestamp")},
    "Bucket": {"cumulative_count": (1, "uint64"), "upper_bound": (2, "double"), "exemplar": (3, "Exemplar"),
               "cumulative_count_float": (4, "double")},
    "BucketSpan": {"offset": (1, "sint32"), "length": (2, "uint32")},
    "Histogram": {"sample_count": (1, "uint64"), "sample_sum": (2, "double"), "bucket": (3, "*Bucket"),
                  "sample_count_float": (4, "double"), "schema": (5, "sint32"), "zero_threshold": (6, "double"),
                  "zero_count": (7, "uint64"), "zero_count_float": (8, "double"), "negative_span": (9, "*BucketSpan"),
                  "negative_delta": (10, "*sint64"), "negative_count": (11, "*double"),
                  "positive_span": (12, "*BucketSpan"), "positive_delta": (13, "*sint64"),
                  "positive_count": (14, "*double"), "created_timestamp": (15, "Timestamp"),
                  "exemplars": (16, "*Exemplar")},
    "Metric": {"label": (1, "*LabelPair"), "gauge": (2, "Gauge"), "counter": (3, "Counter"),
               "histogram": (7, "Histogram"), "timestamp_ms": (6, "int64")},
    "MetricFamily": {"name": (1, "string"), "help": (2, "string"), "type": (3, "int32"), "metric": (4, "*Metric"),
                     "unit": (5, "string")},
}
COUNTER, GAUGE, HISTOGRAM = 0, 1, 4


def _family_type() -> Any:
    file = descriptor_pb2.FileDescriptorProto(name="metrics.proto", package=PACKAGE, syntax="proto2")
    for name, fields in _TYPES.items():
        message = file.message_type.add(name=name)
        for field, (number, kind) in fields.items():
            bare = kind.removeprefix("*")
            added = message.field.add(name=field, number=number, label=3 if kind.startswith("*") else 1)
            if bare in _TYPES:
                added.type, added.type_name = added.TYPE_MESSAGE, f".{PACKAGE}.{bare}"
            else:
                added.type = getattr(added, f"TYPE_{bare.upper()}")
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName(f"{PACKAGE}.MetricFamily"))


MetricFamily = _family_type()


def _varint(body: bytes, at: int) -> tuple[int, int]:
    """A number, and the place behind it."""
    number = shift = 0
    while True:
        number |= (body[at] & 0x7F) << shift
        at, shift, is_last = at + 1, shift + 7, body[at] < 0x80
        if is_last:
            return number, at


def families(body: bytes) -> dict[str, Any]:
    """The families of a scrape in their order. Unknown fields are an error: the exporter writes none."""
    found: dict[str, Any] = {}
    at = 0
    while at < len(body):
        length, at = _varint(body, at)
        assert at + length <= len(body), "a message is cut off"
        family = MetricFamily.FromString(body[at:at + length])
        assert not _has_unknown_fields(family), family.name
        assert family.name not in found, f"{family.name} is there twice"
        found[family.name] = family
        at += length
    return found


def _has_unknown_fields(message: Any) -> bool:
    if len(unknown_fields.UnknownFieldSet(message)):
        return True
    return any(_has_unknown_fields(part) for field, value in message.ListFields() if field.message_type
               for part in (value if field.is_repeated else [value]))


Labels = tuple[tuple[str, str], ...]


def labels(metric: Any) -> Labels:
    return tuple((pair.name, pair.value) for pair in metric.label)


def samples(found: dict[str, Any]) -> Iterator[tuple[str, Labels, float]]:
    """The samples that the text formats show, in their order."""
    for name, family in found.items():
        for metric in family.metric:
            if family.type == COUNTER:
                yield name, labels(metric), metric.counter.value
            elif family.type == GAUGE:
                yield name, labels(metric), metric.gauge.value
            else:
                histogram = metric.histogram
                for bucket in histogram.bucket:
                    le = "+Inf" if bucket.upper_bound == float("inf") else repr(bucket.upper_bound)
                    yield name + "_bucket", (*labels(metric), ("le", le)), bucket.cumulative_count
                yield name + "_sum", labels(metric), histogram.sample_sum
                yield name + "_count", labels(metric), histogram.sample_count


def created(message: Any) -> float | None:
    """Seconds since 1970 at which a counter or a histogram began."""
    if not message.HasField("created_timestamp"):
        return None
    return message.created_timestamp.seconds + message.created_timestamp.nanos / 1e9


#: Upper bounds of the native buckets in microseconds, rounded down, from that of 1 µs on.
FIRST_INDEX, LAST_INDEX = -159, 132


def _root8(number: int) -> int:
    """The eighth root, rounded down."""
    low, high = 0, 1 << (number.bit_length() // 8 + 1)
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if middle ** 8 <= number else (low, middle - 1)
    return low


BOUNDS = [_root8(10 ** 48 * 2 ** k if k >= 0 else 10 ** 48 // 2 ** -k) for k in range(FIRST_INDEX, LAST_INDEX + 1)]


#: Stands for the zero bucket.
ZERO = FIRST_INDEX - 1


def native_bucket(microseconds: int) -> int:
    """The index of the native bucket that holds a latency."""
    return ZERO if microseconds == 0 else FIRST_INDEX + bisect_left(BOUNDS, microseconds)


def native_counts(histogram: Any) -> dict[int, int]:
    """Observations by native bucket, of those that hold any, after checking what Prometheus relies on."""
    assert histogram.schema == 3 and histogram.zero_threshold == 2.0 ** -20
    assert sum(span.length for span in histogram.positive_span) == len(histogram.positive_delta)
    counts = {ZERO: histogram.zero_count} if histogram.zero_count else {}
    index = count = 0
    deltas = iter(histogram.positive_delta)
    for place, span in enumerate(histogram.positive_span):
        assert span.length > 0 and (place == 0 or span.offset > 0), "an empty span, or one that could be joined"
        index += span.offset
        for _ in range(span.length):
            count += next(deltas)
            assert count >= 0
            if count:
                counts[index] = count
            index += 1
    assert sum(counts.values()) == histogram.sample_count
    return counts
