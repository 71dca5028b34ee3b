"""The sealed log: how far it is, its audit, proofs of consistency, keys."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.text import Text

from asbuilt.cli.shared import DEFAULT_DATA, Data, err, opened_on, out, progress_bar
from asbuilt.errors import UsageError

if TYPE_CHECKING:
    from asbuilt.app import AsBuilt
    from asbuilt.folder import DataFolder
    from asbuilt.record import Record
    from asbuilt.seal.sealer import Sealer

app = typer.Typer()
PANEL = "Proof"
PLACE = 5
_seal = typer.Typer(
    no_args_is_help=True,
    help="Seal what is recorded; see how far it is sealed.\n\nExample: `asbuilt seal status --data /srv/asbuilt`",
)
log = typer.Typer(
    no_args_is_help=True,
    help="Check the sealed log, and show that it only ever grew.\n\nExample: `asbuilt log audit --data /srv/asbuilt`",
)
app.add_typer(_seal, name="seal", rich_help_panel=PANEL)
app.add_typer(log, name="log", rich_help_panel=PANEL)


@_seal.command("begin")
def begin(
    origin: Annotated[
        str | None, typer.Option(help="The log's name, for ever; best an address of yours without `https://`.")
    ] = None,
    every: Annotated[int, typer.Option(help="Seconds between blocks, for ever.", min=1, max=86_400)] = 60,
    slots: Annotated[int, typer.Option(help="Places of a block, for ever; a power of two.", min=2, max=65_536)] = 4096,
    backlog: Annotated[
        int, typer.Option(help="Blocks closed at once for what is recorded already.", min=0, max=100_000)
    ] = 0,
    data: Data = DEFAULT_DATA,
) -> None:
    """Begin the log of a data folder with other settings than `asbuilt run` would choose.

    Example: `asbuilt seal begin --origin proof.example.com/works --backlog 32`. The number of backlog blocks is public
    and tells roughly how much had been recorded; without them the backlog waits for the blocks of the coming minutes.
    """
    from asbuilt.seal import sealer

    if slots & (slots - 1):
        raise UsageError(f"{slots} is not a power of two", remedy="Give for example 1024, 4096 or 16384.")
    with opened_on(data, "seal begin") as opened:
        assert opened.folder is not None
        if opened.folder.seals.exists():
            raise UsageError("this folder has a log", where=str(data), remedy="What a log was begun with stays.")
        sealer.begin(
            opened.folder, opened.now(), opened.random, origin=origin or f"asbuilt/{opened.plant.id}", cadence_s=every,
            slots=slots, backlog=backlog,
        )  # fmt: skip
        if backlog:
            # The log begins at the next full second, and the blocks of the backlog are closed then.
            time.sleep(1.0)
        made = _catch_up(opened)
        out.print(
            f"The log {made.founding.origin} has begun. Its root key lies in {opened.folder.keys}: take it away from"
        )
        out.print(
            f"this machine (proof-root-{made.manifest.root.id.hex()}.key) and keep it safe; it is needed to change keys."
        )
        made.stop()


@_seal.command("now")
def now(
    long: Annotated[bool, typer.Option("--long", help="The clock is right, however many blocks are due.")] = False,
    data: Data = DEFAULT_DATA,
) -> None:
    """Close the blocks that are due, without `asbuilt run`.

    Example: `asbuilt seal now --data plant`
    """
    with opened_on(data, "seal now") as opened:
        made = _catch_up(opened, long)
        out.print(f"{made.closed:,} blocks are closed; {made.waiting:,} facts wait for the next one.")
        made.stop()


@contextmanager
def _record(data: Path) -> Iterator[tuple[DataFolder, Record]]:
    """A folder's record alone, beside whoever works on it: what is asked here needs no views."""
    from asbuilt.app import system_clock
    from asbuilt.folder import DataFolder
    from asbuilt.record.sqlite import Log

    folder = DataFolder(data)
    record = Log(folder.record, system_clock, read_only=True)
    try:
        yield folder, record
    finally:
        record.close()


