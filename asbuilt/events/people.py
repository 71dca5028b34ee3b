"""What people say about their shift."""

from __future__ import annotations

import datetime as dt

from asbuilt.events.envelope import Event, Name, Path, Text


class NoteWritten(Event, tag="note_written.v1", frozen=True, kw_only=True):
    """A person's note for the next shift, on a line, a station, a unit or an order.

    `day` and `shift` name the shift it is about where that is over already.
    """

    text: Text
    day: dt.date | None = None
    shift: Name | None = None
    line: Path | None = None
    station: Path | None = None
    product: Name | None = None
    serial: Name | None = None
    order: Name | None = None


class ShiftClosed(Event, tag="shift_closed.v1", frozen=True, kw_only=True):
    """A shift was handed over and signed; `day` is the date on which the shift began."""

    line: Path
    day: dt.date
    shift: Name
