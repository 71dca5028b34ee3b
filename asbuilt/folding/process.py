"""A process of its own that folds: started, watched, started again, and ended by the process that records.

    python -m asbuilt.folding.process FOLDER DESCRIPTOR HOW

The two share nothing but the data folder and a pair of sockets. Down goes how far the record reaches (8 bytes), up goes
how far the rows are and which tables changed. Each reads the other's silence right: the folding process ends when the
socket closes, so that nobody outlives the command; the recording one starts it again when it ends by itself. What is
acknowledged is in the record, whatever becomes of either.
"""

from __future__ import annotations

import datetime as dt
import fcntl
import logging
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from multiprocessing.connection import Connection
from pathlib import Path

import msgspec

from asbuilt import views
from asbuilt.errors import AsBuiltError, ViewsError
from asbuilt.events import AnyFact
from asbuilt.folder import DataFolder
from asbuilt.folding import Announce, Folding, FoldThread, catch_up, refuse_rows_of_another_record
from asbuilt.record.sqlite import Log
from asbuilt.rows.store import Store

FIRST_PAUSE_S = 0.5
LONGEST_PAUSE_S = 15.0
STEADY_AFTER_S = 60.0
"""One that worked for so long begins again with the shortest pause when it ends."""
END_WITHIN_S = 60.0
"""So long it may fold what is still recorded when the command ends; the rest is folded at the next start."""
_STOP = b""
_log = logging.getLogger("asbuilt")


class Told(msgspec.Struct, array_like=True, frozen=True):
    """What the folding process says: how far it is, which tables changed, and what is wrong (the error's class, message, remedy).

    `total` is told while it folds what was recorded before it began; `ready` once it has.
    """

    folded: int
    tables: tuple[str, ...] = ()
    error: tuple[str, str, str] | None = None
    done: int = 0
    total: int = 0
    ready: bool = False


class FoldProcess(Folding):
    """The folding process as the recording one sees it.

    `begin` starts it and waits until it has folded what there is; the rows can be read from then on. `corrected` is called
    before tables are announced among which are those that say how facts read.
    """

    def __init__(self, folder: Path, announce: Announce, *, beside: bool, strict: bool = False) -> None:
        super().__init__(0, 0)
        self._path = folder
        self._announce = announce
        self._how = f"{'beside' if beside else 'first'}{',strict' if strict else ''}"
        self._child: subprocess.Popen[bytes] | None = None
        self._door: Connection | None = None
        self._sending = threading.Lock()
        self._stopping = False
        self._ready = False
        self._said = 0
        self._watcher = threading.Thread(target=self._watch, name="fold-watcher", daemon=True)

    def begin(self, progress: Callable[[int, int], None] = lambda done, total: None) -> None:
        """Start it and wait until it has folded what was recorded before. Raises what it cannot begin for."""
        self._launch()
        while not self._ready:
            told = self._hear()
            if told is None:
                raise ViewsError(
                    f"the process that folds ended at its start ({self._ending()})",
                    where=str(self._path),
                    remedy="`asbuilt doctor` looks at the folder; `--one-process` folds without it.",
                )
            if told.error is not None and not told.ready:
                self.stop()
                raise _error_of(told.error)
            if told.total:
                progress(told.done, told.total)
            self._take_note(told)

    def start(self) -> None:
        """Watch it from now on."""
        self._watcher.start()

    def recorded(self, head: int, facts: Sequence[tuple[int, AnyFact]] = ()) -> None:
        """Say how far the record reaches; the facts it reads itself."""
        with self._told:
            self._reached(head=head)
        self._say_head()

    def stop(self) -> None:
        """Let it fold what is recorded and end; one that does not within a minute is killed and folds at the next start."""
        with self._told:
            self._stopping = True
            self._told.notify_all()
        self._say(_STOP)
        self._end_child()
        if self._watcher.is_alive():
            # It may just have started another one, to which it says the end itself.
            self._watcher.join(END_WITHIN_S)
            self._end_child(0)
            self._watcher.join()
        if self._door is not None:
            self._door.close()
            self._door = None

    def _end_child(self, within_s: float = END_WITHIN_S) -> None:
        if self._child is None:
            return
        try:
            self._child.wait(within_s)
        except subprocess.TimeoutExpired:
            self._child.kill()
            self._child.wait()

    # ----------------------------------------------------------------- the other process

    def _launch(self) -> None:
        ours, theirs = socket.socketpair()
        try:
            self._child = subprocess.Popen(
                [sys.executable, "-m", "asbuilt.folding.process", str(self._path), str(theirs.fileno()), self._how],
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
            )
        finally:
            theirs.close()
        self.pid, self._ready, self._said = self._child.pid, False, 0
        with self._sending:
            self._door = Connection(ours.detach())

    def _hear(self) -> Told | None:
        assert self._door is not None
        try:
            return msgspec.msgpack.decode(self._door.recv_bytes(), type=Told)
        except (EOFError, OSError):
            return None

    def _say(self, message: bytes) -> None:
        # What cannot be said to one that has just ended is said to the next: it asks the record itself when it begins.
        with self._sending:
            if self._door is not None:
                try:
                    self._door.send_bytes(message)
                except OSError:
                    return

    def _say_head(self) -> None:
        """Say how far the record reaches, once the other has come as far as was said last: one word at most is under way,
        so that nobody who records ever waits for somebody who folds."""
        with self._told:
            head = self._head
            if not self._ready or head <= self._said or self._folded < self._said:
                return
            self._said = head
        self._say(head.to_bytes(8, "big"))

    def _take_note(self, told: Told) -> None:
        with self._told:
            self._error = _error_of(told.error) if told.error is not None else None
            self._ready = self._ready or told.ready
            self._reached(folded=told.folded, head=max(self._head, told.folded))
        self._say_head()
        if told.tables:
            try:
                self._announce({table: set() for table in told.tables})
            except Exception:
                _log.exception("a listener to changes failed; folding goes on")

    def _watch(self) -> None:
        pause_s, began = FIRST_PAUSE_S, time.monotonic()
        while True:
            told = self._hear()
            if told is not None:
                self._take_note(told)
                continue
            if self._stopping:
                return
            self.restarts += 1
            with self._told:
                self._error = ViewsError(
                    f"the process that folds ended ({self._ending()}); it is started again",
                    remedy="Nothing recorded is lost; what is shown follows in a moment. If it ends again and again, look into its log.",
                )
                self._told.notify_all()
            _log.error("%s", self._error.message)
            if time.monotonic() - began > STEADY_AFTER_S:
                pause_s = FIRST_PAUSE_S
            with self._told:
                if self._told.wait_for(lambda: self._stopping, pause_s):
                    return
            pause_s, began = min(2 * pause_s, LONGEST_PAUSE_S), time.monotonic()
            with self._sending:
                if self._door is not None:
                    self._door.close()
            self._launch()
            self._say_end_again()

    def _say_end_again(self) -> None:
        """To one that was just started: `stop` may have said the end to the one before."""
        if self._stopping:
            self._say(_STOP)

    def _ending(self) -> str:
        assert self._child is not None
        try:
            code = self._child.wait(5)
        except subprocess.TimeoutExpired:
            self._child.kill()
            code = self._child.wait()
        return f"signal {-code}" if code < 0 else f"exit code {code}"


