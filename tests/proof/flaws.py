"""Files with one flaw each, and the reason a verifier must give; both verifiers are held against them.

Flaws that any reader could make are made as such a reader would. Flaws that only the plant could make are signed
anew with the plant's own statement key, so that nothing but the check that is meant can find them.
"""

from __future__ import annotations

import copy
import datetime as dt
import json
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from asbuilt import events
from asbuilt.events import DisclosureRevoked, LaneRegistered
from asbuilt.proof import container, leaf, note, statement
from asbuilt.proof import lane as lane_
from asbuilt.proof.encoding import b64url
from asbuilt.record import Entry
from asbuilt.seal.issue import Issued, Issuer, Told
from asbuilt.seal.profiles import profile
from tests.proof.works import EVENING, PRODUCT, Works

RECIPIENT = "Inspectorate 7"
LANE = lane_.name_of("completed", PRODUCT, "2026-11-23")
SERIAL = "01824"


class Given(NamedTuple):
    """What a reader brings to a verifier, as text and bytes."""

    now: dt.datetime
    policy: bytes | None = None
    old_checkpoint: bytes | None = None
    consistency: bytes | None = None
    status: str | None = None
    recipient: str | None = None


class Scene(NamedTuple):
    """A works with sealed engines, a passport and claims of it, and a checkpoint kept from earlier."""

    works: Works
    policy: bytes
    passport: bytes
    other: bytes
    exactly: bytes
    at_least: bytes
    opened: bytes
    kept: bytes
    fact: events.DisclosureIssued

    @property
    def given(self) -> Given:
        return Given(self.works.now, self.policy)


def issuer(works: Works) -> Issuer:
    return Issuer(works.folder, works.record, works.now, works._random.randbytes)


def passport(works: Works, serial: str = SERIAL, name: str = "customer", **told: Any) -> Issued:
    made = issuer(works)
    try:
        return made.passport(
            events.unit_key(PRODUCT, serial), Told(RECIPIENT, "incoming inspection", **told), profile(name)
        )
    finally:
        made.close()


def claim(works: Works, at_least: int | None = None, opening: Sequence[int] = ()) -> bytes:
    made = issuer(works)
    try:
        return made.claim(LANE, Told(RECIPIENT, "quarterly report"), at_least=at_least, opening=opening).file
    finally:
        made.close()


def policy_of(works: Works) -> bytes:
    keys = works.sealer.manifest.of("checkpoint")
    return ("\n".join(f"log {key.vkey}" for key in keys) + "\nquorum none\n").encode()


def scene(works: Works) -> Scene:
    """Three engines; the works are left just after the day that the lane counts has ended."""
    works.close_blocks(60)
    works.tell(LaneRegistered, lane=LANE)
    works.close_blocks(60)
    kept = (works.folder.proof / "checkpoint").read_bytes()
    facts = works.engine(SERIAL, cylinder="CY-05512")
    works.close_blocks(60)
    works.tell(
        events.CorrectionMade, corrects=facts[3].id, reason="incorrect_data",
        replacement=events.Measured(
            id=facts[3].id, event_time=facts[3].event_time, source="gw-1", by="A. Berg", product=PRODUCT, serial=SERIAL,
            characteristic="main_bore", value="35.005", uom="mm",
        ),
    )  # fmt: skip
    works.engine("01825")
    works.about(events.UnitShipped, SERIAL, consignee="Aero Ltd", screened_on=dt.date(2026, 11, 20))
    works.close_blocks(60)
    works.engine("01826", passes=False)
    works.now = EVENING + dt.timedelta(minutes=20)
    works.close_blocks(60)
    issued = passport(works)
    works.record.append([Entry(issued.fact, events.encode(issued.fact))])
    works.close_blocks(60)
    return Scene(
        works,
        policy_of(works),
        issued.file,
        passport(works, "01825").file,
        claim(works),
        claim(works, 2),
        claim(works, opening=[0, 2]),
        kept,
        issued.fact,
    )


# --------------------------------------------------------------------------- tools of the dishonest


def split(file: bytes) -> tuple[statement.Statement, dict[str, Any]]:
    taken = container.read(file)
    return statement.read_statement(taken.statement), json.loads(taken.content)


