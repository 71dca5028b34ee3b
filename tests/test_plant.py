"""Plant files: good ones load; each kind of mistake is named with file, line and remedy."""

from __future__ import annotations

import datetime as dt
import re
from pathlib import Path

import pytest

from asbuilt import adapters
from asbuilt.app import configure
from asbuilt.errors import PlantError, UsageError
from asbuilt.plant import Shift, load, local_day, minutes, parse, shift_minutes
from tests.conftest import ROOT

GOOD = """\
[plant]
id = "works"
name = "Engine works"
zone = "Europe/Berlin"

[[site]]
id = "main"
name = "Main"

[[site.area]]
id = "assembly"
name = "Assembly"

[[site.area.line]]
id = "1"
name = "Line 1"
product = "BX"
takt_s = 360
shifts = "two"

[[site.area.line.station]]
id = "10"
name = "Machining"
short = "Mach."
cycle_s = 326.5
buffer = 8
source = "gateway"
key = "bore"

[[site.area.line.station]]
id = "20"
name = "Honing"
key = "oil"

[[site.area.line.station.characteristic]]
id = "oil"
name = "Oil"
uom = "°C"
lower = 22
upper = 30.0

[[site.area.line]]
id = "2"
name = "Line 2"

[[product]]
id = "BX"
name = "Boxer"
gtin = "04012345678901"

[[product.operation]]
id = "hone"
name = "Hone"
station = "20"
characteristics = ["bore"]

[[product.part]]
product = "piston"
name = "Piston"
quantity = 2
operation = "hone"
positions = ["left", "right"]

[[product.characteristic]]
id = "bore"
name = "Bore"
uom = "mm"
nominal = 36.0040
lower = 35.9
upper = 36.1

[[shift_pattern]]
id = "two"

[[shift_pattern.shift]]
id = "early"
start = "06:00"
end = "14:00"
days = ["mon", "tue", "wed", "thu", "fri"]
breaks = [{ start = "09:00", end = "09:15" }]

[[shift_pattern.shift]]
id = "night"
start = "22:00"
end = "06:00"
days = ["mon", "tue", "wed", "thu", "fri"]
breaks = [{ start = "23:50", end = "00:20" }, { start = "02:00", end = "02:15" }]

[[reason]]
id = "oil"
name = "Warm oil"

[adapter.gateway]
kind = "http"
fresh_s = 5
"""


def changed(old: str, new: str) -> str:
    assert GOOD.count(old) >= 1, f"{old!r} is not in the good file"
    return GOOD.replace(old, new, 1)


def test_a_good_file_loads():
    plant = parse(GOOD)
    assert (plant.id, plant.name, str(plant.zone)) == ("works", "Engine works", "Europe/Berlin")
    assert list(plant.lines) == ["works/main/assembly/1", "works/main/assembly/2"]
    assert list(plant.stations) == ["works/main/assembly/1/10", "works/main/assembly/1/20"]
    assert [station.label for station in plant.stations.values()] == ["Mach.", "Honing"]
    assert plant.stations["works/main/assembly/1/10"].cycle_s == 326.5
    line = plant.line("1")
    assert line is plant.line("works/main/assembly/1")
    assert line is not None
    assert plant.address(line) == "1"
    assert plant.line("3") is None
    oil, bore = plant.characteristic(line, "oil"), plant.characteristic(line, "bore")
    assert oil is not None
    assert bore is not None
    assert (oil.lower, oil.upper) == ("22", "30.0"), "limits keep the digits they were written with"
    assert bore.nominal == "36.0040"
    assert plant.products["BX"].part[0].quantity == "2"
    assert plant.adapters["gateway"].kind == "http"
    assert plant.adapters["gateway"].fresh_s == 5
    assert plant.adapters["gateway"].settings == {}
    assert len(plant.digest) == 64
    assert parse(GOOD + "# a remark\n").digest != plant.digest


@pytest.mark.parametrize("path", sorted(ROOT.glob("examples/*/plant.toml")), ids=lambda path: path.parent.name)
def test_the_examples_load_and_their_adapters_are_configured(path):
    plant = load(path)
    assert plant.lines
    for name in plant.adapters:
        module, _ = configure(plant, name)
        assert module.KIND in adapters.discover()


def test_a_line_is_found_by_id_only_where_that_is_the_only_one():
    second_area = '[[site.area]]\nid = "paint"\nname = "Paint"\n[[site.area.line]]\nid = "1"\nname = "Other line 1"\n'
    plant = parse(changed("[[product]]", second_area + "\n[[product]]"))
    assert plant.line("1") is None
    line = plant.line("works/main/paint/1")
    assert line is not None
    assert plant.address(line) == "works/main/paint/1"


