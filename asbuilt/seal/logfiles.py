"""The log's files in `proof/`: tiles, bundles, checkpoint, manifests of keys, status list. All of it may be public."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable, Sequence
from pathlib import Path

from asbuilt.errors import ProofError, RecordError
from asbuilt.proof import checkpoint as checkpoint_
from asbuilt.proof import note, tiles
from asbuilt.proof.checkpoint import Checkpoint
from asbuilt.proof.tiles import WIDTH, Tiles


class LogFiles:
    """The folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def read(self, path: str) -> bytes | None:
        """A file of the log; None if it is not there."""
        try:
            return (self.folder / path).read_bytes()
        except FileNotFoundError:
            return None

    def write(self, files: Iterable[tuple[str, bytes]]) -> None:
        """Put files in place, each whole or not at all, and all of them durable."""
        folders: set[Path] = set()
        for path, content in files:
            target = self.folder / path
            if self.read(path) == content:
                continue
            target.parent.mkdir(parents=True, exist_ok=True)
            draft = target.with_name(f".{target.name}.new")
            try:
                with draft.open("wb") as file:
                    file.write(content)
                    file.flush()
                    os.fsync(file.fileno())
                draft.replace(target)
            except OSError as error:
                with contextlib.suppress(OSError):
                    draft.unlink()
                raise RecordError(
                    f"the log cannot be written: {error.strerror}",
                    where=str(target),
                    remedy="Make room on the disk and check the folder's rights; sealing goes on by itself.",
                ) from error
            within = target.parent.relative_to(self.folder)
            folders.update(self.folder / one for one in (within, *within.parents))
        for one in folders:
            descriptor = os.open(one, os.O_RDONLY)
            try:
                os.fsync(descriptor)
            finally:
                os.close(descriptor)

    # ----------------------------------------------------------------- tree

    def tree(self, size: int) -> Tiles:
        """The tree of `size` entries."""
        return Tiles(self.read, size)

    def grow(self, size: int, entries: Sequence[bytes]) -> None:
        """Add entries to a log of `size` entries."""
        self.write(tiles.added(self.read, size, entries))

    def forget_partial(self, before: int, size: int) -> None:
        """Delete the partial tiles of tiles that have become full since the log had `before` entries."""
        level, width = 0, WIDTH
        while size // width > before // width:
            for index in range(before // width, size // width):
                kinds: list[int | str] = [level] if level else [level, "entries"]
                for kind in kinds:
                    folder = self.folder / f"{tiles.tile_path(kind, index)}.p"
                    for path in folder.glob("*") if folder.is_dir() else ():
                        path.unlink(missing_ok=True)
                    with contextlib.suppress(OSError):
                        folder.rmdir()
            level, width = level + 1, width * WIDTH

    # ----------------------------------------------------------------- checkpoint

    def checkpoint(self, name: str = "checkpoint") -> tuple[bytes, Checkpoint] | None:
        """The checkpoint that is out (or `witnessed`, the last that a witness signed): the note and what it says."""
        data = self.read(name)
        if data is None:
            return None
        try:
            return data, checkpoint_.parse(note.parse(data).text)
        except ProofError as error:
            raise RecordError(
                f"the checkpoint cannot be read: {error.message}",
                where=str(self.folder / name),
                remedy="Restore proof/ from the backup.",
            ) from None
