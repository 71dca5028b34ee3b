"""What is hidden from a reader is told at no door: two plants that differ in it alone answer that reader alike, to the byte."""

from __future__ import annotations

import asyncio
import copy
import datetime as dt
import re
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any, Literal, get_args, get_origin, get_type_hints

import msgspec
import pytest
from markupsafe import escape

from asbuilt import events
from asbuilt.access import EVERYBODY, WITHHELD, Clearance, Reader
from asbuilt.access.conditions import count, distinct, least, other_than
from asbuilt.access.known import Known
from asbuilt.access.parameters import as_json
from asbuilt.access.withheld import Seen
from asbuilt.app import AsBuilt
from asbuilt.domain.measurements.fold import Measurement
from asbuilt.errors import UsageError, WithheldError
from asbuilt.events import Event
from asbuilt.rows.shows import name_of
from tests.web.scripted import LINE, Told, at, morning, shop
from tests.web.test_api import NEEDS
from tests.web.test_pages import ADDRESSES

SCREENS = ("screen", "local")


def told() -> Told:
    """The morning, with something of every kind that pages show."""
    script = morning()
    unit = {"product": "P7", "serial": "00001"}
    script.value("10", "bore", "35.0104", "06:00:50", **unit)
    script.value("30", "leak", "5.1", "06:02:50", by="A. Aas", **unit)
    script.value("30", "leak", "7.5", "06:12:50", product="P7", serial="00011")
    script.tell(events.LotReceived, "05:00", product="BRG", lot="B-1", quantity="40", supplier="Norrlager", heat="48-1")
    script.tell(
        events.ComponentInstalled, "06:00:30", **unit, position="Bearing", component_product="BRG", component_lot="B-1",
        quantity="2",
    )  # fmt: skip
    script.tell(
        events.RunRecorded, "07:00", **unit, station=f"{LINE}/30", program="RC-25", verdict="pass", start_time=at("06:50"),
        channels=(events.Channel(name="rpm", uom="1/min", minimum="1", maximum="2", mean="1.5"),), by="B. Berg",
    )  # fmt: skip
    script.tell(
        events.DisclosureIssued, "07:30", disclosure="D-1", recipient="Inspectorate 7", purpose="incoming inspection",
        product="P7", serial="S-1", profile="customer", fields=("value", "uom"),
    )  # fmt: skip
    script.report("lathe", "07:00", "09:00", order="J-1", by="A. Aas")
    script.tell(events.NoteWritten, "08:00", text="Mind the coolant.", line=LINE, by="C. Cron")
    script.tell(events.HoldPlaced, "08:01", hold="H-1", reason="leaks", **unit, by="C. Cron")
    script.tell(
        events.NonconformanceRaised, "08:02", nonconformance="N-1", reason="scratch", severity="major", message="long",
        product="P7", serial="00002",
    )  # fmt: skip
    script.tell(events.UnitStarted, "05:59", **unit, order="2418", revision="C")
    script.tell(events.UnitShipped, "08:20", product="P7", serial="00003", consignee="Customer 4", end_use="trainer")
    script.tell(events.StopExplained, "08:25", station=f"{LINE}/20", start_time=at("08:20"), end_time=at("08:24"), reason="coolant", message="a hose")  # fmt: skip
    return script


def otherwise(fact: Event, name: str) -> Event:
    """The fact as it would be with another value of a field that it has."""
    value = getattr(fact, name)
    hint = get_type_hints(type(fact), include_extras=True)[name]
    literal = next((part for part in (hint, *get_args(hint)) if get_origin(part) is Literal), None)
    if value is None:
        return fact
    if literal is not None:
        other: Any = next(one for one in get_args(literal) if one != value)
    elif hint == events.Decimal or events.Decimal in get_args(hint):
        other = f"{value}7" if "." in value else f"{value}.7"
    elif isinstance(value, bool):
        other = not value
    elif isinstance(value, int):
        other = value + 1
    elif isinstance(value, dt.datetime):
        other = value - dt.timedelta(seconds=7)
    elif isinstance(value, str):
        other = f"{value}~"
    else:
        return fact
    return msgspec.structs.replace(fact, **{name: other})


@contextmanager
def two(field: str) -> Iterator[tuple[AsBuilt, AsBuilt]]:
    """Two plants that differ in one field of one type alone, as somebody sees them from whom it is hidden."""
    kind, _, name = field.partition(".")
    one, other = told(), told()
    other.facts = [otherwise(fact, name) if name_of(type(fact)) == kind else fact for fact in other.facts]
    assert one.facts != other.facts, f"nothing of {field} is told"
    with ExitStack() as stack:
        apps = [stack.enter_context(shop(script)) for script in (one, other)]
        for app in apps:
            hide(app, field)
        yield apps[0], apps[1]


def hide(app: AsBuilt, *fields: str) -> None:
    clearance = Clearance(frozenset(fields))
    app.seen_as = lambda who: clearance if who in SCREENS else EVERYBODY  # type: ignore[method-assign]