# --------------------------------------------------------------------------- mistakes

MISTAKES: dict[str, tuple[str, str, str, str]] = {
    # what is changed, into what, what the error says, the remedy
    "misspelt key": ('short = "Mach."', 'shrot = "Mach."', "unknown key `shrot`", "Did you mean `short`?"),
    "misspelt table": ("[[reason]]", "[[raeson]]", "unknown key `raeson`", "Did you mean `reason`?"),
    "key that is nothing like any": ('short = "Mach."', 'xyzzy = 1', "unknown key `xyzzy`", "docs/operate.md"),
    "missing key": ('name = "Honing"\n', "", "missing key `name`", "Add the key"),
    "missing zone": ('zone = "Europe/Berlin"\n', "", "missing key `zone`", "Add the key"),
    "wrong zone": ("Europe/Berlin", "Europe/Bärlin", "is not a time zone", "IANA"),
    "zone outside the database": ("Europe/Berlin", "../../etc/passwd", "is not a time zone", "IANA"),
    "number as text": ("takt_s = 360", 'takt_s = "fast"', "Expected `float | null`", "Change the value"),
    "negative takt": ("takt_s = 360", "takt_s = -1", "> 0", "Change the value"),
    "takt not a number": ("takt_s = 360", "takt_s = nan", "> 0", "Change the value"),
    "takt without end": ("takt_s = 360", "takt_s = inf", "31536000", "Change the value"),
    "negative buffer": ("buffer = 8", "buffer = -1", ">= 0", "Change the value"),
    "odd id": ('id = "10"', 'id = "a/b"', "matching regex", "Change the value"),
    "id with a line break": ('id = "10"', r'id = "10\n"', "matching regex", "Change the value"),
    "time of day": ('start = "06:00"', 'start = "6:00"', "matching regex", "Change the value"),
    "no such day": ('["mon", "tue"', '["mon", "tues"', "tues", "Change the value"),
    "no such product": ('product = "BX"', 'product = "BY"', "there is no product `BY`", "use one of: BX"),
    "no such shifts": ('shifts = "two"', 'shifts = "three"', "there is no shift pattern `three`", "two"),
    "no such source": ('source = "gateway"', 'source = "gatway"', "no adapter `gatway`", "Did you mean `gateway`?"),
    "no such key characteristic": ('key = "oil"', 'key = "oill"', "no characteristic `oill`", "Did you mean `oil`?"),
    "no such station": ('station = "20"', 'station = "200"', "there is no station `200`", "Did you mean `20`?"),
    "no such operation": ('operation = "hone"', 'operation = "bore"', "there is no operation `bore`", "hone"),
    "no such characteristic": (
        'characteristics = ["bore"]', 'characteristics = ["boar"]', "no characteristic `boar`", "Did you mean `bore`?",
    ),
    "station twice": (
        '[[site.area.line]]\nid = "2"',
        '[[site.area.line.station]]\nid = "10"\nname = "Again"\n\n[[site.area.line]]\nid = "2"',
        "station `10` is there twice", "an id of its own",
    ),
    "reason twice": (
        "[adapter.gateway]", '[[reason]]\nid = "oil"\nname = "Oil"\n\n[adapter.gateway]', "reason `oil` is there twice", "own",
    ),
    "line twice": ('id = "2"', 'id = "1"', "line `1` is there twice", "own"),
    "limits crossed": ("lower = 35.9", "lower = 36.2", "lower limit is above the upper", "Swap"),
    "break outside": ('start = "09:00", end = "09:15"', 'start = "13:50", end = "14:10"', "is not inside", "Move"),
    "break backwards": ('start = "09:00", end = "09:15"', 'start = "09:15", end = "09:00"', "is not inside", "Move"),
    "adapter without a kind": ('kind = "http"\n', "", "adapter `gateway` has no kind", "csv_file"),
    "fresh_s not a number": ("fresh_s = 5", 'fresh_s = "often"', "fresh_s must be seconds", "such as 5"),
    "fresh_s zero": ("fresh_s = 5", "fresh_s = 0", "fresh_s must be seconds", "such as 5"),
    "fresh_s nan": ("fresh_s = 5", "fresh_s = nan", "fresh_s must be seconds", "such as 5"),
    "not TOML": ('name = "Honing"', "name = Honing", "TOML: Invalid value", "toml.io"),
    "key twice": ('name = "Honing"\n', 'name = "Honing"\nname = "Honing"\n', "TOML: Cannot overwrite", "toml.io"),
}  # fmt: skip