def _error_of(told: tuple[str, str, str]) -> AsBuiltError:
    where, message, remedy = told
    return ViewsError(message, where=where, remedy=remedy)


# --------------------------------------------------------------------------- in the folding process


def main(folder: DataFolder, door: Connection, *, beside: bool, strict: bool) -> None:
    """Fold until told to stop, or until nobody is there to tell."""
    with (folder.path / "views.lock").open("a") as lock:
        # One that was left behind by a command that was killed lets go in a moment: it hears that nobody is there.
        fcntl.flock(lock, fcntl.LOCK_EX)
        record = Log(folder.record, _no_clock, read_only=True)
        store = Store(folder.views, views.discover(), strict=strict)
        refuse_rows_of_another_record(record, store)

        def progress(done: int, total: int) -> None:
            _tell(door, Told(store.position(), done=done, total=total))

        catch_up(record, store, beside, progress)
        failed: list[AsBuiltError] = []

        def failing(error: AsBuiltError | None) -> None:
            failed[:] = [error] if error else []
            told = (error.where, error.message, error.remedy) if error else None
            _tell(door, Told(store.position(), error=told, ready=True))

        folding = FoldThread(
            record, store, lambda changed: _tell(door, Told(folding.folded, tuple(changed), ready=True)), failing
        )
        _tell(door, Told(store.position(), ready=True))
        folding.start()
        while message := door.recv_bytes():
            folding.recorded(int.from_bytes(message, "big"))
        folding.recorded(record.head())
        folding.stop()
        store.close()
        record.close()


def _no_clock() -> dt.datetime:
    raise AssertionError("who folds records nothing: it needs no clock")


_telling = threading.Lock()


def _tell(door: Connection, told: Told) -> None:
    with _telling:
        try:
            door.send_bytes(msgspec.msgpack.encode(told))
        except OSError:
            # Nobody is there any more. What was folded stays folded.
            os._exit(0)


if __name__ == "__main__":
    # Ctrl+C reaches every process of a terminal: this one ends when the command has recorded what waits and says so.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    path, descriptor, how = sys.argv[1:4]
    its_door = Connection(int(descriptor))
    try:
        main(DataFolder(Path(path)), its_door, beside=how.startswith("beside"), strict=how.endswith("strict"))
    except EOFError:
        os._exit(0)
    except AsBuiltError as error:
        _tell(its_door, Told(0, error=(error.where, error.message, error.remedy)))
        sys.exit(1)
