"""Reports: what a shift hands over, on the screen or as a PDF."""

from __future__ import annotations

import datetime as dt
import sys
from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer
from rich.text import Text

from asbuilt.cli.shared import DEFAULT_DATA, Data, asked, err, out
from asbuilt.errors import UsageError

app = typer.Typer()
PANEL = "Answers out"
PLACE = 4

report = typer.Typer(help="Reports: `asbuilt report shift`.", no_args_is_help=True, rich_markup_mode="markdown")
app.add_typer(report, name="report", rich_help_panel=PANEL)


@report.callback()
def _reports() -> None:
    """Reports, on the screen or as a PDF."""


@report.command()
def shift(
    which: Annotated[
        str | None, typer.Argument(metavar="DAY/SHIFT", help="Such as 2025-11-18/B; the latest one if not named.")
    ] = None,
    line: Annotated[str | None, typer.Option(help="The line; needed if there are several.")] = None,
    pdf: Annotated[Path | None, typer.Option(metavar="FILE", help="Write two A4 sides here.")] = None,
    json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    data: Data = DEFAULT_DATA,
) -> None:
    """What a shift hands over: output by the hour, losses, stops, what is open, who signed.

    Example: `asbuilt report shift 2025-11-18/B --pdf shift.pdf`
    """
    with asked(data, "report shift") as opened:
        lines = [one for one in opened.plant.lines.values() if opened.plant.has_shifts(one)]
        if line is None and len(lines) != 1:
            known = ", ".join(opened.plant.address(one) for one in lines) or "none with shifts yet"
            raise UsageError("name the line", remedy=f"Give --line; the plant has: {known}.")
        asked_for: dict[str, Any] = {"line": line or lines[0].path, **_day_and_shift(which)}
        found = opened.query("shift.report", **asked_for)
        plant = opened.plant.name
    if pdf is not None:
        from asbuilt.exchange.shift_pdf import shift_pdf

        pdf.write_bytes(shift_pdf(found, plant))
        err.print(Text(f"Shift {found.shift.id} of {found.shift.day} is in {pdf}."))
    elif json:
        from asbuilt.access.parameters import as_json

        sys.stdout.buffer.write(msgspec.json.format(as_json(found), indent=2) + b"\n")
    else:
        _tell(found)


def _day_and_shift(which: str | None) -> dict[str, Any]:
    if which is None:
        return {}
    day, _, name = which.partition("/")
    try:
        return {"day": dt.date.fromisoformat(day), "shift": name} if name else {"day": dt.date.fromisoformat(day)}
    except ValueError:
        raise UsageError(f"`{which}` is not DAY/SHIFT", remedy="Write it as 2025-11-18/B.") from None


def _tell(found: Any) -> None:
    window = found.shift
    out.print(Text(f"{found.name}, shift {window.id} of {window.day}, {window.start:%H:%M} – {window.end:%H:%M}"))
    out.print(Text(found.headline, "bold"))
    for hour in found.hours:
        made = "" if hour.made is None else str(hour.made)
        plan = "" if hour.planned is None else str(hour.planned)
        out.print(
            Text(f"  {hour.start:%H:%M} – {hour.end:%H:%M}  plan {plan:>4}  made {made:>4}  {hour.reason}".rstrip())
        )
    for stop in found.stops[:10]:
        out.print(Text(f"  {stop.start:%H:%M:%S}  {stop.length_s / 60:6.1f} min  {stop.name}: {stop.title}"))
    for one in found.signed:
        out.print(Text(f"Handed over by {one.by} at {one.time:%H:%M}."))
