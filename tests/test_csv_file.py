"""Files with separated values: what is a fact is taken in, what is not becomes a rejection, nothing is lost."""

from __future__ import annotations

import datetime as dt
import gzip
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from asbuilt import events
from asbuilt.adapters import Message, Rejection, Taken, csv_file
from asbuilt.app import AsBuilt
from asbuilt.errors import AsBuiltError, UsageError
from asbuilt.events import AnyFact, Counted, OperationReported

HEADER = "time;station;good;remark"


def config(**more: Any) -> csv_file.Config:
    """A mapping of counts; fields added or replaced."""
    settings = {
        "fact": "counted",
        "zone": "Europe/Berlin",
        "separator": ";",
        "columns": {"event_time": "time", "station": "station", "good": "good"},
        **more,
    }
    made = msgspec.convert(settings, csv_file.Config)
    assert list(csv_file.check(made, "counts")) == []
    return made


def taken(data: str | bytes, tmp_path: Path, name: str = "counts.csv", **more: Any) -> list[Taken]:
    """What a file with this content brings."""
    path = tmp_path / name
    content = data.encode() if isinstance(data, str) else data
    path.write_bytes(gzip.compress(content) if name.endswith(".gz") and data[:1] != b"\x1f" else content)
    mapping = config(**more)
    translate = csv_file.translator(mapping, "counts")
    return [item for message in csv_file.read(path, mapping) for item in translate(message)]


@pytest.fixture
def take(tmp_path: Path) -> Callable[..., list[Taken]]:
    return lambda data, **more: taken(data, tmp_path, **more)


def facts(items: list[Taken]) -> list[AnyFact]:
    return [item for item in items if not isinstance(item, Rejection)]


def rejections(items: list[Taken]) -> list[Rejection]:
    return [item for item in items if isinstance(item, Rejection)]


def rows(*lines: str) -> str:
    return "\n".join((HEADER, *lines)) + "\n"


GOOD = "2026-06-01 07:30:00;A;5;fine"


def test_a_row_is_a_fact(take):
    (fact,) = take(rows(GOOD))
    assert isinstance(fact, Counted)
    assert (fact.source, fact.station, fact.good) == ("counts", "A", 5)
    assert fact.event_time.isoformat() == "2026-06-01T07:30:00+02:00"
    assert fact.id.version == 7


def test_an_empty_cell_leaves_the_field_out(take):
    (fact,) = take(rows("2026-06-01 07:30:00;A;;"))
    assert fact == events.decode(events.encode(fact))
    assert fact.good == 0


def test_the_same_row_has_the_same_id_and_another_row_another(take):
    items = facts(take(rows(GOOD, GOOD, "2026-06-01 07:30:00;A;6;fine", "2026-06-01 07:30:00;A;5;other")))
    assert [item.id == items[0].id for item in items] == [True, True, False, False]
    by_time_and_station = facts(take(rows(GOOD, "2026-06-01 07:30:00;A;6;other"), id=["time", "station"]))
    assert by_time_and_station[0].id == by_time_and_station[1].id


def test_the_name_of_the_adapter_is_part_of_the_id(tmp_path):
    message = Message(GOOD.encode(), 2, HEADER)
    (one,), (other,) = (list(csv_file.translator(config(), name)(message)) for name in ("counts", "other"))
    assert one.id != other.id
    assert (one.source, other.source) == ("counts", "other")


def test_constants_values_and_skipped_rows(take):
    items = take(
        rows("2026-06-01 07:30:00;W;5;", "2026-06-01 07:31:00;-;5;", "2026-06-01 07:32:00;Q;5;"),
        constants={"product": "BX"},
        values={"station": {"W": "p/s/a/l/wash"}},
        skip={"station": ["-"]},
    )
    (fact,), (rejection,) = facts(items), rejections(items)
    assert (fact.product, fact.station) == ("BX", "p/s/a/l/wash")
    assert rejection.line == 4
    assert "'Q' is not in values.station; it knows 'W'" in rejection.reason


def test_blank_lines_and_missing_last_line_break(take):
    assert len(facts(take(HEADER + "\n\n" + GOOD + "\n   \n" + GOOD.replace("A", "B")))) == 2


