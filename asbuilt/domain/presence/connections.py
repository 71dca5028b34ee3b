"""What was said about connections: when a source was connected, and when it was lost."""

from __future__ import annotations

from typing import Final, NamedTuple

from asbuilt.access import Reader
from asbuilt.access.conditions import above, at_most, between
from asbuilt.domain.presence.fold import Notice
from asbuilt.domain.presence.intervals import Interval
from asbuilt.time import FOREVER_US

NEVER_US: Final = -(2**62)
"""Before anything was ever said."""


class Connection(NamedTuple):
    """From when to when a source was connected; `sure` where the watch over live sources would have noticed its loss."""

    start_us: int
    end_us: int
    sure: bool


class Watch(NamedTuple):
    """What notices say of a source, over all time that a window touches: connections and losses, in order."""

    connected: list[Connection]
    lost: list[Interval]


def watch(reader: Reader, source: str, start_us: int, end_us: int) -> Watch:
    """When a source was connected and lost around a window, by what was said about it; nothing is cut at the window."""
    return reader.once(("watch", source, start_us, end_us), lambda: _watch(reader, source, start_us, end_us))


def _watch(reader: Reader, source: str, start_us: int, end_us: int) -> Watch:
    if not source:
        return Watch([], [])
    last = reader.first(Notice, {"source": source, "heard": 1, "time_us": at_most(start_us)}, order="-time_us")
    # What is noticed later may have begun before the end: up to the next time the source was heard.
    after = reader.first(Notice, {"source": source, "heard": 1, "time_us": above(end_us)}, order="time_us")
    rows = reader.rows(
        Notice,
        {
            "source": source,
            "time_us": between(last.time_us if last else NEVER_US, after.time_us + 1 if after else FOREVER_US),
        },
        order="time_us heard fact",
    )
    connected: list[Connection] = []
    lost: list[Interval] = []
    heard: Notice | None = None
    gone_us: int | None = None
    for row in rows:
        if row.heard:
            _close(connected, lost, heard, gone_us, row.time_us)
            heard, gone_us = row, None
        else:
            begun_us = row.since_us if heard is None else max(row.since_us, heard.time_us)
            gone_us = begun_us if gone_us is None else min(gone_us, begun_us)
    adapter = source.partition(":")[0]
    _close(connected, lost, heard, gone_us, FOREVER_US, live=source in reader.heard or adapter in reader.heard)
    return Watch(connected, lost)


def _close(
    connected: list[Connection],
    lost: list[Interval],
    heard: Notice | None,
    gone_us: int | None,
    until_us: int,
    live: bool = True,
) -> None:
    """What followed on a connection, up to the next one."""
    if heard is not None:
        end_us = until_us if gone_us is None else gone_us
        connected.append(Connection(heard.time_us, end_us, bool(heard.watched) and (live or end_us < FOREVER_US)))
    if gone_us is not None:
        lost.append((gone_us, until_us))


class Lost(NamedTuple):
    """A source that is lost: since when it was silent, and when that was last said."""

    source: str
    since_us: int
    noticed_us: int


def lost_sources(reader: Reader, at_us: int) -> list[Lost]:
    """The sources that are lost at an instant, as far as that was said then."""
    found: list[Lost] = []
    for source in reader.values(Notice, "source", {"time_us": at_most(at_us)}):
        rows = reader.rows(
            Notice, {"source": source, "time_us": at_most(at_us)}, order="-time_us -heard -fact", limit=100
        )
        since: list[Notice] = []
        for row in rows:
            if row.heard:
                break
            since.append(row)
        if since:
            heard_us = next((row.time_us for row in rows if row.heard), NEVER_US)
            found.append(Lost(source, max(min(row.since_us for row in since), heard_us), since[0].time_us))
    return found