def again(scene: Scene, file: bytes, change: Callable[[dict[str, Any]], None], **told: Any) -> bytes:
    """The file with another content, signed by the plant's own statement key."""
    said, held = split(file)
    change(held)
    content = container.content_of(held)
    signer = scene.works.sealer.keyring.of(scene.works.sealer.manifest, "statement")[0]
    told = {"content": statement.content_digest(content), **told}
    token = statement.sign_token(signer, statement.STATEMENT_TYPE, said._replace(**told).payload())
    return container.written(said.format, token, content)


def _entry(held: dict[str, Any], number: int) -> dict[str, Any]:
    found: dict[str, Any] = held["leaves"][held["units"][0]["leaves"][number - 1]]
    return found


def _redisclosed(held: dict[str, Any]) -> None:
    entry = _entry(held, 3)
    for at, text in enumerate(entry["disclosures"]):
        salt, name, value = json.loads(_decoded(text))
        if name == "value":
            assert value == "35.004"
            entry["disclosures"][at] = b64url(json.dumps([salt, name, "35.001"]).encode())


def _decoded(text: str) -> bytes:
    from asbuilt.proof.encoding import unb64url

    return unb64url(text)


def _borrowed(held: dict[str, Any]) -> None:
    _entry(held, 4)["disclosures"].append(_entry(held, 5)["disclosures"][-1])


def _without(held: dict[str, Any]) -> None:
    _drop(held, held["units"][0]["leaves"][3])


def _drop(held: dict[str, Any], index: int) -> None:
    """Take a leaf out and count the others anew."""
    del held["leaves"][index]
    for unit in held["units"]:
        unit["leaves"] = [at - (at > index) for at in unit["leaves"] if at != index]


def _doubled(held: dict[str, Any]) -> None:
    held["units"][0]["leaves"].insert(4, held["units"][0]["leaves"][3])


def _doubled_leaf(held: dict[str, Any]) -> None:
    held["leaves"].append(copy.deepcopy(_entry(held, 4)))
    held["units"][0]["leaves"].insert(4, len(held["leaves"]) - 1)


def _forged_redaction(held: dict[str, Any]) -> None:
    """An entry is replaced by a made up one that shows only the right number."""
    entry = _entry(held, 4)
    link = next(
        json.loads(_decoded(text)) for text in entry["disclosures"] if json.loads(_decoded(text))[1].startswith("link_")
    )
    made = leaf.sealed(b"{}", bytes(32), [leaf.Link(link[2][0], link[2][1], _decoded(link[2][2]))])
    entry["leaf"], entry["disclosures"] = made.leaf.decode(), list(made.disclosures.values())


def _silent(held: dict[str, Any]) -> None:
    _entry(held, 4)["disclosures"] = []


def _elsewhere(held: dict[str, Any]) -> None:
    """A second closing of the lane: some other leaf of the log is given out as its closing."""
    held["closed"], held["registered"] = held["registered"], held["closed"]


def _one_more(held: dict[str, Any]) -> None:
    held["count"] += 1


def _swapped_numbers(held: dict[str, Any]) -> None:
    """Two that were opened change their numbers."""
    one, other = held["checks"]
    one["number"], other["number"] = other["number"], one["number"]


def _another_kind(held: dict[str, Any]) -> None:
    """The registration is given out as one that was counted."""
    held["registered"], held["checks"][0]["leaf"] = held["checks"][0]["leaf"], held["registered"]


def _another_checkpoint(scene: Scene) -> bytes:
    """A log of the same name and size, signed by the same keys, with another history."""
    taken = note.parse((scene.works.folder.proof / "checkpoint").read_bytes())
    lines = taken.text.split("\n")
    lines[2] = lines[2][:4] + ("A" if lines[2][4] != "A" else "B") + lines[2][5:]
    signers = scene.works.sealer.keyring.of(scene.works.sealer.manifest, "checkpoint")
    size = split(scene.passport)[1]["checkpoint"].split("\n")[1]
    lines[1] = size
    return note.signed("\n".join(lines), signers, 0)


def _newer_checkpoint(scene: Scene) -> bytes:
    return (scene.works.folder.proof / "checkpoint").read_bytes()


def _revoked(scene: Scene) -> str:
    works = scene.works
    works.tell(DisclosureRevoked, disclosure=scene.fact.disclosure, reason="withdrawn")
    works.close_blocks(60)
    return (works.folder.proof / "status").read_text()


def _other_policy(scene: Scene) -> bytes:
    key = scene.works.sealer.manifest.of("checkpoint")[0]
    return f"log {key._replace(name='other.example/log').vkey}\nquorum none\n".encode()