@pytest.mark.parametrize("ending", ["\n", "\r\n", "\r"])
def test_line_endings(take, ending):
    items = take(ending.join((HEADER, GOOD, GOOD.replace("A", "B"), "")))
    assert [fact.station for fact in facts(items)] == ["A", "B"]


# --------------------------------------------------------------------------- encodings


def test_a_byte_order_mark_is_no_matter(take):
    assert take("\ufeff" + rows(GOOD)) == take(rows(GOOD))


def test_rows_in_the_wrong_encoding_are_rejected_one_by_one_with_their_bytes(take):
    items = take(rows("2026-06-01 07:30:00;Prüfstand;5;", GOOD, "2026-06-01 07:31:00;Öl;5;").encode("cp1252"))
    assert len(facts(items)) == 1
    assert [(found.line, found.message[:28]) for found in rejections(items)] == [
        (2, b"2026-06-01 07:30:00;Pr\xfcfstan"),
        (4, b"2026-06-01 07:31:00;\xd6l;5;"),
    ]
    assert "not utf-8-sig at byte 22; set encoding" in rejections(items)[0].reason


def test_the_right_encoding_makes_them_facts(take):
    items = take(rows("2026-06-01 07:30:00;Prüfstand;5;").encode("cp1252"), encoding="cp1252")
    assert [fact.station for fact in facts(items)] == ["Prüfstand"]


def test_utf_16_read_as_utf_8_says_so(take):
    with pytest.raises(AsBuiltError, match="not in the encoding") as refusal:
        take(rows(GOOD).encode("utf-16"))
    assert 'encoding = "utf-16"' in refusal.value.remedy


def test_utf_16_read_as_utf_16(take):
    items = take(rows("2026-06-01 07:30:00;Prüfstand;5;").encode("utf-16"), encoding="utf-16")
    assert [fact.station for fact in facts(items)] == ["Prüfstand"]


def test_utf_16_that_ends_in_the_middle_of_a_character(take):
    data = rows(GOOD, GOOD.replace("A", "B")).encode("utf-16")[:-1]
    with pytest.raises(AsBuiltError, match="reading stopped"):
        take(data, encoding="utf-16")


def test_control_characters_become_rejections_in_the_pipeline(app, tmp_path):
    items = taken(rows("2026-06-01 07:30:00;A\x00B;5;", GOOD, "2026-06-01 07:30:00;\u202eA;5;"), tmp_path)
    results = app.take_in(items, "counts")
    assert [result.status for result in results] == ["rejected", "accepted", "rejected"]
    assert "U+0000" in (results[0].reason or "")


# --------------------------------------------------------------------------- files that cannot be read


def test_a_missing_column_is_named_with_those_there_are(take):
    with pytest.raises(UsageError, match="no column 'good'") as refusal:
        take("time;station;goood\n" + GOOD)
    assert "goood" in refusal.value.remedy
    assert refusal.value.where.endswith("counts.csv:1")


def test_a_wrong_separator_is_a_missing_column(take):
    with pytest.raises(UsageError, match="no column") as refusal:
        take(rows(GOOD).replace(";", ","))
    assert "separator" in refusal.value.remedy


@pytest.mark.parametrize("content", ["", "\ufeff"], ids=["nothing", "only a byte order mark"])
def test_an_empty_file_says_so(take, content):
    with pytest.raises(AsBuiltError, match=r"empty|no column"):
        take(content)


def test_a_header_alone_brings_nothing(take):
    assert take(HEADER + "\n") == []


@pytest.mark.parametrize("header", ['time;"station;good', '"time;station;good;remark', 'time;"sta"tion;good'])
def test_a_header_that_is_not_csv_is_named(take, header):
    with pytest.raises(AsBuiltError) as refusal:
        take(header + "\n" + GOOD + "\n")
    assert refusal.value.where.startswith(str(refusal.value.where.split("counts.csv")[0]))
    assert refusal.value.remedy


def test_a_column_that_is_there_twice_is_named(take):
    # Which of the two is meant cannot be known; taking the first would be a guess.
    with pytest.raises(UsageError, match="'good' is there twice"):
        take("time;station;good;good\n2026-06-01 07:30:00;A;5;6\n")


def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises(AsBuiltError, match="cannot read it"):
        list(csv_file.read(tmp_path / "nothing.csv", config()))


def test_a_folder(tmp_path):
    with pytest.raises(AsBuiltError, match="cannot read it"):
        list(csv_file.read(tmp_path, config()))


