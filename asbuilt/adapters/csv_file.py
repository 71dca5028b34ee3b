"""Files with separated values: job-shop logs, bench results, gate exports.

One row is one fact. The plant file says which fact type, which column holds which field, and in
which time zone the wall times are:

    [adapter.reports]
    kind = "csv_file"
    fact = "operation_reported"
    zone = "Europe/Tallinn"
    time_format = "%Y/%m/%d %H:%M:%S.%f"
    id = ["Case ID", "Activity", "Start Timestamp", "Complete Timestamp"]
    skip = { Activity = ["Start", "End"] }

    [adapter.reports.columns]
    order = "Case ID"
    operation = "Activity"
    kind = "Phase"
    start_time = "Start Timestamp"
    event_time = "Complete Timestamp"

    [adapter.reports.values.kind]
    S = "setup"
    D = "production"

Import it with `asbuilt import plant.toml reports FILE…`. The columns of `id` make the id of the
fact (none: the whole row), so a file imported twice is all duplicates. An empty cell leaves the
field out. A row that is not a fact becomes a recorded rejection; the rest goes on.

`constants` gives fields that no column has. `separator = ";"` and `encoding = "cp1252"` are for
files that are not comma-separated UTF-8. `decimal = ","` reads 1.013,25 and 1.200 with points for thousands; in a
file separated by ";" a number such as 1.200 is refused until `decimal` says which it is. `time_format` is "iso" or a format of strptime.

Wall times that happened twice (clocks set back) are read as the earlier one unless `fold` says
`later` or `reject`; those that never happened (clocks set forward) are rejected unless `gap` says
`shift`, which reads them as if the clock had not been changed.
"""

from __future__ import annotations

import csv
import datetime as dt
import gzip
import io
import re
import typing
import zlib
from collections.abc import Callable, Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal
from zoneinfo import ZoneInfo

import msgspec

from asbuilt import events
from asbuilt.adapters import Message, Problem, Rejection, Taken, Translate
from asbuilt.errors import AsBuiltError, UsageError

KIND = "csv_file"
MAX_LINE_CHARS = 64 * 1024
MAX_LINES_PER_ROW = 50


