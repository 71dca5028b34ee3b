"""Answers out: queries, facts, digest."""

from __future__ import annotations

import datetime as dt
import re
import sys
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
import typer
from rich.text import Text

from asbuilt.cli.shared import (
    DEFAULT_DATA,
    Data,
    asked,
    err,
    out,
    progress_bar,
)
from asbuilt.errors import UsageError

if TYPE_CHECKING:
    from asbuilt.app import AsBuilt

app = typer.Typer()
PANEL = "Answers out"
PLACE = 3


@app.command(rich_help_panel=PANEL)
def query(
    name: Annotated[str, typer.Argument(metavar="VIEW.NAME", help="The query; `asbuilt parts` lists them.")],
    parameters: Annotated[list[str] | None, typer.Argument(metavar="KEY=VALUE…", help="Its parameters.")] = None,
    json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    csv: Annotated[bool, typer.Option("--csv", help="Print CSV.")] = False,
    data: Data = DEFAULT_DATA,
) -> None:
    """Ask a view. These are the questions the pages ask.

    Examples: `asbuilt query order.totals`, `asbuilt query line.states line=1 at=2025-11-18T17:26 --json`
    """
    with asked(data, f"query {name}") as opened:
        from asbuilt import views
        from asbuilt.access.parameters import as_csv, as_json, parameter

        known = views.find_query(opened.queries, name)
        given: dict[str, Any] = {}
        for text in parameters or ():
            key, equals, value = text.partition("=")
            if not equals:
                raise UsageError(
                    f"`{text}` is not key=value", remedy=f"{name} takes: {', '.join(known.parameters) or 'nothing'}."
                )
            if key not in known.parameters:
                raise UsageError(
                    f"{name} has no parameter `{key}`", remedy=f"It takes: {', '.join(known.parameters) or 'nothing'}."
                )
            given[key] = parameter(known.parameters[key], value, opened.plant.zone)
        answer = opened.query(name, **given)
    if json:
        sys.stdout.buffer.write(msgspec.json.format(as_json(answer), indent=2) + b"\n")
    elif csv:
        sys.stdout.write(as_csv(answer, known.function))
    else:
        print_answer(answer)


def print_answer(answer: Any) -> None:
    """Print an answer for people: a table where it fits, else one value a line."""
    from asbuilt.access.parameters import rows_of

    rows = [{key: _shortened(_readable(value), 160) for key, value in row.items()} for row in rows_of(answer)]
    if not rows:
        err.print("Nothing.")
        return
    widths = {key: max(len(key), *(len(row[key]) for row in rows)) for key in rows[0]}
    if isinstance(answer, list) and (not out.is_terminal or sum(widths.values()) + 2 * len(widths) <= out.width):
        numeric = {key for key in widths if all(_is_number(row[key]) for row in rows)}
        for row in ({key: key.replace("_", " ") for key in widths}, *rows):
            cells = (
                row[key].rjust(width) if key in numeric else row[key].ljust(width) for key, width in widths.items()
            )
            out.print(Text("  ".join(cells).rstrip()))
        return
    # Too wide for a line: one below the other.
    for number, row in enumerate(rows):
        if number:
            out.print()
        for key, text in row.items():
            out.print(Text(f"{key.replace('_', ' '):>{max(map(len, widths))}}  {text}"))


def _readable(value: Any) -> str:
    if isinstance(value, float):
        # Four decimals are more than people compare; --json and --csv have them all.
        return str(round(value, 4))
    from asbuilt.access.parameters import cell

    text = cell(value)
    if isinstance(value, str) and _TIME.match(text):
        return text[:19].replace("T", " ")
    return text


_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?([+-]\d\d:\d\d|Z)$")


def _is_number(text: str) -> bool:
    return not text or text.replace(".", "", 1).removeprefix("-").isdigit()


def _shortened(text: str, length: int) -> str:
    return text if len(text) <= length else f"{text[: length - 1]}…"


@app.command(rich_help_panel=PANEL)
def facts(
    subject: Annotated[
        str | None, typer.Option(metavar="KIND:ID", help="Only facts about this, such as order:2418 or unit:P/S.")
    ] = None,
    type_: Annotated[
        str | None, typer.Option("--type", help="Only facts of this type, such as measured or measured.v1.")
    ] = None,
    after: Annotated[int, typer.Option(metavar="POSITION", help="Only facts recorded after this position.")] = 0,
    limit: Annotated[int | None, typer.Option(help="At most so many.", min=0)] = None,
    data: Data = DEFAULT_DATA,
) -> None:
    """Print recorded facts as they were said, one JSON object a line, with position and record_time.

    Example: `asbuilt facts --subject unit:BX172/BX172-01824 | jq .type`
    """
    from asbuilt import events

    wanted = f"{type_}.v1" if type_ and f"{type_}.v1" in events.TYPES else type_
    with asked(data, "facts") as opened:
        opened.sees_all("local", "Facts are printed as they were recorded")
        for recorded in islice(_recorded(opened, subject, wanted, after), limit):
            time = dt.datetime.fromtimestamp(recorded.record_time_us / 1_000_000, dt.UTC)
            head = msgspec.json.encode({"position": recorded.position, "record_time": time})
            sys.stdout.buffer.write(head[:-1] + b"," + recorded.body[1:] + b"\n")
        sys.stdout.flush()


def _recorded(opened: AsBuilt, subject: str | None, type_: str | None, after: int) -> Iterator[Any]:
    marker = f'"type":"{type_}"'.encode() if type_ else b""
    while True:
        if subject is not None:
            batch: Sequence[Any] = opened.record.about(subject, after)
        elif type_ is not None:
            batch = opened.record.about(f"type:{type_}", after)
        else:
            batch = opened.record.read(after)
        if not batch:
            return
        yield from (recorded for recorded in batch if marker in recorded.body)
        after = batch[-1].position


@app.command(rich_help_panel=PANEL)
def digest(data: Data = DEFAULT_DATA) -> None:
    """Print `record N SHA256` (facts in order of recording) and `views SHA256` (the same for the same facts in any order).

    Example: `asbuilt digest --data shop`
    """
    import hashlib

    with asked(data, "digest") as opened:
        if not opened.read_only:
            opened.pipeline.settle(3600)
        whole, count, after = hashlib.sha256(), 0, 0
        with progress_bar("Reading the record", opened.record.head()) as (progress, task):
            while batch := opened.record.read(after):
                for recorded in batch:
                    whole.update(len(recorded.body).to_bytes(4, "big") + recorded.body)
                count, after = count + len(batch), batch[-1].position
                progress.update(task, completed=count)
        out.print(f"record {count} {whole.hexdigest()}")
        out.print(f"views {opened.store.digest()}")
