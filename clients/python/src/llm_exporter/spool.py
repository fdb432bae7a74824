"""Batches on disk, until the exporter has acknowledged them.

A batch is written before it is first sent, and is gone once its answer has come. So whatever kills this process, what
it had handed to the spool is sent by the next one that uses the folder; and whatever of it had arrived before is told
by its ids, and not counted twice.

- Each process writes files of its own, ``KEY-PID-RANDOM.spool``, and holds a lock (`flock`) on each while it lives. A
  file that can be locked is an orphan: its process died, and whoever takes the lock delivers it. KEY is a digest of the
  exporter's URL: only that exporter knows the ids.
- A file is a row of frames: a line of JSON (agent, time, length, CRC-32), then the batch as it goes over the wire. A
  frame that is torn or damaged ends its file: what follows it is dropped, and warned of.
- The file of a healthy process is truncated to nothing after each batch, so it never grows; during an outage it grows
  to `_SEGMENT_BYTES`, and then the next begins. A drained one is deleted.
- Synced (`fsync`) when a batch has to wait, and from then on after each. A batch that is answered at once is not: the
  page cache outlives the process, and a cut of power in that instant would lose what no disk ever saw.
- The exporter remembers ids for 24 hours; what is older than the sender's `EXPIRY_SECONDS` could be counted twice, and
  is dropped by the sender, and counted.
"""

from __future__ import annotations

import collections
import fcntl
import hashlib
import json
import logging
import os
import stat
import zlib
from typing import Callable, Optional

from .backlog import Backlog, Batch

__all__ = ["Spool"]

_SEGMENT_BYTES = 4 << 20
_MAX_HEADER_BYTES = 4096
_logger = logging.getLogger("llm_exporter")


class _Segment:
    """One file, open and locked."""

    def __init__(self, path: str, descriptor: int, adopted: bool) -> None:
        self.path = path
        self.descriptor = descriptor
        self.adopted = adopted
        self.start = 0
        """Where the oldest frame begins."""
        self.end = os.fstat(descriptor).st_size
        status = os.fstat(descriptor)
        self.identity = (status.st_dev, status.st_ino)

    def write(self, frame: bytes) -> None:
        """Adds a frame whole, or raises OSError and adds nothing."""
        try:
            written = 0
            while written < len(frame):
                written += os.pwrite(self.descriptor, frame[written:], self.end + written)
        except OSError:
            os.ftruncate(self.descriptor, self.end)
            raise
        self.end += len(frame)

    def read(self) -> Optional[tuple[Batch, int]]:
        """The batch at `start`, of a dead process without its starts, and where the next begins; None at the end.

        - Raises: ValueError where the bytes are no frame.
        """
        if self.start >= self.end:
            return None
        header, line_feed, _ = os.pread(self.descriptor, _MAX_HEADER_BYTES, self.start).partition(b"\n")
        if not line_feed:
            raise ValueError("a frame without its header")
        try:
            said = json.loads(header)
            agent_name, records, created = said["agent"], int(said["records"]), float(said["time"])
            size, checksum = int(said["bytes"]), int(said["crc32"])
            agent_name.encode("utf-8")
        except Exception:  # whatever a disk may hold: brackets a thousand deep, an infinite length
            raise ValueError("a header that is none") from None
        body_at = self.start + len(header) + 1
        body = os.pread(self.descriptor, size, body_at) if 0 <= size <= self.end - body_at else b""
        if len(body) != size or zlib.crc32(body) != checksum or body.count(b"\n") != records:
            raise ValueError("a frame that is torn")
        adopted = self.adopted or bool(said.get("adopted"))
        batch = Batch(agent_name, body, records, created, adopted)
        return batch.without_starts() if self.adopted else batch, body_at + size

    def remaining(self) -> int:
        return self.end - self.start

    def is_full(self, size: int) -> bool:
        """Whether the next one should take `size` bytes."""
        return self.end + size > _SEGMENT_BYTES and self.end > 0

    def is_deleted(self) -> bool:
        """Whether someone removed the file: what is written to it dies with this process."""
        return os.fstat(self.descriptor).st_nlink == 0


