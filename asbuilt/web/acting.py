"""Acts: how people record facts from a page.

A view's `page.py` declares `ACTIONS`, a list of `Action(name, make)`. `make(reader, act)` looks at
what holds, raises `Refused` where it must not be done, and returns the facts (`act.fact(kind, …)`).
The page has a form for it:

    <form method="post" action="/act/shift/note" data-act="Note">
      {{ acting() }} <textarea name="text"></textarea> <button class="btn">Save</button>
    </form>

`acting()` puts in what shows that the form is ours. With script (`acting.js`) an act gets its id, its
time and the person in the browser, waits there while the network is down, and is sent until it is
answered; without, the server gives it id and time and answers with the page again.

An act is answered when its facts are durable. Its first fact has the act's own id, so an act that
comes again has no effect and is answered as saved, whatever has changed since.
"""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
import hmac
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar
from urllib.parse import parse_qsl
from uuid import UUID

import msgspec

from asbuilt import events
from asbuilt.access import Reader
from asbuilt.errors import AsBuiltError, MalformedFact, RecordFull, UsageError
from asbuilt.events import CorrectionMade, Event
from asbuilt.plant import Plant

if TYPE_CHECKING:
    from asbuilt.app import AsBuilt

SOURCE = "screen"
"""Who says so: a screen of this product; `by` is the person at it."""
TOKEN_NAME = "@screens"
MAX_BODY_BYTES = 128 * 1024
MAX_VALUES = 500
MAX_ACT_FACTS = 120_000
"""One act may hold everything a trace returned; more is refused before anything is recorded."""
FACTS_AT_ONCE = 5_000
MAX_AGE = dt.timedelta(days=30)
"""So long an act may have waited in a browser."""
SETTLE_S = 3.0

E = TypeVar("E", bound=Event)


class Refused(AsBuiltError):
    """An act must not be done now; nothing was recorded. The remedy says what can be done instead."""


class Act:
    """What a person did at a page: who, when, and the values of the form."""

    def __init__(self, act_id: UUID, time: dt.datetime, by: str, values: Mapping[str, str], plant: Plant) -> None:
        self.id = act_id
        self.time = time
        self.by = by
        self.values = values
        self.plant = plant
        self._facts = 0

    def text(self, name: str, default: str | None = None) -> str:
        """A value of the form without the white space around it. Raises `Refused` if it is needed and missing."""
        value = self.values.get(name, "").strip()
        if value:
            return value
        if default is None:
            raise Refused(f"{name.replace('_', ' ')} is missing", remedy="Fill it in and save again.")
        return default

    def fact(self, kind: type[E], **fields: Any) -> E:
        """The next fact of this act; its id, time, source and person are the act's."""
        own = self.id if not self._facts else events.derived_id(self.time, "act", self.id.bytes, str(self._facts))
        self._facts += 1
        told: dict[str, Any] = {"event_time": self.time, "source": SOURCE, "by": self.by or None, **fields}
        return kind(id=own, **told)


class Action(NamedTuple):
    """Something people do at a view's pages: its name in the address, and the facts it makes."""

    name: str
    make: Callable[[Reader, Act], Sequence[Event]]


def undo(reader: Reader, act: Act) -> list[Event]:
    """What a person told at a screen did not occur: a correction, both stay in the record."""
    try:
        wanted = UUID(act.text("fact"))
    except ValueError:
        raise Refused("this is not the id of a fact", remedy="Load the page anew and undo it there.") from None
    fact = reader.fact(wanted)
    if fact is None or fact.source != SOURCE:
        raise Refused(
            "only what was told at a screen can be undone here",
            remedy="`asbuilt correct FACT_ID` corrects any fact.",
        )
    return [act.fact(CorrectionMade, corrects=wanted, reason="did_not_occur", message=act.text("message", "") or None)]


class Said(msgspec.Struct, frozen=True, omit_defaults=True):
    """What the browser is told: saved (durable), again (was saved before) or refused, and why."""

    status: str
    facts: int = 0
    error: str = ""
    remedy: str = ""