class Config(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Settings of a CSV mapping; see the adapter's page."""

    fact: str
    columns: dict[str, str]
    zone: str | None = None
    time_format: str = "iso"
    fold: Literal["earlier", "later", "reject"] = "earlier"
    gap: Literal["reject", "shift"] = "reject"
    id: tuple[str, ...] = ()
    values: dict[str, dict[str, Any]] = {}
    constants: dict[str, Any] = {}
    skip: dict[str, tuple[str, ...]] = {}
    separator: str = ","
    encoding: str = "utf-8-sig"
    decimal: Literal[".", ","] | None = None


def check(config: Config, name: str) -> Iterator[Problem]:
    """What is wrong with the settings."""
    fact_type = _fact_type(config.fact)
    if fact_type is None:
        yield Problem(("fact",), f"there is no fact type `{config.fact}`", f"Use one of: {', '.join(events.TYPES)}.")
        return
    fields = [*fact_type.__struct_fields__]
    for table in ("columns", "values", "constants"):
        for field in getattr(config, table):
            if field not in fields:
                yield Problem((table, field), f"{config.fact} has no field `{field}`", f"It has: {', '.join(fields)}.")
    if "event_time" not in config.columns:
        yield Problem(("columns",), "no column is the event_time", 'Add event_time = "name of the column".')
    zoned = config.time_format == "iso" or "%z" in config.time_format
    if config.zone is None and not zoned:
        yield Problem((), "the times have no zone", 'Say where the clock on the wall was: zone = "Europe/Berlin".')
    if config.zone is not None:
        try:
            ZoneInfo(config.zone)
        except (KeyError, ValueError, OSError):
            yield Problem(("zone",), f"`{config.zone}` is not a time zone", "Use an IANA name such as Europe/Berlin.")
    if len(config.separator) != 1:
        yield Problem(("separator",), "the separator must be one character", 'Use "," or ";" or "\\t".')
    try:
        "x".encode(config.encoding)
    except LookupError:
        yield Problem(
            ("encoding",), f"there is no encoding `{config.encoding}`", 'Use "utf-8-sig", "cp1252" or another.'
        )
    missing = missing_fields(fact_type, {*config.columns, *config.constants})
    if missing:
        yield Problem(("fact",), f"no row can become a fact: {config.fact} needs {', '.join(missing)}", "Add them to columns or constants.")  # fmt: skip


def missing_fields(fact_type: type[events.Event], given: set[str]) -> list[str]:
    """The fields that a type of fact needs and that neither a mapping gives nor every adapter does."""
    by_itself = {"id", "source", "event_time"}
    return [one.name for one in msgspec.structs.fields(fact_type) if one.required and one.name not in given | by_itself]


def _fact_type(name: str) -> type[events.Event] | None:
    return events.TYPES.get(name) or events.TYPES.get(f"{name}.v1")


# --------------------------------------------------------------------------- reading


def count_lines(path: Path) -> int:
    """About how many rows a file has, for a progress bar."""
    with path.open("rb") as file:
        return sum(chunk.count(b"\n") for chunk in iter(lambda: file.read(1 << 20), b""))


def read(path: Path, config: Config) -> Iterator[Message]:
    """The rows of a file, each with its line number and the file's header as context.

    Raises `AsBuiltError` if the file cannot be opened or lacks a column of the mapping.
    """
    try:
        binary = gzip.open(path) if path.suffix == ".gz" else path.open("rb")  # noqa: SIM115 (closed by the wrapper)
    except OSError as error:
        raise AsBuiltError(
            f"cannot read it: {error.strerror}", where=str(path), remedy="Check the name and rights."
        ) from None
    with io.TextIOWrapper(binary, encoding=config.encoding, errors="surrogateescape", newline="") as file:
        try:
            rows = _rows(file, config.separator)
            first = next(rows, None)
            if first is None:
                raise AsBuiltError(
                    "the file is empty", where=str(path), remedy="It must begin with a line of column names."
                )
            header = first[1].rstrip("\r\n")
            _refuse_missing_columns(header, config, path)
            for line, text in rows:
                if text.strip():
                    yield Message(
                        text.rstrip("\r\n").encode(config.encoding.removesuffix("-sig"), "surrogateescape"),
                        line,
                        header,
                    )
        except (UnicodeError, EOFError, OSError, zlib.error) as error:
            raise AsBuiltError(
                f"reading stopped: {error}",
                where=str(path),
                remedy='What came before is recorded. Check `encoding = "…"` and that the file is whole; import it again.',
            ) from None


def _rows(file: io.TextIOWrapper, separator: str) -> Iterator[tuple[int, str]]:
    """Rows with the line they begin at; quoted cells may hold line breaks.

    A quote that is never closed must not swallow its neighbours: if the lines up to the next quote,
    `MAX_LINES_PER_ROW` lines or `MAX_LINE_CHARS` characters do not make a row as wide as the
    header, the first line stands alone (and will be rejected) and the others are read anew.
    """
    lines = _lines(file)
    again: list[tuple[int, str]] = []
    row: list[tuple[int, str]] = []
    width = None
    while True:
        line = again.pop() if again else next(lines, None)
        if line is not None:
            row.append(line)
        if not row:
            return
        text = "".join(part for _, part in row)
        cells = _cells(text, separator) if '"' in text or width is None else width
        if cells == _OPEN and line is not None and len(row) < MAX_LINES_PER_ROW and len(text) <= MAX_LINE_CHARS:
            continue
        if len(row) > 1 and width is not None and cells != width:
            text = row[0][1]
            again.extend(reversed(row[1:]))
        if width is None:
            width = cells
        yield row[0][0], text
        row = []


_OPEN = -1


def _cells(text: str, separator: str) -> int:
    """How many cells a row has; 0 if it is not one, `_OPEN` if a quoted cell does not end in it."""
    try:
        return len(_split(text, separator))
    except csv.Error as error:
        return _OPEN if "end of data" in str(error) else 0


def _lines(file: io.TextIOWrapper) -> Iterator[tuple[int, str]]:
    number = 0
    while text := file.readline(MAX_LINE_CHARS + 1):
        number += 1
        if len(text) > MAX_LINE_CHARS and not text.endswith("\n"):
            while (rest := file.readline(MAX_LINE_CHARS)) and not rest.endswith("\n"):
                pass
        yield number, text


def _refuse_missing_columns(header: str, config: Config, path: Path) -> None:
    if header.startswith("PK\x03\x04"):
        raise UsageError("the file is a workbook or another archive, not separated values", where=str(path), remedy="Save the sheet as CSV.")  # fmt: skip
    if "\0" in header or "\udcff" in header or "\udcfe" in header:
        raise AsBuiltError("the file is not in the encoding of the mapping", where=str(path), remedy='It looks like UTF-16: set encoding = "utf-16".')  # fmt: skip
    try:
        names = _split(header, config.separator)
    except csv.Error as error:
        raise UsageError(
            f"the line of column names cannot be read: {error}", where=f"{path}:1", remedy="Mend its quotes."
        ) from None
    missing = [name for name in _needed(config) if name not in names]
    doubled = [name for name in _needed(config) if names.count(name) > 1]
    if doubled:
        raise UsageError(
            f"the column {doubled[0]!r} is there twice", where=f"{path}:1", remedy="Give each column its own name."
        )
    if missing:
        raise UsageError(
            f"the file has no column {', '.join(repr(name) for name in missing)}",
            where=f"{path}:1",
            remedy=f"It has: {', '.join(names)}. Check the mapping and `separator`.",
        )


def _needed(config: Config) -> list[str]:
    return list(dict.fromkeys([*config.columns.values(), *config.id, *config.skip]))


def _split(text: str, separator: str) -> list[str]:
    return next(csv.reader([text], delimiter=separator, strict=True), [])


# --------------------------------------------------------------------------- translating


def translator(config: Config, name: str) -> Translate:
    """A pure function from a row to its fact, or to a rejection that says why not."""
    fact_type = _fact_type(config.fact)
    assert fact_type is not None
    read_time = _time_reader(config)
    numbers = _numbers(fact_type)
    times = frozenset(("event_time", "start_time", "end_time", "due", "until", "last_seen")) & set(
        fact_type.__struct_fields__
    )
    tag = fact_type.__struct_config__.tag

    @lru_cache(maxsize=8)
    def places(header: str) -> tuple[list[tuple[str, int]], list[int], list[tuple[int, frozenset[str]]], int]:
        names = _split(header, config.separator)
        columns = [(field, names.index(column)) for field, column in config.columns.items()]
        own = [names.index(column) for column in config.id] or list(range(len(names)))
        skipped = [(names.index(column), frozenset(values)) for column, values in config.skip.items()]
        return columns, own, skipped, len(names)

    def translate(message: Message) -> Iterator[Taken]:
        try:
            text = message.data.decode(config.encoding.removesuffix("-sig"))
            if len(text) > MAX_LINE_CHARS:
                raise ValueError(f"the row is longer than {MAX_LINE_CHARS:,} characters")
            columns, own, skipped, width = places(message.context)
            cells = _split(text, config.separator)
            if len(cells) != width:
                raise ValueError(f"the row has {len(cells)} cells, the header has {width}")
            if any(cells[at] in values for at, values in skipped):
                return
            fields: dict[str, Any] = {"type": tag, "source": name, **config.constants}
            for field, at in columns:
                value: Any = cells[at]
                mapped = config.values.get(field)
                if mapped is not None and (value in mapped or value):
                    if value not in mapped:
                        raise ValueError(f"{value!r} is not in values.{field}; it knows {', '.join(map(repr, mapped))}")
                    fields[field] = mapped[value]
                elif value != "":
                    fields[field] = (
                        read_time(value) if field in times else plain(value, config) if field in numbers else value
                    )
            if "event_time" not in fields:
                raise ValueError("the event_time is empty")
            fields["id"] = events.derived_id(fields["event_time"], name, *(cells[at] for at in own))
            yield events.convert(fields, fact_type, strict=False)
        except UnicodeDecodeError as error:
            yield Rejection(
                message.data, f"not {config.encoding} at byte {error.start}; set encoding in the mapping", message.line
            )
        except csv.Error as error:
            yield Rejection(message.data, f"the quotes of the row are not right: {error}", message.line)
        except (ValueError, OverflowError, msgspec.ValidationError) as error:
            yield Rejection(message.data, events.in_words(str(error)), message.line)

    return translate


_GROUPED = re.compile(r"[+-]?\d{1,3}(\.\d{3})*(,\d+)?|[+-]?\d+(,\d+)?|[+-]?,\d+")
_EITHER = re.compile(r"[+-]?[1-9]\d{0,2}(\.\d{3})+")


def _numbers(fact_type: type[events.Event]) -> frozenset[str]:
    """The fields of a type of fact that hold numbers."""
    hints = typing.get_type_hints(fact_type, include_extras=True)
    found = set()
    for field in fact_type.__struct_fields__:
        own = [part for part in typing.get_args(hints[field]) if part is not type(None)]
        kinds = (hints[field], *own, *(part for one in own for part in typing.get_args(one)))
        if int in kinds or events.Decimal in kinds:
            found.add(field)
    return frozenset(found)


def plain(text: str, config: Config) -> str:
    """A number as facts hold it. Raises `ValueError` where it can be read in two ways, and nobody said which."""
    number = text.strip()
    if config.decimal == ",":
        if not _GROUPED.fullmatch(number):
            raise ValueError(f"{text!r} is not a number with a decimal comma")
        return number.replace(".", "").replace(",", ".")
    if config.decimal is None and config.separator == ";" and _EITHER.fullmatch(number):
        raise ValueError(
            f'{text!r} is two numbers, with a point for thousands or for decimals: set decimal = "," or "."'
        )
    return number


def _time_reader(config: Config) -> Callable[[str], dt.datetime]:
    zone = ZoneInfo(config.zone) if config.zone else None

    @lru_cache(maxsize=4096)
    def read_time(text: str) -> dt.datetime:
        try:
            if config.time_format == "iso":
                time = dt.datetime.fromisoformat(text)
            else:
                time = dt.datetime.strptime(text, config.time_format)  # noqa: DTZ007 (the zone is the mapping's)
        except ValueError:
            raise ValueError(f"{text!r} is not a time of the form {config.time_format}") from None
        if time.tzinfo is not None:
            return time
        if zone is None:
            raise ValueError(f"{text!r} has no offset; say where the clock was with zone = …")
        return in_zone(time, zone, config.fold, config.gap)

    return read_time


def in_zone(wall: dt.datetime, zone: ZoneInfo, fold: str, gap: str) -> dt.datetime:
    """The instant of a wall-clock time in a zone, with the offset that held there and then.

    Raises `ValueError` for a time that never was (unless `gap` is "shift") or was twice (if
    `fold` is "reject").
    """
    earlier, later = (wall.replace(tzinfo=zone, fold=n) for n in (0, 1))
    if earlier.utcoffset() != later.utcoffset():
        exists = earlier.astimezone(dt.UTC).astimezone(zone).replace(tzinfo=None) == wall
        if not exists and gap == "reject":
            raise ValueError(f"{wall} never was in {zone.key}: clocks were set forward over it")
        if exists and fold == "reject":
            raise ValueError(f"{wall} was twice in {zone.key}: clocks were set back over it")
        chosen = later if exists and fold == "later" else earlier
    else:
        chosen = earlier
    offset = chosen.utcoffset()
    assert offset is not None
    instant = (chosen.replace(tzinfo=None) - offset).replace(tzinfo=dt.UTC)
    there = instant.astimezone(zone)
    return there.replace(tzinfo=dt.timezone(there.utcoffset() or dt.timedelta()), fold=0)