def _catch_up(opened: AsBuilt, long: bool = False) -> Sealer:
    from asbuilt.seal.sealer import Sealer

    assert opened.folder is not None
    made = Sealer(opened.folder, opened.record, opened.now, opened.random)
    made.trusts_clock = long
    with progress_bar("Closing blocks") as (progress, task):
        progress.update(task, total=made.due())
        while closed := made.catch_up():
            progress.advance(task, closed)
    return made


@_seal.command("status")
def status(data: Data = DEFAULT_DATA) -> None:
    """How far the record is sealed, with which keys, and the checkpoint that is out.

    Example: `asbuilt seal status --data plant`
    """
    from asbuilt.app import system_clock
    from asbuilt.proof import keys as keys_
    from asbuilt.seal.keyring import Keyring
    from asbuilt.seal.logfiles import LogFiles
    from asbuilt.seal.sealer import founding
    from asbuilt.seal.store import SealStore

    with _record(data) as (folder, record):
        store = SealStore(folder.seals, read_only=True)
        try:
            begun, last = founding(store), store.last()
            signed = store.setting("manifest")
        finally:
            store.close()
        assert signed is not None
        manifest = keys_.parse_manifest(signed)
        closed, sealed = (last.number, last.last_position) if last else (0, 0)
        due = begun.due(system_clock())
        said = LogFiles(folder.proof).checkpoint()
        out.print(
            f"{begun.origin}, begun {begun.start:%Y-%m-%d %H:%M} UTC: a block of {begun.slots:,} every {begun.cadence_s} s"
        )
        out.print(f"sealed: {sealed:,} of {record.head():,} facts, in {closed:,} blocks" + (f"; {due - closed:,} blocks are due" if due > closed else ""))  # fmt: skip
        out.print(f"out: a checkpoint of {said[1].size:,} entries" if said else "out: no checkpoint yet")
        for use, key in manifest.keys:
            out.print(Text(f"{use} key: {key.spelled}  (kind {key.kind})"))
        here = Keyring(folder.keys).signers()
        if manifest.root in here:
            err.print(Text(f"The root key is on this machine: take proof-root-{manifest.root.id.hex()}.key away."))


@_seal.command("policy")
def policy(data: Data = DEFAULT_DATA) -> None:
    """Print the policy file by which others trust this log; tell them its keys another way as well.

    Example: `asbuilt seal policy > works.policy`
    """
    from asbuilt.proof import keys as keys_
    from asbuilt.seal.store import SealStore

    store = SealStore(data / "seal.db", read_only=True)
    try:
        signed = store.setting("manifest")
    finally:
        store.close()
    assert signed is not None
    manifest = keys_.parse_manifest(signed)
    lines = [f"# {manifest.origin}, manifest of keys {manifest.number}"]
    for key in manifest.of(keys_.CHECKPOINT):
        lines += [f"# {key.spelled}", f"log {key.vkey}"]
    sys.stdout.write("\n".join([*lines, "quorum none"]) + "\n")


@_seal.command("rotate")
def rotate(
    finish: Annotated[
        bool, typer.Option("--finish", help="Let go of the old keys: only the new ones sign from now on.")
    ] = False,
    data: Data = DEFAULT_DATA,
) -> None:
    """Make new keys beside those in use; later, with --finish, let go of the old ones. Needs the root key.

    Example: `asbuilt seal rotate`, tell everybody the new policy, and after a while `asbuilt seal rotate --finish`
    """
    with opened_on(data, "seal rotate") as opened:
        made = _catch_up(opened)
        ring = made.keyring
        made.use_keys(ring.finished(made.manifest) if finish else ring.rotated(made.manifest, opened.random))
        out.print(f"Manifest {made.manifest.number} is in force from block {made.closed + 1}.")
        made.stop()


