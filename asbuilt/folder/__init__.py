"""The data folder: what lies where, who may write, and what is secret.

`record.db` the record and `seal.db` where each fact is sealed (back these up) · `views.db` disposable ·
`traces/` curves by digest · `proof/` may be public · `connect/` where adapters go on reading · `keys/` secret, 0600 ·
`history/` Parquet. One process writes at a time.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import secrets
from pathlib import Path
from typing import IO

from asbuilt.errors import AsBuiltError, RecordBusy, UsageError


class DataFolder:
    """A data folder on disk; made if it is not there."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.record = path / "record.db"
        self.views = path / "views.db"
        self.views_anew = path / "views.db.anew"
        self.traces = path / "traces"
        self.proof = path / "proof"
        self.seals = path / "seal.db"
        self.keys = path / "keys"
        self.notes = path / "connect"
        self._lock: IO[str] | None = None

    def make(self) -> None:
        """Create the folder and its secret part with the rights they need."""
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            self.keys.mkdir(mode=0o700, exist_ok=True)
        except OSError as error:
            raise AsBuiltError(
                f"the data folder cannot be made: {error.strerror}",
                where=str(self.path),
                remedy="Name a folder this user may write to with --data.",
            ) from error

    def lock(self, what: str) -> None:
        """Take the folder for this process; it is let go when the process ends, however it ends.

        Raises `RecordBusy` naming the process that has it.
        """
        self.make()
        file = (self.path / "lock").open("a+")
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            file.seek(0)
            holder = file.read().strip() or "another process"
            file.close()
            raise RecordBusy(
                f"{holder} is working on this data folder",
                where=str(self.path),
                remedy="Stop it first, or use another folder with --data. Questions (query, facts, digest) may be asked meanwhile.",
            ) from None
        file.seek(0)
        file.truncate()
        file.write(f"process {os.getpid()} ({what})")
        file.flush()
        self._lock = file

    def unlock(self) -> None:
        """Let the folder go."""
        if self._lock is not None:
            self._lock.seek(0)
            self._lock.truncate()
            self._lock.close()
            self._lock = None

    def forget_views(self) -> None:
        """Delete the rows of all views; they are folded again from the record."""
        for file in (self.views, self.views_anew):
            for suffix in ("", "-wal", "-shm", "-journal"):
                file.with_name(file.name + suffix).unlink(missing_ok=True)

    def take_views_anew(self) -> None:
        """Put rows that were folded beside, and let go of, in the place of those that were forgotten."""
        with self.views_anew.open("rb") as file:
            # It was written without a log: not before all of it is on the disk does it bear its name.
            os.fsync(file.fileno())
        self.views_anew.replace(self.views)

    def note(self, adapter: str) -> bytes:
        """What an adapter noted for its next start; empty where there is nothing."""
        try:
            return (self.notes / adapter).read_bytes()
        except FileNotFoundError:
            return b""

    def keep_note(self, adapter: str, data: bytes) -> None:
        """Keep an adapter's note; it is there whole, or the one before is."""
        self.notes.mkdir(exist_ok=True)
        draft = self.notes / f".{adapter}.new"
        draft.write_bytes(data)
        draft.replace(self.notes / adapter)

    def secret(self, name: str) -> str:
        """The secret of this name from `keys/`; made with 256 random bits where there is none."""
        path = self.keys / name
        if path.name != name:
            raise UsageError(
                f"no secret can be kept as `{name}`", where=str(self.keys), remedy="Use a name without slashes."
            )
        if not path.exists():
            # Written whole under another name first: whoever comes second finds a whole one.
            draft = path.with_name(f".{name}.{os.getpid()}")
            descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(descriptor, "w") as file:
                file.write(secrets.token_urlsafe(32) + "\n")
            with contextlib.suppress(FileExistsError):
                os.link(draft, path)
            draft.unlink()
        return path.read_text().strip()
