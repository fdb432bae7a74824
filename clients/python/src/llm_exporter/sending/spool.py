"""Batches on disk, until the exporter has acknowledged them.

A batch is written before it is first sent and removed once it is answered. If the process is killed, the next process
that uses the folder sends the batches in it. Records that had arrived before are recognised by their ids and do not
count twice.

- The files are sent with the agent's credentials. So the folder and each file in it must belong to the user that the
  process runs as (root accepts only root's), and no other user may write to them. Otherwise the folder is not used, and
  batches stay in memory; a file is neither sent nor deleted. The open descriptor is checked, not the path, which may
  lead elsewhere a moment later.
- Each process writes files of its own, ``KEY-PID-RANDOM.spool``, and holds a lock (`flock`) on each while it lives. A
  file that can be locked is an orphan: its process died, and the process that takes the lock delivers it. KEY is a
  digest of the exporter's URL, because only that exporter knows the ids.
- A file is a sequence of frames: a line of JSON (agent, time, length, CRC-32), then the batch as it is sent. A frame
  that is torn or damaged ends its file: the rest is dropped with a warning.
- While the exporter answers, the file is truncated to 0 bytes after each batch, so it does not grow. During an outage
  it grows to `_SEGMENT_BYTES`, and then the next file begins. A file without batches is deleted.
- The file is synced (`fsync`) when a batch has to wait, and then after each batch. A batch that is answered at once is
  not synced: the page cache outlives the process, and only a power failure at that instant would lose the batch.
- The exporter remembers ids for 24 hours. A batch older than the sender's `EXPIRY_SECONDS` could count twice: the
  sender drops and counts it.
"""

from __future__ import annotations

import collections
import errno
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
_MAX_BODY_BYTES = 1 << 20
"""Above each batch that the sender makes."""
_MAX_UNIX_SECONDS = 1e12
_logger = logging.getLogger("llm_exporter")


class _Segment:
    """One file, open and locked."""

    def __init__(self, path: str, descriptor: int, adopted: bool) -> None:
        self.path = path
        self.descriptor = descriptor
        self.adopted = adopted
        self.start = 0
        """The offset of the oldest frame."""
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
        """The batch at `start` and the offset of the next; None at the end. An adopted batch comes without its starts.

        - Raises: ValueError if the bytes are not a frame.
        """
        if self.start >= self.end:
            return None
        header, line_feed, _ = os.pread(self.descriptor, _MAX_HEADER_BYTES, self.start).partition(b"\n")
        if not line_feed:
            raise ValueError("a frame without its header")
        try:
            said = json.loads(header)
            agent_name, created = said["agent"], said["time"]
            records, size, checksum = said["records"], said["bytes"], said["crc32"]
            agent_name.encode("utf-8")
            makes_sense = all(type(number) is int for number in (records, size, checksum))
            makes_sense = makes_sense and type(created) in (int, float) and 0 <= created <= _MAX_UNIX_SECONDS
            adopted = self.adopted or bool(said.get("adopted"))
        except Exception:  # damaged bytes may be anything: brackets a thousand deep, a list
            makes_sense = False
        if not makes_sense:
            raise ValueError("a header that is none")
        body_at = self.start + len(header) + 1
        # Before it is read: reading allocates what it is asked for.
        if not 0 < size <= min(self.end - body_at, _MAX_BODY_BYTES):
            raise ValueError("a frame that is torn, or longer than any batch")
        body = os.pread(self.descriptor, size, body_at)
        if len(body) != size or zlib.crc32(body) != checksum or body.count(b"\n") != records:
            raise ValueError("a frame that is torn")
        batch = Batch(agent_name, body, records, created, adopted)
        return batch.without_starts() if self.adopted else batch, body_at + size

    def remaining(self) -> int:
        return self.end - self.start

    def is_full(self, size: int) -> bool:
        """Whether `size` bytes should go to the next file."""
        return self.end + size > _SEGMENT_BYTES and self.end > 0

    def is_deleted(self) -> bool:
        """Whether the file was removed: what is written to it ends with this process."""
        return os.fstat(self.descriptor).st_nlink == 0


class _Refused(OSError):
    """A folder or a file is not used, as others could have written to it. The text has the reason and the remedy."""