class Spool(Backlog):
    """A `Backlog` whose batches live in files of a folder.

    Where the disk refuses, batches stay in memory, as they do without a spool.

    - `folder`: made if missing, for this user alone.
    - `url`: the exporter's.
    - `max_bytes`: on disk, of this process; then further batches are refused.
    - `report`: told once of each kind of trouble.
    """

    needs_maintenance = True

    def __init__(self, folder: str, url: str, max_bytes: int, report: Callable[..., None]) -> None:
        super().__init__()
        self._folder = os.path.abspath(folder)
        self._key = hashlib.sha256(url.encode("utf-8", "replace")).hexdigest()[:12]
        self._max_bytes = max_bytes
        self._report = report
        self._segments: collections.deque[_Segment] = collections.deque()
        self._own: Optional[_Segment] = None
        """The segment that is written to, if any; always the last of this process' own."""
        self._next: Optional[tuple[Batch, int]] = None
        """What `head` has read of the first segment."""
        self._stored = 0
        self._waiting = False

    @property
    def stored(self) -> int:
        return self._stored

    def append(self, batch: Batch) -> bool:
        frame = _frame(batch)
        if sum(segment.remaining() for segment in self._segments) + len(frame) > self._max_bytes:
            return False
        try:
            segment = self._own
            if segment is None or segment.is_full(len(frame)) or segment.is_deleted():
                segment = self._own = self._create()
                self._segments.append(segment)
            segment.write(frame)
            self._stored += batch.records
            if self._waiting:
                _sync(segment.descriptor)
        except OSError as error:
            self._report(
                "spool", "cannot write to the spool folder %s (%s): records stay in memory", self._folder, error
            )
            return super().append(batch)
        return True

    def head(self) -> Optional[Batch]:
        if self._batches:
            return self._batches[0]
        while self._next is None and self._segments:
            segment = self._segments[0]
            try:
                self._next = segment.read()
            except (OSError, ValueError) as error:
                self._report(
                    "damage", "dropped %d bytes of the spool file %s: %s", segment.remaining(), segment.path, error
                )
                segment.start = segment.end
            if self._next is not None and self._next[0].records == 0:  # starts of a dead process, and nothing else
                segment.start, self._next = self._next[1], None
            elif self._next is None and not self._recycle(segment):
                break
        if self._next is None:
            self._stored = 0  # frames that came to harm held records too
        return self._next[0] if self._next else None

    def pop(self) -> None:
        if self._batches:
            super().pop()
        else:
            self._pop_stored()

    def split(self) -> None:
        if self._batches:
            super().split()
        elif (batch := self.head()) is not None:
            # Written again before the whole goes: a crash in between leaves ids twice, which counts once.
            for half in batch.halves():
                self.append(half) or super().append(half)
            self._pop_stored()

    def secure(self) -> None:
        if not self._waiting:
            self._waiting = True
            for segment in self._segments:
                if not segment.adopted:
                    _sync(segment.descriptor)

    def maintain(self) -> int:
        adopted = 0
        try:
            names = os.listdir(self._folder)
        except OSError:
            return 0
        held = {segment.path for segment in self._segments}
        for name in sorted(names):
            path = os.path.join(self._folder, name)
            if name.startswith(self._key + "-") and name.endswith(".spool") and path not in held:
                segment = _adopt(path)
                if segment is not None:
                    adopted += _records_in(segment)
                    # In front of what is written to: the last segment must stay this process' own.
                    self._segments.appendleft(segment)
                    self._next = None
        self._stored += adopted
        return adopted

    def close(self) -> None:
        while self._segments:
            segment = self._segments.popleft()
            if segment.remaining() == 0:
                _unlink(segment.path)
            else:
                _sync(segment.descriptor)
            os.close(segment.descriptor)
        self._own = self._next = None

    def forsake(self) -> None:
        super().forsake()
        segments, self._segments = self._segments, collections.deque()
        for segment in segments:
            try:
                status = os.fstat(segment.descriptor)
                # Not unless it is still that file: the parent's thread may have been closing it as the fork came.
                if (status.st_dev, status.st_ino) == segment.identity:
                    os.close(segment.descriptor)  # the parent's lock stays: it goes with the last copy
            except OSError:
                pass
        self._own = self._next = None
        self._stored = 0
        self._waiting = False

    def _pop_stored(self) -> None:
        if self._next is None:
            return
        batch, end = self._next
        self._next = None
        self._stored = max(0, self._stored - batch.records)
        segment = self._segments[0]
        segment.start = end
        if segment.remaining() == 0:
            self._recycle(segment)

    def _create(self) -> _Segment:
        os.makedirs(self._folder, mode=0o700, exist_ok=True)
        name = f"{self._key}-{os.getpid()}-{os.urandom(6).hex()}"
        path, draft = os.path.join(self._folder, name + ".spool"), os.path.join(self._folder, name + ".new")
        # Locked before it has a name that others look for.
        descriptor = os.open(draft, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            os.rename(draft, path)
        except OSError:
            _unlink(draft)
            os.close(descriptor)
            raise
        folder = os.open(self._folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            _sync(folder)
        finally:
            os.close(folder)
        return _Segment(path, descriptor, adopted=False)

    def _recycle(self, segment: _Segment) -> bool:
        """Empties the segment that is written to, or removes a drained one. False when nothing more is in line."""
        if segment is self._own:
            self._waiting = False  # everything is delivered
            if segment.end > 0:
                try:
                    os.ftruncate(segment.descriptor, 0)
                    segment.start = segment.end = 0
                except OSError as error:
                    self._report("spool", "cannot truncate the spool file %s (%s)", segment.path, error)
            return False
        # Out of the row before it is closed: a fork in between must not close a number that is another file by then.
        self._segments.popleft()
        _unlink(segment.path)
        os.close(segment.descriptor)
        return True


def _frame(batch: Batch) -> bytes:
    header = {
        "agent": batch.agent_name,
        "time": batch.created,
        "records": batch.records,
        "bytes": len(batch.body),
        "crc32": zlib.crc32(batch.body),
    }
    if batch.adopted:
        header["adopted"] = True
    return json.dumps(header, separators=(",", ":")).encode() + b"\n" + batch.body


def _adopt(path: str) -> Optional[_Segment]:
    """Opens and locks an orphan; None where it has an owner, or is gone."""
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        status = os.fstat(descriptor)
        # Its owner may have deleted it between our open and our lock.
        if stat.S_ISREG(status.st_mode) and status.st_nlink > 0:
            return _Segment(path, descriptor, adopted=True)
    except OSError:
        pass
    os.close(descriptor)
    return None


def _records_in(segment: _Segment) -> int:
    """Counts the records of an orphan, by its headers alone."""
    records, start = 0, segment.start
    try:
        while (frame := segment.read()) is not None:
            records += frame[0].records
            segment.start = frame[1]
    except (OSError, ValueError):
        pass  # said when `head` gets there
    segment.start = start
    return records


def _sync(descriptor: int) -> None:
    try:
        os.fsync(descriptor)
    except OSError as error:
        _logger.debug("cannot sync a spool file: %s", error)


def _unlink(path: str) -> None:
    try:
        os.unlink(path)
    except OSError:
        pass