def _stranger(scene: Scene) -> bytes:
    key = scene.works.sealer.manifest.of("checkpoint")[0]
    return f"log {key._replace(public=bytes(range(32))).vkey}\nquorum none\n".encode()


def _with_bad_signature(held: dict[str, Any]) -> None:
    lines = held["checkpoint"].split("\n")
    at = next(n for n, line in enumerate(lines) if line.startswith("—"))
    words = lines[at].split(" ")
    middle = len(words[2]) // 2
    words[2] = words[2][:middle] + ("A" if words[2][middle] != "A" else "B") + words[2][middle + 1 :]
    lines[at] = " ".join(words)
    held["checkpoint"] = "\n".join(lines)


def _told_again(scene: Scene, **told: Any) -> bytes:
    """The statement changed by somebody without the key: payload altered, signature kept."""
    taken = container.read(scene.passport)
    head, _, signature = taken.statement.split(".")
    said = statement.read_statement(taken.statement)._replace(**told)
    payload = b64url(json.dumps(said.payload()).encode())
    return container.written(taken.format, f"{head}.{payload}.{signature}", taken.content)


Flaw = Callable[[Scene], tuple[bytes, Given]]

FLAWS: dict[str, tuple[str, Flaw]] = {
    "bad signature": ("bad_signature", lambda s: (again(s, s.passport, _with_bad_signature), s.given)),
    "wrong origin": ("wrong_origin", lambda s: (s.passport, s.given._replace(policy=_other_policy(s)))),
    "unknown key": ("unknown_key", lambda s: (s.passport, s.given._replace(policy=_stranger(s)))),
    "truncated": ("truncated", lambda s: (s.passport[:-40], s.given)),
    "truncated in the first line": ("truncated", lambda s: (s.passport[:60], s.given)),
    "empty": ("truncated", lambda s: (b"", s.given)),
    "another format": ("unknown_format", lambda s: (b"%PDF-1.7\n" + bytes(100), s.given)),
    "one byte altered": ("content_altered", lambda s: (s.passport.replace(b'"slot":', b'"slot" ', 1), s.given)),
    "one field altered": ("disclosure_not_in_leaf", lambda s: (again(s, s.passport, _redisclosed), s.given)),
    "disclosure from another leaf": ("disclosure_of_another_leaf", lambda s: (again(s, s.passport, _borrowed), s.given)),
    "missing event": ("entry_missing", lambda s: (again(s, s.passport, _without), s.given)),
    "doubled event": ("entry_doubled", lambda s: (again(s, s.passport, _doubled), s.given)),
    "doubled leaf": ("entry_doubled", lambda s: (again(s, s.passport, _doubled_leaf), s.given)),
    "forged redaction": ("leaf_not_in_block", lambda s: (again(s, s.passport, _forged_redaction), s.given)),
    "entry that shows nothing": ("entry_of_another_unit", lambda s: (again(s, s.passport, _silent), s.given)),
    "stale checkpoint": ("stale_checkpoint", lambda s: (s.passport, s.given._replace(old_checkpoint=_newer_checkpoint(s)))),
    "forked log": ("forked_log", lambda s: (s.passport, s.given._replace(old_checkpoint=_another_checkpoint(s)))),
    "swapped recipient": ("bad_statement_signature", lambda s: (_told_again(s, recipient="Somebody else"), s.given)),
    "statement of another file": (
        "content_altered",
        lambda s: (s.other.split(b"\n")[0] + b"\n" + s.passport.split(b"\n", 1)[1], s.given),
    ),
    "wrong recipient": ("wrong_recipient", lambda s: (s.passport, s.given._replace(recipient="Somebody else"))),
    "expired": (
        "expired",
        lambda s: (passport(s.works, expires=s.works.now).file, s.given._replace(now=s.works.now + dt.timedelta(days=1))),
    ),
    "revoked": ("revoked", lambda s: (s.passport, s.given._replace(status=_revoked(s)))),
    "lane closed twice": ("lane_elsewhere", lambda s: (again(s, s.exactly, _elsewhere), s.given)),
    "exactly N+1": ("count_not_committed", lambda s: (again(s, s.exactly, _one_more), s.given)),
    "opened at another number": ("check_not_counted", lambda s: (again(s, s.opened, _swapped_numbers), s.given)),
    "opened what is not of the kind": ("lane_not_registered", lambda s: (again(s, s.opened, _another_kind), s.given)),
    "at least N+1": ("count_not_committed", lambda s: (again(s, s.at_least, _one_more), s.given)),
}  # fmt: skip
