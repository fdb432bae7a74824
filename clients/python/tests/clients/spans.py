"""An exporter of spans whose destination each test sets."""

from __future__ import annotations

from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.trace.export import SimpleSpanProcessor


class Redirected(SimpleSpanProcessor):
    """Sends each span as it ends, to the exporter of the present test.

    Packages are instrumented once in a process: what takes an instrumentation away again leaves parts of it behind.
    """

    def __init__(self) -> None:
        super().__init__(OTLPSpanExporter("http://127.0.0.1:9"))

    def to(self, url: str) -> None:
        self.span_exporter = OTLPSpanExporter(f"{url}/v1/traces")