class Acting:
    """Answers `POST /act/VIEW/NAME`."""

    def __init__(self, app: AsBuilt, actions: Mapping[str, Action]) -> None:
        self.app = app
        self.actions = {"facts/undo": Action("undo", undo), **actions}

    @property
    def token(self) -> str:
        """What a form shows to prove that it came from a page of ours."""
        return self.app.token(TOKEN_NAME)

    async def answer(
        self, path: str, headers: Mapping[bytes, bytes], body: bytes | None
    ) -> tuple[int, Said, Mapping[str, str]]:
        """Status, what is said, and the form's values."""
        if body is None:
            return 413, _no("the form is too long", f"At most {MAX_BODY_BYTES:,} bytes."), {}
        values = _values(headers.get(b"content-type", b""), body)
        if values is None:
            return 400, _no("the form cannot be read", "Load the page anew and try again."), {}
        shown = headers.get(b"x-act-token", b"").decode("latin-1") or values.get("token", "")
        if not self.is_own(headers, shown):
            return 403, _no("this form is not from a page of this server", "Load the page anew and try again."), values
        action = self.actions.get(path.removeprefix("/act/"))
        if action is None:
            return 404, _no(f"nothing is done at {path}", "Load the page anew."), values
        try:
            facts = await asyncio.to_thread(self._do, action, values)
        except RecordFull as error:
            return 503, Said("waiting", error=error.message, remedy=error.remedy), values
        except (Refused, UsageError, MalformedFact) as error:
            return 409, _no(error.message, error.remedy), values
        except AsBuiltError as error:
            return 500, Said("waiting", error=error.message, remedy=error.remedy), values
        return 200, Said("saved" if facts else "again", facts), values

    def is_own(self, headers: Mapping[bytes, bytes], token: str) -> bool:
        """Whether a form comes from a page of this server: it shows the token, and the browser names no other site."""
        if not hmac.compare_digest(token.encode(), self.token.encode()):
            return False
        if headers.get(b"sec-fetch-site", b"same-origin") not in (b"same-origin", b"none"):
            return False
        origin, host = headers.get(b"origin"), headers.get(b"host", b"")
        return origin is None or origin.partition(b"://")[2] == host

    def _do(self, action: Action, values: Mapping[str, str]) -> int:
        app = self.app
        now = app.now()
        act = _act(values, now, app.plant_at(now), events.new_id(now, app.random))
        if app.record.get(act.id) is not None:
            return 0
        with contextlib.suppress(AsBuiltError):
            # What is decided on should be what has been recorded so far.
            app.pipeline.settle(SETTLE_S)
        with app.reader(act.by or SOURCE) as reader:
            facts = list(action.make(reader, act))
        if not facts:
            raise Refused("there is nothing to record", remedy="Load the page anew: it may be done already.")
        if len(facts) > MAX_ACT_FACTS:
            raise Refused(f"{len(facts):,} facts at once are too many", remedy=f"Narrow it to {MAX_ACT_FACTS:,}.")
        # The fact with the act's own id is recorded last: an act that was cut off half-way is done again.
        first, *others = facts
        for at in range(0, len(others), FACTS_AT_ONCE):
            self._take(others[at : at + FACTS_AT_ONCE])
        self._take([first])
        with contextlib.suppress(AsBuiltError):
            app.pipeline.settle(SETTLE_S)
        return len(facts)

    def _take(self, facts: Sequence[Event]) -> None:
        for result in self.app.pipeline.take_in(SOURCE, facts).result():
            if result.status in ("rejected", "conflict"):
                raise Refused(result.reason or "it was not taken", remedy="Check what was filled in and save again.")
        self.app.hear(SOURCE)


def _act(values: Mapping[str, str], now: dt.datetime, plant: Plant, fresh: UUID) -> Act:
    try:
        act_id = UUID(values["act_id"]) if values.get("act_id") else fresh
        time = dt.datetime.fromisoformat(values["act_time"]) if values.get("act_time") else now
        if act_id.version != 7 or time.tzinfo is None:
            raise ValueError
    except ValueError:
        raise Refused("the act's id or time is not one", remedy="Load the page anew and try again.") from None
    if now - time > MAX_AGE:
        raise Refused(f"this was done more than {MAX_AGE.days} days ago", remedy="`asbuilt import` takes old facts.")
    return Act(act_id, time.astimezone(plant.zone), values.get("by", "").strip(), values, plant)


def _values(content_type: bytes, body: bytes) -> dict[str, str] | None:
    """The form's values, sent as a form or as a JSON object of texts."""
    try:
        if content_type.startswith(b"application/json"):
            return msgspec.json.decode(body, type=dict[str, str])
        if content_type.startswith(b"application/x-www-form-urlencoded"):
            return dict(parse_qsl(body.decode(), keep_blank_values=True, max_num_fields=MAX_VALUES))
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return None
    return None


def _no(error: str, remedy: str) -> Said:
    return Said("refused", error=error, remedy=remedy)