def addresses(app: AsBuilt) -> list[str]:
    """Every page and every query, also as a table, and what else is told of the plant."""
    found = [
        *ADDRESSES,
        "/line/1?at=2026-06-03T08:10",
        "/unit/00001?at=2026-06-03T07:10",
        "/search?q=0000",
        "/metrics",
        "/healthz",
    ]
    for name, query in app.queries.items():
        asked = "&".join(
            f"{key}={NEEDS[key]}" for key, known in query.parameters.items() if known.default is known.empty
        )
        found += [f"/api/{name}?{asked}", f"/api/{name}.csv?{asked}"]
    return found


def answers(app: AsBuilt, of: Iterable[str] = ()) -> dict[str, tuple[int, bytes]]:
    """What is answered at every address, or at some."""
    return {
        address: (answer.status_code, _plain(answer.content))
        for address in of or addresses(app)
        for answer in [app.client.get(address)]
    }


FIELDS = [
    "measured.value", "measured.by", "measured.event_time", "operation_reported.by", "operation_completed.serial", "state_changed.reason",
    "alarm_raised.text", "alarm_raised.source", "note_written.text", "hold_placed.reason", "unit_shipped.consignee", "run_recorded.verdict",
    "component_installed.component_lot", "lot_received.supplier", "nonconformance_raised.message",
]  # fmt: skip


@pytest.mark.parametrize("field", FIELDS)
def test_plants_that_differ_in_what_is_hidden_answer_alike(field):
    with two(field) as (one, other):
        said, also = answers(one), answers(other)
        for app in (one, other):
            hide(app)
        # The positive control: what is compared would show to whoever is hidden nothing.
        assert answers(one, also) != answers(other, also), f"{field} is shown nowhere, so that nothing is tested of it"
    for address, (status, content) in said.items():
        assert (status, content) == also[address], address
        assert status in (200, 403, 404), (address, content)
        assert status != 403 or b"withheld from you, and this rests on it" in content, address


def _plain(content: bytes) -> bytes:
    """Without the tokens of a run, which are drawn by chance."""
    return re.sub(rb'value="[0-9a-f]{32,}"|since=[0-9a-f]{8}\.', b"", content)


def test_what_does_not_rest_on_it_is_answered():
    with two("measured.value") as (one, _):
        said = answers(one)
    assert {address for address, (status, _) in said.items() if status == 403} <= {
        address for address in said if re.search("unit|line|station|trace|kpi|shift", address)
    }
    assert {said[address][0] for address in ("/orders", "/alarms", "/sources", "/kpi", "/api/order.list?")} == {200}
    assert b"withheld" in said["/line/1"][1]


def test_a_live_page_is_not_rendered_of_what_is_hidden():
    """Neither content nor number of what is sent depends on it, and who sees all is sent it."""
    for told_by in ("35.0009", "35.9999"):
        script = told()
        with shop(script) as app:
            hide(app, "measured.value")
            site = app.client.site
            view, page, given = site._find("/line/1/station/10")

            async def fragments(clearance: Clearance, site=site, view=view, page=page, given=given) -> tuple[int, str]:
                live = site._live_page(view, page, given, clearance)
                try:
                    rendered = await live.rendered(max_age_s=0)
                except WithheldError as error:
                    return live.number, error.message
                return live.number, "".join(map(str, rendered.fragments.values()))

            hiding = app.seen_as("screen")
            before = asyncio.run(fragments(hiding))
            script.value("10", "bore", told_by, "08:29", product="P7", serial="00001")
            app.take_in(script.facts[-1:])
            app.pipeline.settle()
            after = asyncio.run(fragments(hiding))
            seen = asyncio.run(fragments(EVERYBODY))
        assert told_by not in after[1] and after[0] - before[0] in (0, 1)
        assert seen[1] != after[1]


# --------------------------------------------------------------------------- the reader


@pytest.fixture
def hidden() -> Iterator[Any]:
    with shop(told()) as app:
        hide(app, "measured.value")
        with app.reader("screen") as reader:
            yield reader


def test_a_hidden_column_is_withheld_and_nothing_is_asked_by_it(hidden):
    rows = hidden.rows(Measurement, {"characteristic": "leak"})
    assert len(rows) == 3 and all(row.value is WITHHELD for row in rows)
    assert {row.uom for row in rows} == {"ml/min"} or rows[0].uom
    assert hidden.columns(Measurement, ("value", "characteristic"))[0][0] is WITHHELD
    for ask in (
        lambda: hidden.rows(Measurement, {"value": "5.8"}),
        lambda: hidden.rows(Measurement, [{"characteristic": "leak"}, {"value": other_than("5.8")}]),
        lambda: hidden.rows(Measurement, order="-value"),
        lambda: hidden.first(Measurement, order="value"),
        lambda: hidden.exists(Measurement, {"value": "5.8"}),
        lambda: hidden.given(Measurement, "value", ["5.8"]),
        lambda: hidden.rows_of(Measurement, "value", ["5.8"]),
        lambda: hidden.plain_rows_of(Measurement, "characteristic", [1], ("value",)),
        lambda: hidden.values(Measurement, "value"),
        lambda: hidden.totals(Measurement, by=("value",)),
        lambda: hidden.totals(Measurement, of=(least("value"),)),
        lambda: hidden.totals(Measurement, of=(distinct("value"),)),
        lambda: hidden.totals_in(Measurement, [(0, 1)], "value"),
        lambda: hidden.totals_in(Measurement, [(0, 1)], "time_us", {"value": "5.8"}),
        lambda: hidden.totals_in(Measurement, [(0, 1)], "time_us", end="value"),
    ):
        with pytest.raises(WithheldError, match="The value of measurement is withheld from you"):
            ask()
    assert hidden.totals(Measurement, of=(count(),)) == [(5,)]


