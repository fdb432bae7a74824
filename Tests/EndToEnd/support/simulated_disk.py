"""A disk that keeps what was synced and any part of the rest after a power failure; it replays recorded operations.

What was synced before the cut is there. Any part of everything else may be there: each 512-byte sector may hold what
it held at the last sync of its file, or at any moment since; a file may have any length it had since then, with zeros
where nothing arrived; a name may lead where it led at the last sync of the folder, or anywhere it led since. As ext4
and XFS do, syncing a new file makes its name last too; renaming and removing last only when the folder is synced. After
a sync that failed the kernel holds the pages clean: a later sync does not write them, unless they are written again.
"""

from __future__ import annotations

import random
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from interposer import Kind, Operation

SECTOR = 512
SECTORS_PER_PAGE = 8  # the kernel's pages of 4096 bytes


class Change(NamedTuple):
    """A sector written, or only the size (`sector` is then -1), and the file's size after it."""

    sector: int
    content: bytes
    size: int


class File:
    """One file, under whatever name."""

    def __init__(self) -> None:
        self.durable = bytearray()
        #: What the running program reads.
        self.cached = bytearray()
        #: Since the last sync, in order.
        self.pending: list[Change] = []
        #: Pages that a failed sync has left clean.
        self.abandoned: set[int] = set()

    def write(self, offset: int, content: bytes) -> None:
        end = offset + len(content)
        if end > len(self.cached):
            self.cached.extend(bytes(end - len(self.cached)))
        self.cached[offset:end] = content
        sectors = range(offset // SECTOR, (end + SECTOR - 1) // SECTOR)
        self.abandoned.difference_update(sector // SECTORS_PER_PAGE for sector in sectors)
        self._changed(sectors)

    def resize(self, size: int) -> None:
        if size == len(self.cached):
            return
        shorter = size < len(self.cached)
        del self.cached[size:]
        self.cached.extend(bytes(size - len(self.cached)))
        # The kernel clears the rest of the last page.
        self._changed(range(size // SECTOR, (size + SECTOR - 1) // SECTOR) if shorter else range(0))
        self.pending.append(Change(-1, b"", size))

    def _changed(self, sectors: range) -> None:
        for sector in sectors:
            content = bytes(self.cached[sector * SECTOR:(sector + 1) * SECTOR])
            self.pending.append(Change(sector, content, len(self.cached)))

    def sync(self) -> None:
        before, self.durable = self.durable, bytearray(self.cached)
        for page in self.abandoned:
            start, end = page * SECTORS_PER_PAGE * SECTOR, (page + 1) * SECTORS_PER_PAGE * SECTOR
            old = before[start:end].ljust(end - start, b"\0")
            self.durable[start:end] = old[:max(0, len(self.durable) - start)]
        self.pending = [change._replace(size=len(self.durable)) for change in self.pending
                        if change.sector // SECTORS_PER_PAGE in self.abandoned
                        and change.sector * SECTOR < len(self.durable)]

    def fail_to_sync(self) -> None:
        self.abandoned |= {change.sector // SECTORS_PER_PAGE for change in self.pending if change.sector >= 0}

    def after_cut(self, dice: random.Random, style: str) -> bytes:
        """What may be left of it; `style` says how much arrived of what is not sure."""
        if style == "nothing":
            return bytes(self.durable)
        if style == "everything":
            return bytes(self.cached)
        sizes = [len(self.durable), *(change.size for change in self.pending)]
        if style == "prefix":
            arrived = self.pending[:dice.randint(0, len(self.pending))]
            size = arrived[-1].size if arrived else len(self.durable)
        else:
            sectors: dict[int, list[Change]] = {}
            for change in self.pending:
                if change.sector >= 0:
                    sectors.setdefault(change.sector, []).append(change)
            if style == "all but one":
                chosen = set(sectors) - set(dice.sample(sorted(sectors), min(1, len(sectors))))
            else:
                share = {"few": 0.1, "half": 0.5, "most": 0.9}[style]
                chosen = {sector for sector in sectors if dice.random() < share}
            arrived = [dice.choice(sectors[sector]) if style == "half" else sectors[sector][-1] for sector in chosen]
            size = dice.choice([sizes[-1], dice.choice(sizes), max([len(self.durable), *(c.size for c in arrived)])])
        left = bytearray(self.durable)
        for change in arrived:
            start = change.sector * SECTOR
            if change.sector >= 0:
                left.extend(bytes(max(0, start - len(left))))
                left[start:start + len(change.content)] = change.content
        del left[size:]
        left.extend(bytes(size - len(left)))
        return bytes(left)


STYLES = ("nothing", "everything", "prefix", "few", "half", "most", "all but one")


@dataclass
class Disk:
    """One folder."""

    folder: Path
    names: dict[str, File] = field(default_factory=dict)
    durable_names: dict[str, File] = field(default_factory=dict)
    #: Since the last sync of the folder, in order: names, and where they lead from then on (nowhere: None).
    renamings: list[dict[str, File | None]] = field(default_factory=list)
    _handles: dict[int, File | None] = field(default_factory=dict)

    def begin_process(self) -> None:
        """What follows was done by another process, whose handles are its own."""
        self._handles = {}

    def apply(self, operation: Operation) -> None:
        file = self._handles.get(operation.handle)
        match operation.kind:
            case Kind.OPEN if operation.directory:
                self._handles[operation.handle] = None
            case Kind.OPEN:
                self._open(operation)
            case Kind.RENAME:
                source, target = self._name(operation.path), self._name(operation.to)
                self._lead({source: None, target: self.names[source]})
            case Kind.UNLINK:
                self._lead({self._name(operation.path): None})
            case Kind.WRITE:
                assert file is not None, operation
                file.write(operation.offset, operation.content)
            case Kind.RESIZE:
                assert file is not None, operation
                file.resize(operation.offset)
            case Kind.SYNC if operation.error:
                if file:
                    file.fail_to_sync()
            case Kind.SYNC if file:
                file.sync()
                self._keep_name_of(file)
            case Kind.SYNC:
                self.durable_names, self.renamings = dict(self.names), []

    def _name(self, path: str) -> str:
        return str(Path(path).relative_to(self.folder))

    def _open(self, operation: Operation) -> None:
        name = self._name(operation.path)
        if operation.created:
            self._lead({name: File()})
        file = self._handles[operation.handle] = self.names[name]
        if operation.truncated:
            file.resize(0)

    def _lead(self, renaming: dict[str, File | None]) -> None:
        self.renamings.append(renaming)
        lead(self.names, renaming)

    def _keep_name_of(self, file: File) -> None:
        """The name under which a file was created lasts from now on."""
        for index, renaming in enumerate(self.renamings):
            if list(renaming.values()) == [file]:
                lead(self.durable_names, renaming)
                # What this name led to before is over.
                earlier = [{name: old for name, old in one.items() if name not in renaming}
                           for one in self.renamings[:index]]
                self.renamings = [*filter(None, earlier), *self.renamings[index + 1:]]
                return

    def after_cut(self, dice: random.Random) -> dict[str, bytes]:
        """The files that may be left, by name."""
        names = dict(self.durable_names)
        style = dice.choice(STYLES)
        arrived = {"nothing": [], "everything": self.renamings,
                   "prefix": self.renamings[:dice.randint(0, len(self.renamings))]}.get(
            style, [renaming for renaming in self.renamings if dice.random() < 0.5])
        for renaming in arrived:
            lead(names, renaming)
        one_style = dice.random() < 0.5
        return {name: file.after_cut(dice, style if one_style else dice.choice(STYLES))
                for name, file in sorted(names.items())}

    def as_cached(self) -> dict[str, bytes]:
        """What the folder holds while the power is on."""
        return {name: bytes(file.cached) for name, file in self.names.items()}


def lead(names: dict[str, File], renaming: dict[str, File | None]) -> None:
    for name, file in renaming.items():
        if file is None:
            names.pop(name, None)
        else:
            names[name] = file


def write_folder(folder: Path, files: Iterable[tuple[str, bytes]]) -> None:
    folder.mkdir()
    for name, content in files:
        (folder / name).write_bytes(content)
