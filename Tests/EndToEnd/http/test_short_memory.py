"""A system that gives no more memory: the posts that need it are refused, and the exporter goes on."""

import contextlib
import gzip
import http.client
import threading
from pathlib import Path

import pytest

from attack import spans
from exporter import NDJSON, SANITIZER, call, encode, ndjson

pytestmark = [
    pytest.mark.alone, pytest.mark.heavy,
    pytest.mark.skipif(bool(SANITIZER), reason="a sanitizer reserves terabytes of address space")]

LIMIT = 32 << 20
LINE = encode({"agent_name": "a", "provider": "p", "model": "m"}).encode() + b"\n"
COUNT = LIMIT // len(LINE)


class Post(threading.Thread):
    """One post; a connection that closes without an answer leaves `status` 0."""

    def __init__(self, exporter, body: bytes, headers: dict[str, str], path: str = "/record"):
        super().__init__()
        self.exporter, self.body, self.headers, self.path = exporter, body, headers, path
        self.status = 0

    def run(self) -> None:
        with contextlib.suppress(ConnectionError, http.client.HTTPException):
            self.status = self.exporter.post(self.body, self.headers, path=self.path).status

    def done(self) -> int:
        self.start()
        self.join()
        return self.status


@pytest.mark.timeout(300)
@pytest.mark.parametrize("mebibytes", [250, 350, 500])
def test_posts_that_need_more_memory_than_there_is_are_refused(start, tmp_path: Path, mebibytes):
    exporter = start(storage=tmp_path / "state", launcher=("prlimit", f"--as={mebibytes << 20}"))
    assert exporter.post(call(agent_name="Small")).outcome() == (1, 0, 0)
    packed = {**NDJSON, "Content-Encoding": "gzip"}
    statuses = [Post(exporter, gzip.compress(LINE * COUNT, 1), packed).done()]
    together = [Post(exporter, LINE * COUNT, NDJSON) for _ in range(6)]
    for post in together:
        post.start()
    for post in together:
        post.join()
    statuses += [post.status for post in together]
    of_spans = Post(exporter, spans(LIMIT), {"Content-Type": "application/x-protobuf"}, "/v1/traces").done()

    assert {*statuses, of_spans} <= {200, 503, 0}, (statuses, of_spans)
    assert of_spans == 503, "no limit here leaves room for a request of 220,000 spans"
    assert exporter.process.poll() is None, exporter.log
    counted = int(exporter.scrape().value("llm_calls_total", agent_name="a", provider="p", model="m",
                                          status="success"))
    whole, unknown = statuses.count(200) * COUNT, statuses.count(0) * COUNT
    # A post without an answer was counted in part.
    assert whole <= counted <= whole + unknown, (statuses, counted / COUNT)
    assert statuses.count(200) > 0 and (mebibytes > 250 or 503 in statuses), statuses
    assert exporter.post(ndjson([call(agent_name="Small")] * 50), NDJSON).outcome() == (50, 0, 0)
    # A stop needs a thread, for which there may be no memory.
    exporter.kill()