def test_every_way_to_ask_a_reader_is_known_here():
    """One that is added must be tried with something hidden as well."""
    asking = {name for cls in Reader.__mro__[:2] for name in vars(cls) if not name.startswith("_")}
    assert asking == {
        "rows", "columns", "first", "exists", "given", "rows_of", "plain_rows_of", "values", "totals", "totals_in",
        "numbers", "names", "fact", "effective", "facts", "known", "current", "latest", "recorded_at", "subjects", "failures",
        "once", "know", "folding", "instant", "plant", "plants", "is_withholding",
    }  # fmt: skip
    assert {name for name in vars(Known) if not name.startswith("_")} == {
        name for name in vars(Seen) if not name.startswith("_")
    }


def test_a_hidden_field_of_a_fact_is_withheld(hidden):
    leak = hidden.first(Measurement, {"characteristic": "leak"}, order="time_us")
    now = hidden.now
    for fact in (
        hidden.fact(leak.fact),
        hidden.effective(leak.fact),
        next(one for one in hidden.current("unit:P7/00001") if one.id.bytes == leak.fact),
        next(one for one in hidden.known(now).facts("unit:P7/00001") if one.id.bytes == leak.fact),
    ):
        assert fact.value is WITHHELD and fact.characteristic == "leak"
    recorded, fact = next(one for one in hidden.facts("unit:P7/00001") if one[0].id == leak.fact)
    assert recorded.body == b"" and fact.value is WITHHELD


def test_what_replaces_a_hidden_value_is_withheld_as_well():
    script = told()
    wrong = next(fact for fact in script.facts if isinstance(fact, events.Measured))
    right = msgspec.structs.replace(wrong, value="35.0000007")
    script.tell(events.CorrectionMade, "08:29", corrects=wrong.id, reason="incorrect_data", replacement=right)
    with shop(script) as app:
        hide(app, "measured.value")
        with app.reader("screen") as reader:
            ((recorded, correction),) = reader.facts(f"fact:{wrong.id}")
            assert correction.replacement.value is WITHHELD and recorded.body == b""
            assert reader.effective(wrong.id).value is WITHHELD
        with app.reader("shift") as reader:
            assert reader.effective(wrong.id).value == "35.0000007"


def test_what_a_subject_is_named_by_finds_nothing_when_it_is_hidden():
    with shop(told()) as app:
        hide(app, "operation_completed.serial")
        with app.reader("screen") as reader:
            for ask in (
                lambda: reader.facts("unit:P7/00001"),
                lambda: reader.latest("unit:P7/00001"),
                lambda: reader.current("unit:P7/00001"),
                lambda: reader.known(reader.now).facts("unit:P7/00001"),
                lambda: reader.subjects("unit"),
            ):
                with pytest.raises(WithheldError):
                    ask()
            assert reader.subjects("station")


def test_what_gives_facts_out_whole_is_for_who_sees_all(hidden):
    with shop(told()) as app:
        app.sees_all("screen", "Facts are printed")
        hide(app, "measured.value")
        app.sees_all("somebody else", "Facts are printed")
        with pytest.raises(WithheldError, match="Facts are printed, and not all of them may be seen by you"):
            app.sees_all("screen", "Facts are printed")


def test_a_field_that_no_fact_has_cannot_be_hidden():
    with shop(told()) as app:
        hide(app, "measured.valeu")
        with pytest.raises(UsageError, match=r"no fact has a field measured\.valeu"), app.reader("screen"):
            pass


@pytest.mark.parametrize(
    "use",
    [
        str, bool, hash, len, iter, int, float, lambda one: sorted([one, 1]), lambda one: sum([one]), lambda one: f"{one:.2f}", lambda one: one == WITHHELD,
        lambda one: one < 3, lambda one: 3 - one, lambda one: one * 2, lambda one: -one, lambda one: one.strip(), lambda one: one[0],
        lambda one: one in ("a", "b"), lambda one: {one: 1}, lambda one: "a" in one,
    ],
)  # fmt: skip
def test_nothing_is_made_of_what_is_withheld(use):
    with pytest.raises(WithheldError, match="withheld from you"):
        use(WITHHELD)


def test_what_is_withheld_is_itself_and_a_word_on_pages():
    assert WITHHELD is WITHHELD and repr(WITHHELD) == "WITHHELD" and copy.deepcopy([WITHHELD])[0] is WITHHELD
    assert str(escape(WITHHELD)) == "withheld"
    assert as_json({"value": WITHHELD}) == b'{"value":{"withheld":true}}'
