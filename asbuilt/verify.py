"""The verifier: checks a passport or a claim offline and says what is proved, asserted, hidden and not checked.

It needs neither the plant nor its software: no database, no web, no network. What it does is written in
`docs/record-format.md`, so that others can write theirs.
"""

from __future__ import annotations

import datetime as dt
import hashlib
from typing import Any, Literal

from msgspec import Struct

from asbuilt.errors import ProofError
from asbuilt.proof import consistency as consistency_
from asbuilt.proof import container, evidence, lane, merkle, statement
from asbuilt.proof.consistency import Consistency
from asbuilt.proof.container import Container
from asbuilt.proof.content import ClaimContent, Content, PassportContent, read
from asbuilt.proof.encoding import unb64, unb64url
from asbuilt.proof.evidence import OpenLeaf, Signed
from asbuilt.proof.lane import COUNTS
from asbuilt.proof.policy import Policy

Outcome = Literal["proved", "failed", "not checked"]

SHOWS_NOT = (
    "that the engine exists, or that what was measured and written down is true",
    "that nothing was made outside this record, or is kept in a second one",
    "when something happened more exactly than the minute its block closed; times inside facts are the plant's word",
    "that other readers were shown the same log: only witnesses, or checkpoints that readers exchange, show that",
    "that what was told can be untold: an expired or revoked file can still be read",
)
OPEN_HEADLINE = "Whole in itself, by a key that nobody here vouches for: "
CLAIM_SHOWS_NOT = (
    "that each one counted is a different, real engine: only inspection and spot checks show that",
    "how many were made without being counted",
    "anything about late reports: the lane counts what the record held when it was closed",
)


class Step(Struct, frozen=True):
    """One numbered step and what came of it."""

    number: int
    title: str
    outcome: Outcome
    detail: str


class Shown(Struct, frozen=True):
    """A fact about a unit: its number there, the block, and the members that are disclosed; none: redacted.

    `corrected_by` is the number of the entry that corrects it.
    """

    unit: str
    number: int
    block: int
    redacted: bool
    members: dict[str, Any]
    corrected_by: int | None = None


class Report(Struct):
    """What a verifier says. `reason` is empty unless something is wrong; `decided` tells whether keys were trusted beforehand."""

    ok: bool = False
    decided: bool = False
    reason: str = ""
    message: str = ""
    headline: str = ""
    file_digest: str = ""
    key: str = ""
    told: dict[str, Any] = {}
    steps: list[Step] = []
    proved: list[str] = []
    asserted: list[str] = []
    hidden: list[str] = []
    not_checked: list[str] = []
    shows_not: list[str] = []
    entries: list[Shown] = []

    @property
    def exit_code(self) -> int:
        """0: proved under the given policy; 1: something is wrong; 2: whole in itself, but nobody said whom to trust."""
        return 1 if not self.ok else 0 if self.decided else 2


class Known(Struct, frozen=True, kw_only=True):
    """What the reader brings: the time, whom to trust, what was kept from before.

    `policy` None trusts the keys that the file brings itself. `recipient` is who the file must be for.
    """

    now: dt.datetime
    policy: Policy | None = None
    old_checkpoint: bytes | None = None
    consistency: Consistency | None = None
    status: str | None = None
    recipient: str | None = None


def verify(data: bytes, known: Known) -> Report:
    """Check a file. Never raises for what is in the file: the report says what is wrong."""
    report = Report(file_digest=hashlib.sha256(data).hexdigest(), shows_not=list(SHOWS_NOT))
    check = _Check(report, known)
    try:
        check.file(data)
        report.ok = True
        if not report.decided:
            report.headline = report.headline.replace("Valid: ", OPEN_HEADLINE, 1)
    except ProofError as error:
        report.reason, report.message = error.reason, error.message
        check.fail(error.message)
        report.headline = f"Not valid: {error.message}."
        report.proved.clear()
    except RecursionError:
        report.reason, report.message = "malformed", "nested too deeply"
        check.fail(report.message)
        report.headline = "Not valid: nested too deeply."
        report.proved.clear()
    return report