class Spool(Backlog):
    """A `Backlog` whose batches are in files of a folder.

    If the disk fails, or the folder is not this user's own, batches stay in memory, as without a spool.

    - `folder`: created if missing, for this user only.
    - `url`: the exporter's.
    - `max_bytes`: the most that this process keeps on disk; further batches are refused.
    - `report`: called with each problem; it warns once of each kind.
    """

    needs_maintenance = True

    def __init__(self, folder: str, url: str, max_bytes: int, report: Callable[..., None]) -> None:
        super().__init__()
        try:
            self._folder = os.path.abspath(folder)
        except OSError:  # the working directory is gone
            self._folder = folder
        self._key = hashlib.sha256(url.encode("utf-8", "replace")).hexdigest()[:12]
        self._max_bytes = max_bytes
        self._report = report
        self._segments: collections.deque[_Segment] = collections.deque()
        self._own: Optional[_Segment] = None
        """The segment that is written to, if any; always the last of this process' own segments."""
        self._next: Optional[tuple[Batch, int]] = None
        """The batch that `head` has read from the first segment."""
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
            self._cannot_use(error)
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
            if self._next is not None and self._next[0].records == 0:  # it had only starts of a process that died
                segment.start, self._next = self._next[1], None
            elif self._next is None and not self._recycle(segment):
                break
        if self._next is None:
            self._stored = 0  # damaged frames held records too
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
            # Written before the whole is removed: a crash in between leaves ids twice, which count once.
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
            folder = self._open_folder()
        except FileNotFoundError:
            return 0
        except OSError as error:
            self._cannot_use(error)
            return 0
        try:
            held = {segment.path for segment in self._segments}
            for name in sorted(os.listdir(folder)):
                path = os.path.join(self._folder, name)
                if name.startswith(self._key + "-") and name.endswith(".spool") and path not in held:
                    segment = self._adopt(folder, name, path)
                    if segment is not None:
                        adopted += _records_in(segment)
                        # Before the segment that is written to, as the last one must be this process' own.
                        self._segments.appendleft(segment)
                        self._next = None
        except OSError as error:
            self._cannot_use(error)
        finally:
            os.close(folder)
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
                # Only if it is still that file: the parent's thread may have been closing it during the fork.
                if (status.st_dev, status.st_ino) == segment.identity:
                    os.close(segment.descriptor)  # the parent keeps its lock, which ends with the last copy
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

    def _open_folder(self, create: bool = False) -> int:
        """A descriptor of the folder.

        - Raises: OSError; `_Refused` if it is not this user's own.
        """
        try:
            if create:
                os.makedirs(self._folder, mode=0o700, exist_ok=True)
            descriptor = os.open(self._folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except ValueError as error:  # a zero byte in its name
            raise OSError(str(error)) from None
        try:
            _check_owner(os.fstat(descriptor), self._folder, "700")
        except OSError:
            os.close(descriptor)
            raise
        return descriptor

    def _create(self) -> _Segment:
        name = f"{self._key}-{os.getpid()}-{os.urandom(6).hex()}"
        draft, final = name + ".new", name + ".spool"
        folder = self._open_folder(create=True)
        try:
            # Locked before it gets a name that other processes look for.
            flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
            descriptor = os.open(draft, flags, 0o600, dir_fd=folder)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                os.rename(draft, final, src_dir_fd=folder, dst_dir_fd=folder)
            except OSError:
                _unlink(draft, folder)
                os.close(descriptor)
                raise
            _sync(folder)
        finally:
            os.close(folder)
        return _Segment(os.path.join(self._folder, final), descriptor, adopted=False)

    def _adopt(self, folder: int, name: str, path: str) -> Optional[_Segment]:
        """Opens and locks an orphan; None if its process lives, it is gone, or others could have written to it."""
        try:
            # O_NONBLOCK: the name may be that of a pipe.
            flags = os.O_RDWR | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
            descriptor = os.open(name, flags, dir_fd=folder)
        except FileNotFoundError:
            return None
        except OSError as error:
            reason = "it is a symbolic link" if error.errno == errno.ELOOP else error.strerror
            self._report("spool file", "the spool file %s is neither sent nor deleted: %s", path, reason)
            return None
        try:
            status = os.fstat(descriptor)
            if not stat.S_ISREG(status.st_mode):
                raise _Refused("it is no regular file")
            if status.st_nlink > 1:
                raise _Refused("it is a hard link to another file")
            _check_owner(status, path, "600")
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            # Its owner may have deleted it between the open and the lock.
            if os.fstat(descriptor).st_nlink > 0:
                return _Segment(path, descriptor, adopted=True)
        except _Refused as error:
            self._report("spool file", "the spool file %s is neither sent nor deleted: %s", path, error)
        except OSError:  # its process lives
            pass
        os.close(descriptor)
        return None

    def _cannot_use(self, error: OSError) -> None:
        kind = "spool folder" if isinstance(error, _Refused) else "spool"
        self._report(kind, "cannot use the spool folder %s (%s): records stay in memory", self._folder, error)

    def _recycle(self, segment: _Segment) -> bool:
        """Empties the segment that is written to, or removes another. False if no segment follows."""
        if segment is self._own:
            self._waiting = False  # everything is delivered
            if segment.end > 0:
                try:
                    os.ftruncate(segment.descriptor, 0)
                    segment.start = segment.end = 0
                except OSError as error:
                    self._report("spool", "cannot truncate the spool file %s (%s)", segment.path, error)
            return False
        # Removed from the queue before it is closed: a child forked in between must not close a reused descriptor.
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


def _check_owner(status: os.stat_result, path: str, remedy: str) -> None:
    """Raises `_Refused` if another user owns a folder or file, or may write to it; `remedy` is the right mode."""
    user = os.geteuid()
    if status.st_uid != user:
        owner = f"it belongs to user {status.st_uid}, not to {user}"
        raise _Refused(f"{owner}; remedy: chown {user} and chmod {remedy} {path}")
    if status.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        mode = stat.S_IMODE(status.st_mode)
        raise _Refused(f"others may write to it, as its mode is {mode:03o}; remedy: chmod {remedy} {path}")


def _records_in(segment: _Segment) -> int:
    """Counts the records of an orphan."""
    records, start = 0, segment.start
    try:
        while (frame := segment.read()) is not None:
            records += frame[0].records
            segment.start = frame[1]
    except (OSError, ValueError):
        pass  # reported when `head` reads it
    segment.start = start
    return records


def _sync(descriptor: int) -> None:
    try:
        os.fsync(descriptor)
    except OSError as error:
        _logger.debug("cannot sync a spool file: %s", error)


def _unlink(path: str, folder: Optional[int] = None) -> None:
    try:
        os.unlink(path, dir_fd=folder)
    except OSError:
        pass