# --------------------------------------------------------------------------- the log


@log.command("audit")
def audit(data: Data = DEFAULT_DATA) -> None:
    """Make everything that was sealed again from the record and compare it with the log. Nothing is repaired.

    Example: `asbuilt log audit --data plant`
    """
    from asbuilt.seal.audit import audit as run

    problems = 0
    with _record(data) as (folder, record), progress_bar("Recomputing blocks") as (progress, task):
        for finding in run(folder, record, lambda done, total: progress.update(task, completed=done, total=total)):
            problems += finding.bad
            (err if finding.bad else out).print(Text(("✗ " if finding.bad else "✓ ") + finding.what))
            if finding.remedy:
                err.print(Text(f"  → {finding.remedy}"))
    if problems:
        raise typer.Exit(3)


@log.command("consistency")
def consistency(
    old: Annotated[Path, typer.Argument(metavar="OLD_CHECKPOINT", help="A checkpoint that somebody kept.")],
    to: Annotated[
        Path | None, typer.Option("-o", help="Write the proof here, for whoever kept the checkpoint.")
    ] = None,
    data: Data = DEFAULT_DATA,
) -> None:
    """Show that the log still begins as it did when an old checkpoint was signed; exit 1 if it does not.

    Example: `asbuilt log consistency kept/checkpoint -o since.consistency`. Give it with `asbuilt verify --consistency`.
    """
    from asbuilt.errors import ProofError
    from asbuilt.proof import checkpoint, merkle, note
    from asbuilt.proof.consistency import Consistency, compare
    from asbuilt.seal.logfiles import LogFiles

    files = LogFiles(data / "proof")
    said = files.checkpoint()
    if said is None:
        raise UsageError("there is no log here", where=str(files.folder), remedy="Name the data folder with --data.")
    kept = checkpoint.parse(note.parse(_bytes_of(old)).text)
    if kept.size > said[1].size:
        raise ProofError(
            "stale_checkpoint",
            f"the checkpoint that was kept has {kept.size:,} entries, the log only {said[1].size:,}",
            remedy="The log here is an old copy, or was forked.",
        )
    path = merkle.consistency_path(kept.size, said[1].size, files.tree(said[1].size).node)
    proof = Consistency(said[1].origin, kept.size, said[1].size, tuple(path))
    compare(kept, said[1], proof)
    if to is not None:
        to.write_text(proof.text())
    out.print(f"The log of {said[1].size:,} entries begins with the {kept.size:,} that were seen before.")


@log.command("proof")
def proof(
    number: Annotated[int, typer.Argument(metavar="BLOCK", help="The number of a closed block.", min=0)],
    to: Annotated[
        Path, typer.Option("-o", help="Where to write the proof; the block's record goes beside it, named .entry.")
    ],
    data: Data = DEFAULT_DATA,
) -> None:
    """Write a block's record and a C2SP tlog-proof that it is in the log, for readers of such proofs.

    Example: `asbuilt log proof 17 -o block-17.tlog-proof`
    """
    from asbuilt.proof import merkle
    from asbuilt.proof.tlogproof import TlogProof
    from asbuilt.seal.logfiles import LogFiles

    files = LogFiles(data / "proof")
    said = files.checkpoint()
    if said is None or number >= said[1].size:
        raise UsageError(f"there is no block {number} in the log", where=str(files.folder), remedy="`asbuilt seal status` tells how many there are.")  # fmt: skip
    tree = files.tree(said[1].size)
    path = merkle.inclusion_path(number, said[1].size, tree.node)
    to.write_text(TlogProof(number, tuple(path), said[0].decode()).text())
    to.with_name(f"{to.name}.entry").write_bytes(tree.entry(number))
    out.print(f"Block {number} is in the log of {said[1].size:,} entries; proof and record are written.")


def _bytes_of(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        raise UsageError(f"cannot read it: {error.strerror}", where=str(file), remedy="Check the name.") from None