class _Check:
    """One run through the steps."""

    def __init__(self, report: Report, known: Known) -> None:
        self.report = report
        self.known = known
        self._title = ""

    def begin(self, title: str) -> None:
        """What is looked at from here on."""
        self._title = title

    def done(self, detail: str, outcome: Outcome = "proved") -> None:
        """The step is over."""
        self.report.steps.append(Step(len(self.report.steps) + 1, self._title, outcome, detail))

    def fail(self, detail: str) -> None:
        """The step failed; no other is taken."""
        self.done(detail, "failed")

    # ----------------------------------------------------------------- steps

    def file(self, data: bytes) -> None:
        """All steps."""
        self.begin("The file is whole")
        file = container.read(data)
        told = statement.read_statement(file.statement)
        if told.format != file.format:
            raise ProofError("malformed", "the statement is about another kind of file")
        if told.content != statement.content_digest(file.content):
            raise ProofError("content_altered", "the content is not what the statement was made for")
        kind: type[Content] = PassportContent if file.format == container.PASSPORT else ClaimContent
        content = read(container.held_by(file), kind)
        self.done(f"{len(data):,} bytes, {file.format}; its content is the one the statement names")

        self.begin("The log's checkpoint is signed")
        manifests = evidence.manifests(content)
        own = [key for manifest in manifests.values() for key in manifest.of("checkpoint")]
        said = evidence.signed_checkpoint(content.checkpoint, own, self.known.policy)
        self._signed(said)

        self.begin("The blocks are in the log")
        begun = evidence.founding(content, said.checkpoint)
        records = evidence.blocks(content, said.checkpoint, begun, manifests)
        numbers = sorted({record.number for record in records})
        first, last = begun.closes(numbers[0] - 1), begun.closes(said.checkpoint.size - 1)
        self.done(f"{len(numbers)} blocks of {begun.slots:,} places; the log was begun {_time(begun.start)}")

        self.begin("The statement is the plant's")
        statement.check_token(file.statement, statement.STATEMENT_TYPE, manifests[records[-1].keys].of("statement"))
        self._statement(file, told, said.checkpoint.origin)

        self.begin("Every fact is in its block")
        opened = evidence.leaves(content, records)
        self.done(f"{len(opened)} facts, each with the fields it was sealed with")
        if isinstance(content, PassportContent):
            self._passport(content, opened, (first, last))
        elif isinstance(content, ClaimContent):
            self._claim(content, opened, begun)

        self.begin("The log is the one seen before")
        self._older(said)
        self.begin("The file still stands")
        self._standing(content, told, manifests[records[-1].keys].of("statement"), said.checkpoint.origin)

    def _signed(self, said: Signed) -> None:
        report, policy = self.report, self.known.policy
        kinds = {1: "Ed25519", 4: "Ed25519 cosignature", 6: "ML-DSA-44"}
        report.key = said.by_log[0].key.spelled
        detail = f"{said.checkpoint.origin}, {said.checkpoint.size:,} entries, by {', '.join(kinds[one.key.kind] for one in said.by_log)}"
        if policy is None:
            self.done(f"{detail}; with the key the file brings itself, {report.key}", "not checked")
            report.not_checked.append(
                f"whose key it is: compare {report.key} with what the plant told you another way, or give a policy"
            )
        else:
            report.decided = True
            self.done(f"{detail}; the policy trusts the key")
        if said.by_witness:
            names = ", ".join(one.key.name for one in said.by_witness)
            report.proved.append(f"the log was seen and found consistent by {names}")
        else:
            report.not_checked.append("whether others were shown the same log: no witness has signed the checkpoint")

    def _statement(self, file: Container, told: statement.Statement, origin: str) -> None:
        if told.issuer != origin:
            raise ProofError("wrong_origin", f"the statement is of {told.issuer}, the log is {origin}")
        self.report.told = {
            "issuer": told.issuer, "format": file.format, "disclosure": told.disclosure, "recipient": told.recipient,
            "purpose": told.purpose, "profile": told.profile, "issued": _time(_instant(told.issued)),
            "expires": _time(_instant(told.expires)) if told.expires else None,
        }  # fmt: skip
        if self.known.recipient is not None and self.known.recipient != told.recipient:
            raise ProofError("wrong_recipient", f"the file is for {told.recipient}, not for {self.known.recipient}")
        self.done(f"made for {told.recipient}, for: {told.purpose}")
        self.report.proved.append(f"{origin} made this file for {told.recipient}, for: {told.purpose}")
        self.report.asserted.append(f"that it was made {_time(_instant(told.issued))}")

    def _passport(
        self, content: PassportContent, opened: list[OpenLeaf], span: tuple[dt.datetime, dt.datetime]
    ) -> None:
        report = self.report
        self.begin("No fact about the unit is left out")
        for unit in content.units:
            evidence.numbering(unit, opened)
            report.entries += _shown(unit.unit, [opened[at] for at in unit.leaves])
        numbered = {at for unit in content.units for at in unit.leaves}
        for at in range(len(opened)):
            if at not in numbered and at not in content.others:
                raise ProofError("malformed", f"leaf {at} belongs to nothing")
        if any(at >= len(opened) or at in numbered for at in content.others):
            raise ProofError("malformed", "the leaves beside the numbering are not as they should be")
        main = content.units[0]
        count = len(main.leaves)
        redacted = sum(entry.redacted for entry in report.entries)
        self.done(f"{main.unit}: entries 1 to {count} without a gap; {len(content.units) - 1} components likewise")
        self._curves(content, opened)
        name = main.unit.removeprefix("unit:")
        report.headline = f"Valid: {count} facts about {name} stand in the log, none left out before the last."
        report.proved += [
            f"{count} facts about {name} stand in the log in this order, unchanged since they were sealed",
            f"they were sealed by {_time(span[1])}, when the checkpoint's last block closed by the log's cadence",
        ]
        report.asserted += [
            f"that nothing about {name} was recorded after entry {count}: the file cannot show its own end",
            "what the facts say: values, names and times are the plant's word",
        ]
        withheld = sum(not entry.redacted for entry in report.entries)
        report.hidden.append(
            f"{redacted} facts are redacted: they exist, at their places, and say nothing else"
            if redacted
            else "no fact is redacted"
        )
        if withheld:
            report.hidden.append("fields of shown facts may be withheld; which and how many cannot be seen")

    def _curves(self, content: PassportContent, opened: list[OpenLeaf]) -> None:
        named = {str(one.members["curve_digest"]) for one in opened if "curve_digest" in one.members}
        for curve in content.curves:
            if hashlib.sha256(unb64(curve.content)).hexdigest() != curve.digest:
                raise ProofError("curve_altered", f"the curve {curve.digest[:12]}… is not the one that was recorded")
            if curve.digest not in named:
                raise ProofError("curve_altered", f"no fact names the curve {curve.digest[:12]}…")
        if content.curves:
            self.begin("The curves are those that were recorded")
            self.done(f"{len(content.curves)} files have the digests that facts name")
        missing = len(named - {curve.digest for curve in content.curves})
        if missing:
            self.report.not_checked.append(f"{missing} curves: facts name them, the file does not bring them")

    def _claim(self, content: ClaimContent, opened: list[OpenLeaf], begun: Any) -> None:
        report = self.report
        self.begin("The lane was closed once, at its place")
        road = lane.parse(content.lane)
        block, slot = lane.place(road.name, begun)
        used = [content.closed, content.registered, *(one.leaf for one in content.checks)]
        if sorted(used) != list(range(len(opened))):
            raise ProofError("malformed", "a claim holds its registration, its closing, and what was opened, each once")
        closed, registered = opened[content.closed], opened[content.registered]
        if (closed.block, closed.slot) != (block, slot):
            raise ProofError(
                "lane_elsewhere",
                f"{road.name} can only be closed at place {slot} of block {block}, this closing is at {closed.slot} of {closed.block}",
            )
        if closed.members.get("lane") != road.name:
            raise ProofError("lane_not_closed", f"what stands at the place of {road.name} is not its closing")
        if registered.members.get("type") != "lane_registered.v1" or registered.members.get("lane") != road.name:
            raise ProofError("lane_not_registered", f"{road.name} is not shown to have been registered")
        if registered.block >= closed.block:
            raise ProofError("lane_not_registered", f"{road.name} was registered only when it was closed")
        self.done(f"{road.name}: closed at place {slot} of block {block}, the only one it can be closed at")
        self.begin("The number is the one committed to")
        words = _number(content, closed.members, road.name)
        self.done(words)
        what = f"{words} {road.product} {COUNTS[road.counts]} in {road.period} (UTC)"
        in_advance = begun.closes(registered.block) <= road.start
        report.headline = f"Valid: the plant committed to “{what}”."
        report.proved += [
            f"the plant irrevocably committed to: {what}; it cannot show another closing of this lane in this log",
            f"the lane was registered in block {registered.block}, "
            + ("before the period began" if in_advance else "after the period began and before it was closed"),
        ]
        if content.checks:
            self.begin("Those that were opened were counted")
            serials = _opened_counts(content, opened, closed.members, road)
            self.done(
                f"{len(serials)} of {content.count:,}, all different: {', '.join(serials[:20])}{' …' if len(serials) > 20 else ''}"
            )
            report.proved.append(
                f"{len(serials)} of those counted, at numbers that whoever asked for them can compare, are different units of the kind"
            )
        report.asserted.append("that the count follows from the record, and the record from what was made")
        report.hidden.append("which units were counted, when, and how many were not")
        if content.says == "at_least":
            report.hidden.append("the number itself: only that it is not smaller")
        report.shows_not += CLAIM_SHOWS_NOT

    def _older(self, said: Signed) -> None:
        known = self.known
        if known.old_checkpoint is None:
            self.done("no checkpoint from before was given", "not checked")
            self.report.not_checked.append("whether the log is the one seen before: no older checkpoint was given")
            return
        keys = [one.key for one in said.by_log]
        kept = evidence.signed_checkpoint(
            known.old_checkpoint.decode("utf-8", "replace"),
            keys,
            None if known.policy is None else known.policy._replace(quorum="none"),
        ).checkpoint
        if consistency_.compare(kept, said.checkpoint, known.consistency):
            self.done(f"the checkpoint of {kept.size:,} entries that was kept belongs to this log")
            self.report.proved.append(f"the log still holds the {kept.size:,} entries that were seen before, unchanged")
        else:
            self.done(f"the checkpoint of {kept.size:,} entries needs a proof of consistency", "not checked")
            self.report.not_checked.append(
                "whether the log still holds what was seen before: give the plant's proof of consistency"
            )

    def _standing(self, content: Content, told: statement.Statement, keys: Any, origin: str) -> None:
        if told.expires and told.expires <= self.known.now.timestamp():
            raise ProofError("expired", f"the file ended {_time(_instant(told.expires))}")
        lists = []
        for token in filter(None, [content.status, self.known.status]):
            statement.check_token(token, statement.STATUS_TYPE, keys)
            lists.append(statement.read_status(token))
        if any(one.issuer != origin for one in lists):
            raise ProofError("wrong_origin", "the status list is of another plant")
        if not lists:
            self.done("no status list was given", "not checked")
            self.report.not_checked.append("whether the file was revoked: there is no status list")
            return
        newest = max(lists, key=lambda one: (one.issued, one.log_size))
        as_of = _time(_instant(newest.issued))
        if newest.is_revoked(told.status_at):
            raise ProofError("revoked", f"the plant had revoked the file by {as_of}")
        ends = f"it ends {_time(_instant(told.expires))}" if told.expires else "it has no end"
        self.done(f"{ends}; not revoked as of {as_of}")
        self.report.not_checked.append(f"whether it was revoked after {as_of}")