@pytest.mark.parametrize(("old", "new", "says", "remedy"), MISTAKES.values(), ids=MISTAKES)
def test_a_mistake_is_named_with_its_line_and_remedy(old, new, says, remedy):
    text = changed(old, new)
    with pytest.raises(PlantError) as refusal:
        parse(text, "works.toml")
    error = refusal.value
    assert says in error.message
    assert remedy in error.remedy
    # The line of the change, or of the table it is in where nothing was left to point at.
    at = text[: GOOD.index(old)].count("\n") + 1
    line = int(error.where.removeprefix("works.toml:"))
    lines = text.splitlines()
    header = max(n for n in range(1, at + 1) if lines[n - 1].startswith("["))
    expected = range(at, at + new.count("\n") + 1) if new else (header,)
    assert line in expected, f"line {line}: {lines[line - 1]!r}, expected {[lines[n - 1] for n in expected]}"


OVERLAPS = {
    "on the same day": ('start = "06:00"', 'start = "05:00"', "shift early begins before shift night has ended"),
    "with itself on the next day": ('end = "06:00"', 'end = "07:00"', "before shift night has ended"),
}


@pytest.mark.parametrize(("old", "new", "says"), OVERLAPS.values(), ids=OVERLAPS)
def test_shifts_that_overlap(old, new, says):
    with pytest.raises(PlantError, match=says):
        parse(changed(old, new))


WEEK = """
[plant]
id = "works"
name = "Works"
zone = "UTC"
[[shift_pattern]]
id = "week"
"""


def week(*shifts: tuple[str, str, str, list[str]]) -> str:
    """A plant with one pattern of these shifts: id, start, end, days."""
    return WEEK + "".join(
        f'[[shift_pattern.shift]]\nid = "{name}"\nstart = "{start}"\nend = "{end}"\ndays = {days}\n'
        for name, start, end, days in shifts
    )


def test_a_shift_that_reaches_over_the_end_of_the_week_overlaps_its_beginning():
    sunday_night = ("sunday", "22:00", "07:00", ["sun"])
    with pytest.raises(PlantError, match="shift monday begins before shift sunday has ended"):
        parse(week(("monday", "06:00", "14:00", ["mon"]), sunday_night))
    parse(week(("monday", "07:00", "14:00", ["mon"]), sunday_night))
    parse(week(("tuesday", "06:00", "14:00", ["tue"]), sunday_night))


def test_three_shifts_round_the_clock_meet_and_do_not_overlap():
    hours = [("early", "06:00", "14:00"), ("late", "14:00", "22:00"), ("night", "22:00", "06:00")]
    plant = parse(week(*((*shift, list(DAYS)) for shift in hours)))
    assert [shift.id for shift in plant.shift_patterns["week"].shift] == ["early", "late", "night"]


def test_a_shift_of_a_whole_day_leaves_room_for_no_other():
    parse(week(("all", "00:00", "00:00", list(DAYS))))
    with pytest.raises(PlantError, match="before shift all has ended"):
        parse(week(("all", "00:00", "00:00", list(DAYS)), ("extra", "12:00", "13:00", ["wed"])))


def test_two_shifts_that_begin_together_overlap():
    with pytest.raises(PlantError, match="before shift"):
        parse(week(("a", "06:00", "14:00", ["mon"]), ("b", "06:00", "10:00", ["mon"])))


DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


def test_lengths_of_shifts():
    shift = Shift(id="night", start="22:00", end="06:30")
    assert shift_minutes(shift) == 510
    assert shift_minutes(Shift(id="all", start="06:00", end="06:00")) == 1440
    assert minutes("23:59") == 1439


def test_all_problems_are_told_at_once_in_order_of_the_file():
    text = changed('shifts = "two"', 'shifts = "three"').replace('key = "oil"', 'key = "oill"', 1)
    text = text.replace('station = "20"', 'station = "200"', 1).replace("fresh_s = 5", "fresh_s = 0", 1)
    with pytest.raises(PlantError) as refusal:
        parse(text, "works.toml")
    told = str(refusal.value)
    for what in ("`three`", "`oill`", "`200`", "fresh_s must be"):
        assert what in told
    lines = [int(found) for found in re.findall(r"works\.toml:(\d+)", told)]
    assert len(lines) == 4
    assert lines == sorted(lines)
    assert told.count("→") == 4


# --------------------------------------------------------------------------- the line of an adapter's mistake


def configured(settings: str) -> None:
    plant = parse(changed('kind = "http"\nfresh_s = 5\n', settings), "works.toml")
    configure(plant, "gateway")


