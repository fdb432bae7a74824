"""What schemathesis does not know of: bodies in OTLP's protobuf, NDJSON, and content codings."""

import gzip
import json
import zlib
from collections.abc import Callable
from pathlib import Path

import schemathesis
import zstandard
from hypothesis import strategies as st

FIXTURES = Path(__file__).resolve().parents[2] / "Fixtures" / "otlp"
EXPORTS = [(FIXTURES / name).read_bytes() for name in ("openai-v2.bin", "traceloop.bin")]
METRICS = (FIXTURES / "metrics.bin").read_bytes()
CODINGS: dict[str, Callable[[bytes], bytes]] = {
    "gzip": gzip.compress, "deflate": zlib.compress, "zstd": zstandard.compress}

names = st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"]), min_size=1, max_size=60)
records = st.builds(
    lambda agent, tokens: json.dumps(
        {"agent_name": agent, "provider": "acme", "model": "parrot-1", "input_tokens": tokens}), names, st.integers())
lines = st.lists(records | st.text(max_size=20), min_size=1).map("\n".join).filter(str.strip).map(str.encode)

# Messages of protobuf one after the other are one message.
schemathesis.openapi.media_type(
    "application/x-protobuf", st.lists(st.sampled_from(EXPORTS), min_size=1, max_size=3).map(b"".join))
schemathesis.openapi.media_type("application/x-ndjson", lines)
schemathesis.openapi.media_type("application/jsonl", lines)


@schemathesis.serializer("application/json", "application/x-protobuf", "application/x-ndjson", "application/jsonl")
def encoded(context, value):
    """The body in the coding that the request names; protobuf is the signal's."""
    body = value if isinstance(value, bytes) else json.dumps(value).encode()
    if isinstance(value, bytes) and context.case.path == "/v1/metrics":
        body = METRICS
    coding = (context.case.headers or {}).get("Content-Encoding")
    return CODINGS[coding](body) if coding in CODINGS else body
