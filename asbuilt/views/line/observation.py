"""What of a line is observed: what hides a station, and when it was heard last."""

from __future__ import annotations

import datetime as dt
from typing import Literal

from asbuilt.domain.presence import questions as presence
from asbuilt.domain.presence.questions import Silence
from asbuilt.plant import Station
from asbuilt.views.line.moment import Moment


class Observation:
    """Which stations of a line are not observed at a moment."""

    def __init__(self, look: Moment) -> None:
        self._look = look

    def lost(self, station: Station) -> Silence | None:
        """The silence that hides this station now, whatever its reasons; None where nothing was ever heard of it."""
        if self.last_known_us(station) is None and not (station.source and self._connected(station.source)):
            return None
        return presence.silence_at(self._look.reader, station.path, self._look.at_us)

    def _connected(self, source: str) -> bool:
        return self._heard_us(source) is not None

    def _heard_us(self, source: str) -> int | None:
        return presence.last_heard_us(self._look.reader, source, self._look.at_us)

    def last_known_us(self, station: Station) -> int | None:
        """When the latest fact of a station occurred."""
        return presence.last_word_us(self._look.reader, station.path, self._look.at_us)

    def seen(self, station: Station, lost: Silence | None) -> dt.datetime | None:
        """When a station was heard last."""
        if lost is not None:
            if lost.reasons != ("no word",):
                return self._look.time(lost.start_us)
            # Its last word was believed for a while: nobody saw the station when that was over.
            last = (self.last_known_us(station), self._heard_us(lost.source) if lost.source else None)
            words = [us for us in last if us is not None]
            return self._look.time(min(lost.start_us, max(words))) if words else None
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
