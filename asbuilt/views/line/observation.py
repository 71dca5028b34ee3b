"""What of a line is observed: sources that are silent, and what was heard last."""

from __future__ import annotations

import datetime as dt
from typing import Literal

from asbuilt.plant import Station
from asbuilt.views.line.fold import Watch
from asbuilt.views.line.moment import Moment


class Observation:
    """Which sources of a line are silent at a moment."""

    def __init__(self, look: Moment) -> None:
        self._look = look
        self._silent = _silent_sources(look)

    def lost(self, station: Station) -> Watch | None:
        """The silence that hides this station now, unless it was heard of since (late facts fill a gap)."""
        watch = self._silent.get(station.source or "")
        if watch is None:
            return None
        known_us = self.last_known_us(station)
        return watch if known_us is None or known_us <= watch.time_us else None

    def last_known_us(self, station: Station) -> int | None:
        """When the latest fact of a station occurred."""
        ((latest,),) = self._look.reader.select(
            "SELECT max(t) FROM (SELECT max(time_us) AS t FROM line_state WHERE station = ?1 AND time_us <= ?2"
            " UNION ALL SELECT max(time_us) FROM line_passage WHERE station = ?1 AND time_us <= ?2"
            " UNION ALL SELECT max(time_us) FROM line_output WHERE station = ?1 AND time_us <= ?2)",
            station.path, self._look.at_us,
        )  # fmt: skip
        return int(latest) if latest is not None else None

    def seen(self, station: Station, lost: Watch | None) -> dt.datetime | None:
        """When a station was heard last."""
        if lost is not None:
            return self._look.time(lost.seen_us)
        heard = self._look.reader.heard.get(station.source or "") if self._look.live else None
        if heard is not None:
            return heard.astimezone(self._look.plant.zone)
        known_us = self.last_known_us(station)
        return self._look.time(known_us) if known_us is not None else None

    def told(self, lost: bool, heard: bool) -> Literal["yes", "no", "never"]:
        """Whether what a tile shows is observed."""
        if lost:
            return "no"
        # People report after the fact: no report is no sign of silence.
        return "yes" if heard or self._look.line.flow == "job_shop" else "never"


def _silent_sources(look: Moment) -> dict[str, Watch]:
    found = {}
    for name in {station.source for station in look.line.station if station.source}:
        watch = look.reader.first(
            Watch, "adapter = ? AND time_us <= ? ORDER BY time_us DESC, fact DESC", name, look.at_us
        )
        if watch is not None and watch.lost:
            found[name] = watch
    return found