def _number(content: ClaimContent, members: dict[str, Any], name: str) -> str:
    if content.says == "exactly":
        if type(members.get("size")) is not int or members["size"] != content.count or "root" not in members:
            raise ProofError("count_not_committed", f"the closing does not commit to exactly {content.count:,}")
        return f"exactly {content.count:,}"
    floor = members.get("floor")
    if not isinstance(floor, str) or content.count > lane.MAX_COUNT:
        raise ProofError("count_not_committed", f"the closing does not commit to at least {content.count:,}")
    revealed = unb64url(content.reveal)
    if len(revealed) != 32 or lane.chained(name, revealed, content.count) != unb64url(floor):
        raise ProofError("count_not_committed", f"the closing does not commit to at least {content.count:,}")
    return f"at least {content.count:,}"


def _opened_counts(
    content: ClaimContent, opened: list[OpenLeaf], closing: dict[str, Any], road: lane.Lane
) -> list[str]:
    """The serials of those that were opened: each a sealed fact of the kind, at its number among the counted."""
    serials = []
    for one in content.checks:
        members, number = opened[one.leaf].members, one.number
        time = _seconds(members.get("event_time"))
        if (
            content.says != "exactly"
            or members.get("type") != lane.KINDS[road.counts]
            or members.get("product") != road.product
            or not isinstance(members.get("serial"), str)
            or (road.counts == "run_in_passed" and members.get("verdict") != "pass")
            or not road.start.timestamp() <= time < road.end.timestamp()
        ):
            raise ProofError(
                "check_not_counted", f"what is opened as number {number} is not of the kind that is counted"
            )
        path = [unb64(step, merkle.HASH) for step in one.path]
        try:
            merkle.check_inclusion(number, content.count, opened[one.leaf].hash, path, unb64url(str(closing["root"])))
        except ProofError as error:
            raise ProofError(
                "check_not_counted", f"number {number} is not among those counted: {error.message}"
            ) from None
        serials.append(members["serial"])
    if len(set(serials)) != len(serials):
        raise ProofError("check_not_counted", "one unit was counted twice")
    return serials