# --------------------------------------------------------------------------- compressed files


def test_gzip(take):
    assert take(rows(GOOD), name="counts.csv.gz") == take(rows(GOOD))


def partly(tmp_path: Path, data: bytes) -> tuple[list[Taken], AsBuiltError]:
    """What a damaged compressed file brings before it fails, and how it fails."""
    path = tmp_path / "counts.csv.gz"
    path.write_bytes(data)
    translate = csv_file.translator(config(), "counts")
    items: list[Taken] = []
    with pytest.raises(AsBuiltError) as refusal:
        for message in csv_file.read(path, config()):
            items.extend(translate(message))
    return items, refusal.value


MANY = rows(*(f"2026-06-01 07:30:{n % 60:02};A;{n};row {n * 7919}" for n in range(20_000)))


def test_a_truncated_gzip_brings_what_came_before_and_says_so(tmp_path):
    data = gzip.compress(MANY.encode())
    items, error = partly(tmp_path, data[: len(data) // 2])
    assert len(facts(items)) > 1_000
    assert rejections(items) == []
    assert "reading stopped" in error.message
    assert "import it again" in error.remedy


@pytest.mark.parametrize("at", [0.0005, 0.1, 0.3, 0.5, 0.7, 0.9])
def test_a_damaged_gzip_says_so(tmp_path, at):
    data = bytearray(gzip.compress(MANY.encode()))
    data[int(len(data) * at) : int(len(data) * at) + 40] = b"\xff" * 40
    items, error = partly(tmp_path, bytes(data))
    assert "reading stopped" in error.message
    assert error.remedy
    assert len(facts(items)) + len(rejections(items)) <= 20_000


@pytest.mark.parametrize("data", [b"not gzip at all", b"", b"\x1f\x8b"])
def test_a_file_that_only_calls_itself_gzip(tmp_path, data):
    items, error = partly(tmp_path, data)
    assert items == []
    assert error.remedy


def test_a_gzip_bomb_stays_small(tmp_path):
    """A line of 200 MB, packed to 200 KB, is one rejection and costs no memory to speak of."""
    import tracemalloc

    with gzip.open(tmp_path / "counts.csv.gz", "wb", compresslevel=9) as file:
        file.write(f"{HEADER}\n{GOOD}\n".encode())
        for _ in range(200):
            file.write(bytes(1_000_000))
        file.write(f"\n{GOOD.replace('A', 'B')}\n".encode())
    mapping = config()
    translate = csv_file.translator(mapping, "counts")
    tracemalloc.start()
    items = [item for message in csv_file.read(tmp_path / "counts.csv.gz", mapping) for item in translate(message)]
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert [fact.station for fact in facts(items)] == ["A", "B"]
    assert [found.line for found in rejections(items)] == [3]
    assert peak < 10_000_000


# --------------------------------------------------------------------------- rows that are not facts

BAD_ROWS = {
    "too few cells": ("2026-06-01 07:30:00;A;5", "the row has 3 cells, the header has 4"),
    "too many cells": ("2026-06-01 07:30:00;A;5;x;y", "the row has 5 cells, the header has 4"),
    "no time": (";A;5;x", "event_time is empty"),
    "no such day": ("2026-02-30 07:30:00;A;5;x", "'2026-02-30 07:30:00' is not a time"),
    "not a time": ("yesterday;A;5;x", "'yesterday' is not a time of the form iso"),
    "before the first year": ("0000-01-01 00:00:00;A;5;x", "is not a time"),
    "at the end of time": ("9999-12-31 23:59:59;A;5;x", None),
    "at the beginning of time": ("0001-01-01 00:00:00;A;5;x", ""),
    "in the gap of the clock": ("2026-03-29 02:30:00;A;5;x", "never was in Europe/Berlin: clocks were set forward"),
    "negative": ("2026-06-01 07:30:00;A;-5;x", ">= 0"),
    "absurd": ("2026-06-01 07:30:00;A;99999999999;x", "1000000000"),
    "beyond any number": ("2026-06-01 07:30:00;A;" + "9" * 400 + ";x", ""),
    "not whole": ("2026-06-01 07:30:00;A;5.5;x", "Expected `int`"),
    "NaN": ("2026-06-01 07:30:00;A;NaN;x", "Expected `int`"),
    "infinite": ("2026-06-01 07:30:00;A;inf;x", "Expected `int`"),
    "a word": ("2026-06-01 07:30:00;A;five;x", "Expected `int`"),
    "no station": ("2026-06-01 07:30:00;;5;x", "station"),
    "too long a station": ("2026-06-01 07:30:00;" + "A" * 401 + ";5;x", "length <= 400"),
    "junk behind a quote": ('2026-06-01 07:30:00;"A"B;5;x', "';' expected after"),
}  # fmt: skip


@pytest.mark.parametrize(("row", "says"), BAD_ROWS.values(), ids=BAD_ROWS)
def test_a_bad_row_is_rejected_and_its_neighbours_are_not(take, row, says):
    items = take(rows(GOOD, row, GOOD.replace("A", "B")))
    if says is None:
        assert len(facts(items)) == 3, "a legal time; the pipeline knows that it is far ahead"
        return
    assert [fact.station for fact in facts(items)] == ["A", "B"]
    (rejection,) = rejections(items)
    assert rejection.line == 3
    assert rejection.message == row.encode()
    assert says in rejection.reason


def test_a_negative_quantity_is_no_smaller_than_a_wrong_one(take):
    # Strict about what is no number, lenient about how a whole number is written.
    items = take(rows("2026-06-01 07:30:00;A; 5 ;x", "2026-06-01 07:30:00;A;05;x", "2026-06-01 07:30:00;A;5.0;x"))
    assert all(fact.good == 5 for fact in facts(items))
    assert len(facts(items)) + len(rejections(items)) == 3


def test_clock_years_ahead_is_rejected_by_the_pipeline(app, tmp_path):
    items = taken(rows(GOOD, "2031-06-01 07:30:00;A;5;x"), tmp_path)
    assert [result.status for result in app.take_in(items, "counts")] == ["accepted", "rejected"]


# --------------------------------------------------------------------------- long lines and open quotes


def test_a_line_of_ten_megabytes_is_one_rejection(take):
    items = take(rows(GOOD, "x" * 10_000_000, GOOD.replace("A", "B")))
    assert [fact.station for fact in facts(items)] == ["A", "B"]
    (rejection,) = rejections(items)
    assert rejection.line == 3
    assert "longer than 65,536 characters" in rejection.reason
    assert len(rejection.message) <= csv_file.MAX_LINE_CHARS + 1


@pytest.mark.parametrize("extra", [-1, 0, 1, 2])
def test_lines_around_the_limit(take, extra):
    prefix = "2026-06-01 07:30:00;A;5;"
    items = take(rows(prefix + "x" * (csv_file.MAX_LINE_CHARS - len(prefix) + extra), GOOD.replace("A", "B")))
    assert [fact.station for fact in facts(items)] == (["A", "B"] if extra <= 0 else ["B"])
    assert len(rejections(items)) == (0 if extra <= 0 else 1)


def test_a_quoted_cell_may_hold_line_breaks_and_quotes(take):
    items = take(rows('2026-06-01 07:30:00;A;5;"two\nlines, ""quoted""\n"', GOOD.replace("A", "B")))
    assert [fact.station for fact in facts(items)] == ["A", "B"]
    items = take(rows('2026-06-01 07:30:00;"A";"5";"a;b"'))
    assert [fact.station for fact in facts(items)] == ["A"]


def test_lines_are_counted_through_quoted_line_breaks(take):
    items = take(rows('2026-06-01 07:30:00;A;5;"two\nlines"', "bad", GOOD))
    assert [found.line for found in rejections(items)] == [4]


def test_an_unclosed_quote_costs_one_row(take):
    many = [GOOD.replace("A", f"S{n}") for n in range(200)]
    items = take(rows(GOOD, '2026-06-01 07:30:00;"A;5;x', *many))
    assert len(facts(items)) == 201
    (rejection,) = rejections(items)
    assert rejection.line == 3


def test_an_unclosed_quote_does_not_take_the_next_quoted_row_with_it(take):
    between = [GOOD.replace("A", f"S{n}") for n in range(5)]
    items = take(rows('2026-06-01 07:30:00;"A;5;x', *between, '2026-06-01 07:30:00;"B";5;"y"', GOOD))
    assert [fact.station for fact in facts(items)] == ["S0", "S1", "S2", "S3", "S4", "B", "A"]
    assert [found.line for found in rejections(items)] == [2]


def test_many_unclosed_quotes_do_not_last(take):
    items = take(rows(*['2026-06-01 07:30:00;"A;5;x', GOOD] * 500))
    assert len(facts(items)) >= 500
    assert len(facts(items)) + sum(found.message.count(b"\n") + 1 for found in rejections(items)) == 1_000


def test_an_unclosed_quote_near_the_end_costs_one_row(take):
    items = take(rows(GOOD, '2026-06-01 07:30:00;"A;5;x', GOOD.replace("A", "B")))
    assert [fact.station for fact in facts(items)] == ["A", "B"]
    assert [found.line for found in rejections(items)] == [3]


def test_inch_marks_are_not_quotes(take):
    """A quote inside a cell that does not begin with one is a character like any other."""
    items = take(
        rows('2026-06-01 07:30:00;A;5;bore 5" deep', GOOD.replace("A", "B"), '2026-06-01 07:30:00;C;5;6" x 7"')
    )
    items += take(rows('2026-06-01 07:30:00;A;5;5" one', GOOD.replace("A", "B"), '2026-06-01 07:30:00;C;5;6" other'))
    assert [fact.station for fact in facts(items)] == ["A", "B", "C"] * 2
    assert rejections(items) == []


def test_a_quoted_cell_opened_after_an_inch_mark(take):
    items = take(rows('2026-06-01 07:30:00;5" A;5;"two\nlines"', GOOD))
    assert [fact.station for fact in facts(items)] == ['5" A', "A"]


@given(st.lists(st.text(st.sampled_from('ab;"\n'), max_size=12), max_size=12))
def test_no_line_is_lost_whatever_the_quotes(tmp_path_factory, parts):
    """Good rows between anything at all: every line is in a fact or in a rejection, and reading goes on."""
    path = tmp_path_factory.mktemp("csv") / "counts.csv"
    text = "\n".join([HEADER, *parts, GOOD])
    path.write_text(text)
    mapping = config()
    translate = csv_file.translator(mapping, "counts")
    messages = list(csv_file.read(path, mapping))
    for message in messages:
        assert len(list(translate(message))) == 1
    kept = "\n".join(message.data.decode() for message in messages).split("\n")
    written = text.split("\n")[1:]
    assert [line for line in kept if line.strip()] == [line for line in written if line.strip()]


@given(st.binary(max_size=400))
def test_any_bytes_are_rows_or_a_clear_error(tmp_path_factory, data):
    path = tmp_path_factory.mktemp("csv") / "counts.csv"
    path.write_bytes(HEADER.encode() + b"\n" + data + b"\n" + GOOD.encode() + b"\n")
    mapping = config()
    translate = csv_file.translator(mapping, "counts")
    items = [item for message in csv_file.read(path, mapping) for item in translate(message)]
    assert items or not data.strip()
    for item in items:
        assert isinstance(item, Rejection) or events.decode(events.encode(item)) == item


# --------------------------------------------------------------------------- clocks set forward and back

AUTUMN = "2026-10-25 02:30:00"
SPRING = "2026-03-29 02:30:00"


@pytest.mark.parametrize(("fold", "offset", "utc"), [("earlier", "+02:00", "00:30"), ("later", "+01:00", "01:30")])
def test_a_time_that_was_twice(take, fold, offset, utc):
    (fact,) = take(rows(f"{AUTUMN};A;5;x"), fold=fold)
    assert fact.event_time.isoformat() == f"2026-10-25T02:30:00{offset}"
    assert f"{fact.event_time.astimezone(dt.UTC):%H:%M}" == utc


def test_a_time_that_was_twice_may_be_refused(take):
    (rejection,) = take(rows(f"{AUTUMN};A;5;x"), fold="reject")
    assert "was twice in Europe/Berlin: clocks were set back" in rejection.reason


def test_a_time_that_never_was_is_refused_or_shifted(take):
    (rejection,) = take(rows(f"{SPRING};A;5;x"))
    assert "never was" in rejection.reason
    (fact,) = take(rows(f"{SPRING};A;5;x"), gap="shift")
    assert fact.event_time.isoformat() == "2026-03-29T03:30:00+02:00"
    assert fact.event_time.astimezone(dt.UTC).isoformat() == "2026-03-29T01:30:00+00:00"


@pytest.mark.parametrize("time", ["01:59:59", "03:00:00"])
def test_the_edges_of_the_gap_were(take, time):
    (fact,) = take(rows(f"2026-03-29 {time};A;5;x"))
    assert isinstance(fact, Counted)


@pytest.mark.parametrize("fold", ["earlier", "later", "reject"])
@pytest.mark.parametrize("time", ["01:59:59", "03:00:00"])
def test_the_edges_of_the_fold_were_once(take, fold, time):
    (fact,) = take(rows(f"2026-10-25 {time};A;5;x"), fold=fold)
    assert isinstance(fact, Counted)


def test_an_offset_in_the_file_needs_no_zone(take):
    (fact,) = take(rows("2026-10-25T02:30:00+01:00;A;5;x"), fold="reject")
    assert fact.event_time.isoformat() == "2026-10-25T02:30:00+01:00"
    (fact,) = take(rows("2026-06-01T07:30:00Z;A;5;x"), zone=None)
    assert fact.event_time == dt.datetime(2026, 6, 1, 7, 30, tzinfo=dt.UTC)
    (rejection,) = take(rows("2026-06-01T07:30:00;A;5;x"), zone=None)
    assert "has no offset; say where the clock was with zone" in rejection.reason


@given(
    st.datetimes(dt.datetime(2000, 1, 1), dt.datetime(2040, 1, 1)),  # noqa: DTZ001
    st.sampled_from(["Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Africa/Casablanca", "UTC"]),
)
def test_wall_times_are_read_as_the_zone_database_has_them(wall, zone):
    from zoneinfo import ZoneInfo

    where = ZoneInfo(zone)
    try:
        instant = csv_file.in_zone(wall, where, "earlier", "reject")
    except ValueError:
        there = wall.replace(tzinfo=where).astimezone(dt.UTC).astimezone(where).replace(tzinfo=None)
        assert there != wall, "it was refused, so it must not exist"
        return
    assert instant.replace(tzinfo=None) == wall
    assert instant == wall.replace(tzinfo=where, fold=0)
    assert instant.astimezone(where).utcoffset() == instant.utcoffset()


# --------------------------------------------------------------------------- reports, imported whole

REPORTS = {
    "fact": "operation_reported",
    "columns": {"event_time": "end", "start_time": "start", "order": "order", "operation": "operation", "kind": "kind"},
    "values": {"kind": {"S": "setup", "D": "production"}},
}
REPORT_HEADER = "order;operation;kind;start;end"


def test_reports(take):
    items = take(
        f"{REPORT_HEADER}\n1;hone;S;2026-06-01 07:00:00;2026-06-01 07:30:00\n"
        "1;hone;D;2026-06-01 08:30:00;2026-06-01 07:30:00\n1;hone;X;2026-06-01 07:00:00;2026-06-01 07:30:00\n"
        ";hone;D;2026-06-01 07:00:00;2026-06-01 07:30:00\n",
        **REPORTS,
    )
    (report,) = facts(items)
    assert isinstance(report, OperationReported)
    assert report.kind == "setup"
    assert report.event_time - report.start_time == dt.timedelta(minutes=30)
    reasons = [found.reason for found in rejections(items)]
    assert "before it starts" in reasons[0]
    assert "'X' is not in values.kind" in reasons[1]
    assert "serial, lot or order" in reasons[2]


def test_a_bad_file_imported_twice_records_each_row_once(tmp_path):
    bad = rows(GOOD, "bad", GOOD, "2026-06-01 07:30:00;A;-1;x", GOOD.replace("A", "B"))
    with AsBuilt(memory=True, now=lambda: dt.datetime(2026, 7, 1, tzinfo=dt.UTC)) as app:
        first = [result.status for result in app.take_in(taken(bad, tmp_path), "counts")]
        head = app.record.head()
        second = [result.status for result in app.take_in(taken(bad, tmp_path), "counts")]
        assert app.record.head() == head == 4
    assert first == ["accepted", "rejected", "duplicate", "rejected", "accepted"]
    assert second == ["duplicate", "rejected", "duplicate", "rejected", "duplicate"]


def test_lines_are_counted_for_progress(tmp_path):
    (tmp_path / "counts.csv").write_text(rows(*[GOOD] * 10))
    assert csv_file.count_lines(tmp_path / "counts.csv") == 11
