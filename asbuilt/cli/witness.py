"""Witnesses of a log: what somebody outside does, and how the plant takes their signature in."""

from __future__ import annotations

import datetime as dt
import os
from pathlib import Path
from typing import Annotated

import typer

from asbuilt.cli.seal import log
from asbuilt.cli.shared import DEFAULT_DATA, Data, out
from asbuilt.errors import ProofError, UsageError

app = typer.Typer()
PLACE = 8


@log.command("cosign")
def cosign(
    checkpoint: Annotated[Path, typer.Argument(help="The plant's checkpoint (proof/checkpoint, or …/log/checkpoint).")],
    policy: Annotated[Path, typer.Option(help="The plant's policy file: the keys of its log.")],
    name: Annotated[str, typer.Option(help="Your name as a witness, best an address of yours without `https://`.")],
    keep: Annotated[Path, typer.Option(help="A folder of yours: your key, and the last checkpoint you signed.")],
    to: Annotated[Path, typer.Option("-o", help="Where to write the checkpoint with your signature, for the plant.")],
    consistency: Annotated[
        Path | None, typer.Option(help="The plant's proof that its log grew from the last one.")
    ] = None,
) -> None:
    """As a witness, sign that a log you watch only grew. You need no data folder, and learn nothing but the log's age.

    Example: `asbuilt log cosign checkpoint --policy works.policy --name witness.example/w --keep ~/witness -o cosigned`
    """
    from asbuilt.proof import checkpoint as checkpoint_
    from asbuilt.proof import consistency as consistency_
    from asbuilt.proof import note, witness
    from asbuilt.proof import policy as policy_
    from asbuilt.proof.note import COSIGNED_ED25519
    from asbuilt.seal.keyring import Keyring

    keep.mkdir(mode=0o700, parents=True, exist_ok=True)
    ring = Keyring(keep)
    held = [signer for key, signer in ring.signers().items() if key.name == name and key.kind == COSIGNED_ED25519]
    if not held:
        ring.make("witness", name, COSIGNED_ED25519, os.urandom)
        held = list(ring.signers().values())
    last_file = keep / "last-checkpoint"
    last = checkpoint_.parse(note.parse(last_file.read_bytes()).text) if last_file.exists() else None
    signed = witness.cosigned(
        _bytes_of(checkpoint), policy_.parse(_bytes_of(policy)), last,
        consistency_.parse(_bytes_of(consistency)) if consistency else None, held[-1],
        int(dt.datetime.now(dt.UTC).timestamp()),
    )  # fmt: skip
    # Remembered before it leaves: a witness who forgets could sign two histories.
    draft = last_file.with_suffix(".new")
    draft.write_bytes(signed)
    draft.replace(last_file)
    to.write_bytes(signed)
    said = checkpoint_.parse(note.parse(signed).text)
    out.print(
        f"Signed: {said.origin}, {said.size:,} entries. For policies: witness {name.split('/')[-1]} {held[-1].key.vkey}",
        markup=False,
    )


@log.command("witnessed")
def witnessed(
    signed: Annotated[
        Path, typer.Argument(metavar="FILE", help="A checkpoint of this log with a witness's signature.")
    ],
    data: Data = DEFAULT_DATA,
) -> None:
    """Take in a checkpoint that a witness has signed; `asbuilt passport --witnessed` makes files against it.

    Example: `asbuilt log witnessed cosigned`
    """
    from asbuilt.proof import checkpoint as checkpoint_
    from asbuilt.proof import keys, merkle, note, witness
    from asbuilt.proof.consistency import Consistency, compare
    from asbuilt.seal.logfiles import LogFiles
    from asbuilt.seal.store import SealStore

    files = LogFiles(data / "proof")
    now = files.checkpoint()
    if now is None:
        raise UsageError("there is no log here", where=str(files.folder), remedy="Name the data folder with --data.")
    store = SealStore(data / "seal.db", read_only=True)
    try:
        manifest = keys.parse_manifest(store.setting("manifest") or b"")
    finally:
        store.close()
    brought = _bytes_of(signed)
    found = note.parse(brought)
    said = checkpoint_.parse(found.text)
    note.verified(found, manifest.of(keys.CHECKPOINT))
    if said.size > now[1].size:
        raise ProofError("stale_checkpoint", f"it has {said.size:,} entries, the log here only {now[1].size:,}", remedy="The log here is an old copy.")  # fmt: skip
    path = merkle.consistency_path(said.size, now[1].size, files.tree(now[1].size).node)
    compare(said, now[1], Consistency(said.origin, said.size, now[1].size, tuple(path)))
    known = files.checkpoint("witnessed")
    if known is not None and known[1] == said:
        brought = witness.merged(known[0], brought)
    files.write([("witnessed", brought)])
    names = ", ".join(dict.fromkeys(one.name for one in found.signatures if one.name != said.origin)) or "nobody else"
    out.print(f"The checkpoint of {said.size:,} entries is signed by {names}.", markup=False)


def _bytes_of(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        raise UsageError(f"cannot read it: {error.strerror}", where=str(file), remedy="Check the name.") from None
