"""Files of proof out: passports of units, claims about counts."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from asbuilt.cli.shared import DEFAULT_DATA, Data, asked, err, opened_on, out
from asbuilt.errors import RecordBusy, UsageError

if TYPE_CHECKING:
    from asbuilt.app import AsBuilt
    from asbuilt.seal.issue import Issued, Issuer
    from asbuilt.seal.sealer import Sealer

app = typer.Typer()
PANEL = "Proof"
PLACE = 6
_claim = typer.Typer(
    no_args_is_help=True,
    help="“Exactly N” and “at least N” of a period: register it, hand it out.\n\nExample: `asbuilt claim register completed/BX172/2026-Q4`",
)
app.add_typer(_claim, name="claim", rich_help_panel=PANEL)

Recipient = Annotated[str, typer.Option(help="Whom it is for; it is named in the file and recorded.")]
Purpose = Annotated[str, typer.Option(help="What it is for.")]
To = Annotated[
    Path,
    typer.Option(
        "-o", metavar="FILE", help="Where to write it; a name ending in .html gives a page that verifies itself."
    ),
]
Expires = Annotated[
    dt.datetime | None,
    typer.Option(formats=["%Y-%m-%d"], help="Until the end of this day (UTC); without it, for ever."),
]


@app.command(rich_help_panel=PANEL)
def passport(
    serial: Annotated[str, typer.Argument(help="The unit's serial.")],
    recipient: Recipient,
    purpose: Purpose,
    to: To,
    fields: Annotated[str, typer.Option(metavar="PROFILE", help="public, customer, authority or full.")] = "customer",
    product: Annotated[str | None, typer.Option(help="Its product, where the serial alone is not enough.")] = None,
    expires: Expires = None,
    curves: Annotated[bool, typer.Option("--curves", help="Bring the curve files along.")] = False,
    witnessed: Annotated[
        bool, typer.Option("--witnessed", help="Make it against the last checkpoint that a witness signed.")
    ] = False,
    data: Data = DEFAULT_DATA,
) -> None:
    """Make a unit's passport for one recipient, and record that it was made.

    Example: `asbuilt passport BX172-01824 --recipient "Inspectorate 7" --purpose "incoming inspection" -o BX172-01824.passport`
    """
    from asbuilt.seal.issue import Told
    from asbuilt.seal.profiles import profile

    chosen = profile(fields)
    with _opened(data, "passport") as opened:
        unit = find_unit(opened, serial, product)
        issuer = _issuer(opened, witnessed)
        try:
            issued = issuer.passport(unit, Told(recipient, purpose, _end_of(expires)), chosen, curves=curves)
        finally:
            issuer.close()
        _hand_out(opened, issued, to)
    out.print(
        f"{issued.fact.disclosure}: {unit.removeprefix('unit:')} for {recipient} ({chosen.words}), written to {to}.",
        markup=False,
    )
    if issued.unsealed:
        err.print(f"{issued.unsealed} facts about it wait for their block and are not in the file.")


def find_unit(opened: AsBuilt, serial: str, product: str | None) -> str:
    """The key of the unit with this serial. Raises `UsageError` if there is none, or more than one."""
    from asbuilt import events

    products = [product] if product else list(opened.plant.products)
    found = [key for name in products if opened.record.count(key := events.unit_key(name, serial))]
    if len(found) != 1:
        raise UsageError(
            f"no unit has the serial {serial}" if not found else f"{len(found)} products have a unit {serial}",
            remedy="Name the product with --product."
            if found or not product
            else "`asbuilt facts` lists what is recorded.",
        )
    return found[0]


@_claim.command("register")
def register(
    lane: Annotated[str, typer.Argument(metavar="LANE", help="What, of which product, when: completed/BX172/2026-Q4.")],
    data: Data = DEFAULT_DATA,
) -> None:
    """Announce that a period will be counted, best before it begins. It is closed by itself at its end, once.

    Counted are completed, shipped or run_in_passed units of a product in a year, quarter (2026-Q4), month (2026-11) or
    day (2026-11-23), in UTC.

    Example: `asbuilt claim register completed/BX172/2026-Q4 --data plant`
    """
    from asbuilt import events
    from asbuilt.events import LaneRegistered
    from asbuilt.proof import lane as lane_
    from asbuilt.seal.sealer import founding

    road = lane_.parse(lane)
    with _opened(data, "claim") as opened:
        made = _sealer(opened)
        try:
            begun = founding(made.store)
            block, _ = lane_.place(lane, begun)
            if block <= made.closed:
                raise UsageError(f"the period {road.period} is over", remedy="Register a lane before its period ends.")
        finally:
            made.stop()
        now = opened.now()
        opened.take_in([LaneRegistered(id=events.new_id(now, opened.random), event_time=now, source="cli", lane=lane)])
    out.print(
        f"Registered. {lane} will be closed in block {block}, {begun.closes(block):%Y-%m-%d %H:%M} UTC.", markup=False
    )


@_claim.command("list")
def list_(data: Data = DEFAULT_DATA) -> None:
    """The lanes that were registered, and their numbers where they are closed.

    Example: `asbuilt claim list --data plant`
    """
    from asbuilt.seal.store import SealStore

    with asked(data, "claim list") as opened:
        assert opened.folder is not None
        store = SealStore(opened.folder.seals, read_only=True)
        try:
            for lane in store.lanes():
                told = f"closed with {len(lane.counted):,}" if lane.body else f"closes in block {lane.block:,}"
                out.print(f"{lane.name}  {told}", markup=False)
        finally:
            store.close()


@_claim.command("make")
def make(
    lane: Annotated[
        str, typer.Argument(metavar="LANE", help="A lane that is closed; `asbuilt claim list` lists them.")
    ],
    recipient: Recipient,
    purpose: Purpose,
    to: To,
    at_least: Annotated[
        int | None, typer.Option(metavar="N", help="Show only that it is not fewer; the number stays hidden.", min=0)
    ] = None,
    opening: Annotated[
        str,
        typer.Option("--open", metavar="I,J,…", help="Show these of the counted, from 0; best drawn by the reader."),
    ] = "",
    expires: Expires = None,
    data: Data = DEFAULT_DATA,
) -> None:
    """Make the claim that a lane holds exactly its number, or at least N, and record that it was made.

    Example: `asbuilt claim make completed/BX172/2026-Q4 --at-least 8000 --recipient press --purpose "annual report" -o q4.claim`
    """
    from asbuilt.seal.issue import Told

    with _opened(data, "claim") as opened:
        issuer = _issuer(opened)
        try:
            issued = issuer.claim(
                lane, Told(recipient, purpose, _end_of(expires)), at_least=at_least, opening=_numbers(opening)
            )  # fmt: skip
        finally:
            issuer.close()
        _hand_out(opened, issued, to)
    out.print(f"{issued.fact.disclosure}: {lane} for {recipient}, written to {to}.", markup=False)


# --------------------------------------------------------------------------- shared


@contextmanager
def _opened(data: Path, purpose: str) -> Iterator[AsBuilt]:
    """The product on a folder, with the blocks closed that are due. What is handed out is recorded, so it must write."""
    try:
        with opened_on(data, purpose) as opened:
            yield opened
    except RecordBusy as error:
        error.remedy = "While it runs, hand files out on its page /disclosures; or stop it first."
        raise


def _sealer(opened: AsBuilt) -> Sealer:
    from asbuilt.seal.sealer import Sealer

    assert opened.folder is not None
    if not opened.folder.seals.exists():
        raise UsageError(
            "nothing is sealed here yet", remedy="Begin the log with `asbuilt seal begin`, or `asbuilt run`."
        )
    made = Sealer(opened.folder, opened.record, opened.now, opened.random)
    while made.catch_up():
        pass
    return made


def _issuer(opened: AsBuilt, witnessed: bool = False) -> Issuer:
    from asbuilt.seal.issue import Issuer

    _sealer(opened).stop()
    assert opened.folder is not None
    return Issuer(opened.folder, opened.record, opened.now(), opened.random, witnessed=witnessed)


def _hand_out(opened: AsBuilt, issued: Issued, to: Path) -> None:
    """Record first, then write: what left the house is always on record."""
    (result,) = opened.take_in([issued.fact])
    if result.status != "accepted":
        raise UsageError(
            f"it could not be recorded, so it is not handed out: {result.reason}", remedy="Use shorter words."
        )
    content = issued.file
    if to.suffix == ".html":
        from asbuilt.verify import Known
        from asbuilt.web.proving import self_verifying

        content = self_verifying(
            content, f"Passport {issued.fact.serial}" if issued.fact.serial else "Claim", Known(now=opened.now())
        )
    try:
        to.write_bytes(content)
    except OSError as error:
        raise UsageError(
            f"it cannot be written: {error.strerror}", where=str(to), remedy="Choose another place with -o."
        ) from None


def _end_of(day: dt.datetime | None) -> dt.datetime | None:
    return day.replace(hour=23, minute=59, second=59, tzinfo=dt.UTC) if day else None


def _numbers(text: str) -> list[int]:
    try:
        return [int(part) for part in text.split(",") if part.strip()]
    except ValueError:
        raise UsageError(f"{text!r} is not a list of numbers", remedy="Give it as 3,17,99.") from None
