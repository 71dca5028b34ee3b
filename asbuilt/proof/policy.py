"""Whom a verifier trusts: a policy file (C2SP tlog-policy)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from asbuilt.errors import ProofError
from asbuilt.proof.encoding import malformed
from asbuilt.proof.note import COSIGNED_ED25519, COSIGNED_MLDSA44, ED25519, Key, parse_vkey

MAX_LINES = 1_000
_LOG_KINDS = (ED25519, COSIGNED_ED25519, COSIGNED_MLDSA44)


class Policy(NamedTuple):
    """Keys of logs, keys of witnesses by name, groups (threshold, members), and which of them must have signed."""

    logs: tuple[Key, ...]
    witnesses: dict[str, Key]
    groups: dict[str, tuple[int, tuple[str, ...]]]
    quorum: str

    def is_witnessed(self, signed: Iterable[Key]) -> bool:
        """Whether the keys that signed are enough."""
        holding = set(signed)

        def holds(name: str) -> bool:
            if name in self.witnesses:
                return self.witnesses[name] in holding
            threshold, members = self.groups[name]
            return sum(map(holds, members)) >= threshold

        return self.quorum == "none" or holds(self.quorum)


def parse(data: bytes) -> Policy:
    """Read a policy file. Raises `ProofError` naming the line."""
    logs: list[Key] = []
    witnesses: dict[str, Key] = {}
    groups: dict[str, tuple[int, tuple[str, ...]]] = {}
    used: set[str] = set()
    quorum = ""
    if any(byte < 0x20 and byte not in b"\t\n" for byte in data) or b"\x7f" in data:
        malformed("a control character in the policy")
    lines = data.decode("utf-8", "surrogateescape").split("\n")
    if len(lines) > MAX_LINES:
        malformed(f"a policy of {len(lines):,} lines")
    for number, line in enumerate(lines, 1):
        words = [word for word in line.replace("\t", " ").split(" ") if word]
        try:
            match words:
                case []:
                    pass
                case [first, *_] if first.startswith("#"):
                    pass
                case ["log", vkey] | ["log", vkey, _]:
                    _once(key := _of_kind(vkey, _LOG_KINDS), logs)
                    logs.append(key)
                case ["witness", name, vkey] | ["witness", name, vkey, _]:
                    _fresh(name, witnesses, groups)
                    _once(key := _of_kind(vkey, (COSIGNED_ED25519, COSIGNED_MLDSA44)), list(witnesses.values()))
                    witnesses[name] = key
                case ["group", name, threshold, *members] if members:
                    _fresh(name, witnesses, groups)
                    _known(members, witnesses, groups)
                    if used & set(members) or len(set(members)) != len(members):
                        malformed("a name is a member twice")
                    used.update(members)
                    groups[name] = _threshold(threshold, len(members)), tuple(members)
                case ["quorum", name] if not quorum:
                    if name != "none":
                        _known([name], witnesses, groups)
                    quorum = name
                case _:
                    malformed("not a line of a policy")
        except ProofError as error:
            raise ProofError(error.reason, error.message, where=f"policy line {number}") from None
    if not quorum:
        malformed("a policy needs one quorum line (`quorum none` asks for no witness)")
    return Policy(tuple(logs), witnesses, groups, quorum)


def _of_kind(vkey: str, kinds: tuple[int, ...]) -> Key:
    key = parse_vkey(vkey)
    if key.kind not in kinds:
        malformed("a key of this kind has no place on this line")
    return key


def _once(key: Key, known: list[Key]) -> None:
    if any(key.public == other.public for other in known):
        malformed("a key stands twice")


def _fresh(name: str, witnesses: dict[str, Key], groups: dict[str, tuple[int, tuple[str, ...]]]) -> None:
    if name == "none" or name in witnesses or name in groups:
        malformed(f"the name {name} is taken")


def _known(names: list[str], witnesses: dict[str, Key], groups: dict[str, tuple[int, tuple[str, ...]]]) -> None:
    for name in names:
        if name not in witnesses and name not in groups:
            malformed(f"{name} is not defined above")


def _threshold(text: str, members: int) -> int:
    if text in ("any", "all"):
        return 1 if text == "any" else members
    if not (text.isascii() and text.isdigit()) or not 1 <= int(text) <= members or text[0] == "0":
        malformed("a group's threshold is any, all, or a number of its members")
    return int(text)
