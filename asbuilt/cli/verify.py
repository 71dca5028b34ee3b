"""The verifier on the command line. It loads no database and no web stack."""

from __future__ import annotations

import datetime as dt
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.text import Text

from asbuilt.cli.shared import err, out
from asbuilt.errors import UsageError

if TYPE_CHECKING:
    from asbuilt.verify import Report, Shown

app = typer.Typer()
PANEL = "Proof"
PLACE = 7
MAX_SMALL = 1_000_000

File = Annotated[Path, typer.Argument(metavar="FILE", help="A passport or claim; also the page that carries one.")]


@app.command(rich_help_panel=PANEL)
def verify(
    file: File,
    policy: Annotated[
        Path | None, typer.Option(metavar="POLICY", help="Whom to trust: a tlog-policy file with the log's keys.")
    ] = None,
    old_checkpoint: Annotated[
        Path | None, typer.Option(metavar="C", help="A checkpoint of the log that you kept.")
    ] = None,
    consistency: Annotated[
        Path | None, typer.Option(metavar="X", help="The plant's proof that the log grew from it.")
    ] = None,
    status: Annotated[Path | None, typer.Option(metavar="S", help="A newer status list of the plant.")] = None,
    recipient: Annotated[str | None, typer.Option(help="Whom the file must be for.")] = None,
    facts: Annotated[bool, typer.Option("--facts", help="List the facts that are shown.")] = False,
    json: Annotated[bool, typer.Option("--json", help="Answer in JSON.")] = False,
) -> None:
    """Check a passport or claim offline. Exit 0: proved under the policy; 1: something is wrong; 2: not decided.

    Example: `asbuilt verify BX172-01824.passport --policy works.policy`
    """
    from asbuilt import verify as verify_
    from asbuilt.proof import consistency as consistency_
    from asbuilt.proof import container
    from asbuilt.proof import policy as policy_

    kept = _bytes_of(old_checkpoint, MAX_SMALL) if old_checkpoint else None
    known = verify_.Known(
        now=dt.datetime.now(dt.UTC),
        policy=policy_.parse(_bytes_of(policy, MAX_SMALL)) if policy else None,
        old_checkpoint=kept,
        consistency=consistency_.parse(_bytes_of(consistency, MAX_SMALL)) if consistency else None,
        status=_bytes_of(status, MAX_SMALL).decode("utf-8", "replace").strip() if status else None,
        recipient=recipient,
    )
    report = verify_.verify(_bytes_of(file, container.MAX_FILE_BYTES), known)
    if json:
        import msgspec

        sys.stdout.buffer.write(
            msgspec.json.encode({**msgspec.structs.asdict(report), "exit_code": report.exit_code}) + b"\n"
        )
    else:
        tell(report, facts)
    raise typer.Exit(report.exit_code)


def tell(report: Report, facts: bool = False) -> None:
    """Say what a report says."""
    marks = {"proved": "✓", "failed": "✗", "not checked": "–"}
    for step in report.steps:
        (err if step.outcome == "failed" else out).print(
            Text(f"{step.number}. {marks[step.outcome]} {step.title}: {_plain(step.detail)}")
        )
    (out if report.ok else err).print(Text(f"\n{_plain(report.headline)}", style="bold"))
    if not report.ok:
        err.print(Text(f"reason: {report.reason}"))
    for title, lines in (
        ("Proved", report.proved), ("Asserted by the plant", report.asserted), ("Hidden", report.hidden),
        ("Not checked", report.not_checked), ("What this does not show", report.shows_not),
    ):  # fmt: skip
        if lines:
            out.print(Text(f"\n{title}", style="bold"))
            for line in lines:
                out.print(Text(f"  · {_plain(line)}"))
    if facts and report.ok:
        unit = ""
        for entry in report.entries:
            if entry.unit != unit:
                unit = entry.unit
                out.print(Text(f"\n{_plain(unit.removeprefix('unit:'))}", style="bold"))
            out.print(Text(f"  {_in_words(entry)}"))


def _in_words(entry: Shown) -> str:
    if entry.redacted:
        return f"{entry.number:>4}  redacted"
    members = dict(entry.members)
    kind, time = str(members.pop("type", "?")).rpartition(".")[0], str(members.pop("event_time", ""))
    for known in ("id", "product", "serial", "source"):
        members.pop(known, None)
    told = ", ".join(f"{name.replace('_', ' ')} {value}" for name, value in members.items())
    mark = f"  (corrected by {entry.corrected_by})" if entry.corrected_by else ""
    said = f"{kind.replace('_', ' ')}: {told}" if told else kind.replace("_", " ")
    return _plain(f"{entry.number:>4}  {time[:19]:<19}  {said}{mark}")


def _plain(text: str) -> str:
    """In one line: line breaks that a fact may hold must not look like lines of the report."""
    return text.replace("\r", "").replace("\n", " ⏎ ").replace("\t", " ")


def _bytes_of(file: Path, limit: int) -> bytes:
    """A file's content, one byte more than the limit at most, so that what is too large is told without being read."""
    try:
        with file.open("rb") as opened:
            return opened.read(limit + 1)
    except OSError as error:
        raise UsageError(f"cannot read it: {error.strerror}", where=str(file), remedy="Check the name.") from None
