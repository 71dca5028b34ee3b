"""The log's files (C2SP tlog-tiles v0.1.0): tiles of 256 hashes, bundles of entries.

`Tiles` reads a tree from tiles; `added` says which files a tree needs when it has grown.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache

from asbuilt.errors import ProofError
from asbuilt.proof.encoding import malformed
from asbuilt.proof.merkle import HASH, leaf_hash, levels_of

WIDTH = 256
HEIGHT = 8
MAX_ENTRY_BYTES = 65_535
CACHED_TILES = 512

Read = Callable[[str], bytes | None]
"""The content of a file of the log by its path; None if it is not there."""


def tile_path(level: int | str, index: int, width: int = WIDTH) -> str:
    """Where a tile lies: `tile/L/x001/x234/067`, with `.p/W` if it is partial; level `entries` holds bundles."""
    parts = [f"{index % 1000:03}"]
    while index := index // 1000:
        parts.insert(0, f"x{index % 1000:03}")
    partial = "" if width == WIDTH else f".p/{width}"
    return f"tile/{level}/{'/'.join(parts)}{partial}"


class Tiles:
    """The tree of `size` entries, read from its tiles as they are needed."""

    def __init__(self, read: Read, size: int) -> None:
        self._read = read
        self.size = size
        self._subtrees = lru_cache(maxsize=CACHED_TILES)(self._load)

    def node(self, level: int, index: int) -> bytes:
        """The hash of a complete subtree; see `asbuilt.proof.merkle`."""
        tile_level, inside = divmod(level, HEIGHT)
        at = index << inside
        return self._subtrees(tile_level, at // WIDTH)[inside][(at % WIDTH) >> inside]

    def _load(self, level: int, index: int) -> list[list[bytes]]:
        width = min(WIDTH, (self.size >> HEIGHT * level) - index * WIDTH)
        if width <= 0:
            raise ProofError("not_included", f"the log of {self.size} entries has no tile {index} of level {level}")
        data = self._content(level, index, width)
        if len(data) < width * HASH or len(data) % HASH:
            raise ProofError("damaged_log", f"{tile_path(level, index, width)} has the wrong length")
        return levels_of([data[at : at + HASH] for at in range(0, width * HASH, HASH)])

    def _content(self, level: int | str, index: int, width: int) -> bytes:
        # A partial tile may be gone once the full one is there.
        for wanted in dict.fromkeys((width, WIDTH)):
            data = self._read(tile_path(level, index, wanted))
            if data is not None:
                return data
        raise ProofError("damaged_log", f"{tile_path(level, index, width)} is missing")

    def entries(self, index: int) -> list[bytes]:
        """The entries of one bundle."""
        width = min(WIDTH, self.size - index * WIDTH)
        return unbundled(self._content("entries", index, width))[:width]

    def entry(self, index: int) -> bytes:
        """One entry."""
        if not 0 <= index < self.size:
            raise ProofError("not_included", f"there is no entry {index} in a log of {self.size}")
        return self.entries(index // WIDTH)[index % WIDTH]


def bundled(entries: Sequence[bytes]) -> bytes:
    """Entries as a bundle, each after its length (16 bits, big-endian)."""
    return b"".join(len(entry).to_bytes(2, "big") + entry for entry in entries)


def unbundled(data: bytes) -> list[bytes]:
    """The entries of a bundle. Raises `ProofError`."""
    entries, at = [], 0
    while at < len(data):
        length = int.from_bytes(data[at : at + 2], "big")
        entry = data[at + 2 : at + 2 + length]
        if at + 2 > len(data) or len(entry) != length:
            malformed("a bundle of entries ends early")
        entries.append(entry)
        at += 2 + length
    return entries


def added(read: Read, size: int, entries: Sequence[bytes]) -> Iterator[tuple[str, bytes]]:
    """Path and content of every file that a log of `size` entries needs for further ones, entries first.

    Partial tiles are given for the new size only. Writing a file again gives the same content.
    """
    yield from _grown(read, "entries", size, [len(entry).to_bytes(2, "big") + entry for entry in entries])
    hashes = [leaf_hash(entry) for entry in entries]
    level = 0
    while True:
        yield from _grown(read, level, size, hashes)
        # A hash rises once the tile that holds it is full.
        full = (size + len(hashes)) // WIDTH
        raised = []
        for index in range(size // WIDTH, full):
            tile = _kept(read, level, index, size % WIDTH if index == size // WIDTH else 0)
            first = max(0, index * WIDTH - size)
            tile += hashes[first : first + WIDTH - len(tile)]
            raised.append(levels_of(tile)[HEIGHT][0])
        if not full:
            return
        size, hashes, level = size // WIDTH, raised, level + 1
        if not hashes:
            return


def _grown(read: Read, level: int | str, size: int, items: Sequence[bytes]) -> Iterator[tuple[str, bytes]]:
    total = size + len(items)
    for index in range(size // WIDTH, -(-total // WIDTH)):
        kept = _kept(read, level, index, max(0, min(WIDTH, size - index * WIDTH)))
        first = max(0, index * WIDTH - size)
        tile = kept + list(items[first : first + WIDTH - len(kept)])
        if tile:
            yield tile_path(level, index, len(tile)), b"".join(tile)


def _kept(read: Read, level: int | str, index: int, width: int) -> list[bytes]:
    """What a tile holds already."""
    if not width:
        return []
    data = read(tile_path(level, index, width))
    if data is None:
        data = read(tile_path(level, index))
    if data is None:
        raise ProofError("damaged_log", f"{tile_path(level, index, width)} is missing")
    if level == "entries":
        return [len(entry).to_bytes(2, "big") + entry for entry in unbundled(data)][:width]
    return [data[at : at + HASH] for at in range(0, width * HASH, HASH)]
