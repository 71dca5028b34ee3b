"""Looks over a data folder and says what is not as it should be; repairs nothing."""

from __future__ import annotations

import datetime as dt
import stat
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

from asbuilt import views
from asbuilt.errors import AsBuiltError
from asbuilt.folder import DataFolder
from asbuilt.record import sqlite
from asbuilt.rows.store import Store

CLOCK_DOUBT_S = 3600


class Finding(NamedTuple):
    """One thing looked at: whether it is bad, what was found, and the remedy."""

    bad: bool
    what: str
    remedy: str = ""


def examine(
    data: Path, now: Callable[[], dt.datetime], progress: Callable[[int, int], None] = lambda done, total: None
) -> Iterator[Finding]:
    """Everything found in a data folder, the record first, by the clock `now`. Works beside a running process."""
    folder = DataFolder(data)
    yield from _record(folder, now, progress)
    yield from _views(folder)
    yield from _secrets(folder)


def _record(
    folder: DataFolder, now: Callable[[], dt.datetime], progress: Callable[[int, int], None]
) -> Iterator[Finding]:
    try:
        log = sqlite.Log(folder.record, now, read_only=True)
    except AsBuiltError as error:
        yield Finding(True, f"{error.where}: {error.message}", error.remedy)
        return
    try:
        head = log.head()
        damages = 0
        for damage in log.verify(lambda position: progress(position, head)):
            damages += 1
            where = f" (facts {damage.first_position:,} to {damage.last_position:,})" if damage.first_position else ""
            yield Finding(
                True, f"record: {damage.what}{where}", "Keep the folder as it is and restore record.db from a backup."
            )
        if not damages:
            yield Finding(False, f"record: {head:,} facts, every commit is as it was written")
        done = log.indexed()
        if done is not None:
            yield Finding(
                True,
                f"record: the subject index is of another version, {done:,} of {head:,} facts are indexed anew",
                "It is made when `asbuilt run` or another command that writes opens the folder; nothing recorded is touched.",
            )
        ahead_s = (log.read(head - 1, 1)[0].record_time_us / 1_000_000 - now().timestamp()) if head else 0
        if ahead_s > CLOCK_DOUBT_S:
            yield Finding(
                True,
                f"record: the last facts are recorded as of {ahead_s / 86_400:.1f} days from now",
                "This machine's clock was ahead once. Record times stay there until it is reached; nothing else suffers.",
            )
    finally:
        log.close()


def _views(folder: DataFolder) -> Iterator[Finding]:
    if not folder.views.exists():
        yield Finding(False, "views: none yet; they are folded when the record is opened")
        return
    try:
        store = Store(folder.views, views.discover(), read_only=True)
    except AsBuiltError as error:
        yield Finding(True, f"views: {error.message}", "Run `asbuilt rebuild`; nothing recorded is lost.")
        return
    try:
        position, outdated = store.position(), store.outdated()
        behind = {view: facts for view, facts in store.behind(position).items() if view not in outdated}
        if outdated:
            which = ", ".join(sorted(outdated))
            yield Finding(True, f"views: made by another version: {which}", "They are folded anew when the record is opened.")  # fmt: skip
        for view, facts in behind.items():
            yield Finding(True, f"views: {view} is {facts:,} facts behind the others", "It catches up while asbuilt runs.")  # fmt: skip
        if not outdated and not behind:
            yield Finding(False, f"views: {len(store.views)} views folded up to fact {position:,}")
        failures = store.failures()
        for view, fact, what in failures[:20]:
            yield Finding(
                True,
                f"views: {view} could not fold fact {fact.hex()}: {what}",
                "Please report it; a newer version heals it.",
            )
    except AsBuiltError as error:
        yield Finding(True, f"views: {error.message}", "Run `asbuilt rebuild`; nothing recorded is lost.")
    finally:
        store.close()


def _secrets(folder: DataFolder) -> Iterator[Finding]:
    if not folder.keys.exists():
        return
    loose = [path for path in (folder.keys, *folder.keys.iterdir()) if stat.S_IMODE(path.stat().st_mode) & 0o077]
    for path in loose:
        yield Finding(True, f"{path.name} can be read by other users", f"chmod go-rwx {path}")
    if not loose:
        yield Finding(False, "keys: readable by their owner only")