def _shown(unit: str, opened: list[OpenLeaf]) -> list[Shown]:
    """Entries of one unit; a fact shows the last correction of it that is shown."""
    corrections: dict[str, tuple[float, str, int]] = {}
    for number, one in enumerate(opened, 1):
        if "corrects" in one.members:
            rank = (_seconds(one.members.get("event_time")), str(one.members.get("id", "")), number)
            known = corrections.get(str(one.members["corrects"]))
            corrections[str(one.members["corrects"])] = max(rank, known) if known else rank
    found = []
    for number, one in enumerate(opened, 1):
        members = {name: value for name, value in one.members.items() if not name.startswith("link_")}
        by = corrections.get(str(members.get("id")))
        found.append(Shown(unit, number, one.block, not members, members, by[2] if by else None))
    return found


def _seconds(text: object) -> float:
    """A time of a fact, to be compared; what is no time comes first."""
    try:
        return dt.datetime.fromisoformat(str(text)).timestamp()
    except (ValueError, OverflowError):
        return float("-inf")


def _instant(seconds: int) -> dt.datetime:
    try:
        return dt.datetime.fromtimestamp(seconds, dt.UTC)
    except (OverflowError, ValueError, OSError):
        raise ProofError("malformed", "a time beyond the calendar") from None


def _time(instant: dt.datetime) -> str:
    return instant.strftime("%Y-%m-%d %H:%M UTC")