ADAPTER_MISTAKES: dict[str, tuple[str, str, int, str]] = {
    "no such kind": ('kind = "htpp"', "there is no adapter of kind `htpp`", 1, "http"),
    "unknown key": ('kind = "http"\npaht = "/facts"', "unknown field `paht`", 2, "path"),
    "wrong value": ('kind = "http"\npath = 5.5\nopen = "perhaps"', "Expected `bool`", 3, "takes"),
    "checked by the adapter": ('kind = "http"\npath = "/other"', "must begin with /facts", 2, "/facts"),
    "a column for a field that is not there": (
        'kind = "csv_file"\nfact = "counted"\nzone = "UTC"\n[adapter.gateway.columns]\nevent_time = "T"\nbatch = "B"',
        "has no field `batch`", 6, "station",
    ),
    "no such fact": ('kind = "csv_file"\nfact = "cuonted"\ncolumns = { event_time = "T" }', "no fact type", 2, "counted.v1"),
    "no event_time": ('kind = "csv_file"\nfact = "counted"\ncolumns = { good = "G" }', "event_time", 3, "event_time ="),
    "no zone": (
        'kind = "csv_file"\nfact = "counted"\ntime_format = "%d.%m.%Y"\ncolumns = { event_time = "T" }', "no zone", 0, "zone =",
    ),
    "no such zone": (
        'kind = "csv_file"\nfact = "counted"\nzone = "Mars"\ncolumns = { event_time = "T" }', "not a time zone", 3, "IANA",
    ),
    "separator of two": (
        'kind = "csv_file"\nfact = "counted"\nseparator = ";;"\ncolumns = { event_time = "T" }', "one character", 3, ";",
    ),
    "no such encoding": (
        'kind = "csv_file"\nfact = "counted"\nencoding = "utf-9"\ncolumns = { event_time = "T" }', "no encoding", 3, "cp1252",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("settings", "says", "line", "remedy"), ADAPTER_MISTAKES.values(), ids=ADAPTER_MISTAKES)
def test_a_mistake_in_an_adapters_settings_is_named_with_its_line(settings, says, line, remedy):
    with pytest.raises(PlantError) as refusal:
        configured(settings + "\n")
    header = GOOD[: GOOD.index("[adapter.gateway]")].count("\n") + 1
    assert says in refusal.value.message
    assert refusal.value.where == f"works.toml:{header + line}"
    assert remedy in refusal.value.remedy


def test_an_adapter_that_is_not_there_is_named():
    with pytest.raises(UsageError, match="no adapter `gatway`") as refusal:
        configure(parse(GOOD), "gatway")
    assert "gateway" in refusal.value.remedy


# --------------------------------------------------------------------------- files


def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises(PlantError, match="no such file") as refusal:
        load(tmp_path / "plant.toml")
    assert refusal.value.where == str(tmp_path / "plant.toml")
    assert refusal.value.remedy


def test_a_folder_in_its_place(tmp_path):
    with pytest.raises(PlantError, match="cannot be read"):
        load(tmp_path)


def test_a_file_that_is_not_utf_8(tmp_path):
    (tmp_path / "plant.toml").write_bytes(b'[plant]\nid = "w"\nname = "W\xe4rme"\n')
    with pytest.raises(PlantError, match="not UTF-8") as refusal:
        load(tmp_path / "plant.toml")
    assert refusal.value.where.endswith(":3")


def test_a_file_that_is_far_too_long(tmp_path):
    (tmp_path / "plant.toml").write_text("#" * 1_000_000)
    with pytest.raises(PlantError, match="longer than"):
        load(tmp_path / "plant.toml")


def test_a_byte_order_mark_is_no_matter(tmp_path: Path):
    (tmp_path / "plant.toml").write_text(GOOD, encoding="utf-8-sig")
    assert load(tmp_path / "plant.toml").digest == parse(GOOD).digest


def test_an_empty_file_says_what_is_missing():
    with pytest.raises(PlantError, match="missing key `plant`"):
        parse("")


def test_places_are_found_in_inline_tables_arrays_and_strings():
    text = changed(
        'breaks = [{ start = "09:00", end = "09:15" }]',
        'lead = """\n[[site]]\nid = "not a table"\n"""\nbreaks = [\n  { start = "09:00", end = "09:15" }, # [x\n'
        '  { start = "15:00", end = "15:15" },\n]',
    )
    with pytest.raises(PlantError, match=r"break 2 \(15:00–15:15\) is not inside") as refusal:
        parse(text, "works.toml")
    assert text.splitlines()[int(refusal.value.where.removeprefix("works.toml:")) - 1].startswith("breaks")


def test_the_day_of_an_instant_is_the_plants():
    plant = parse(GOOD)
    assert local_day(plant, dt.datetime(2026, 7, 1, 22, 30, tzinfo=dt.UTC)) == dt.date(2026, 7, 2)
