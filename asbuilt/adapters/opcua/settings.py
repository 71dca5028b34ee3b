"""What the plant file says about an OPC UA server."""

from __future__ import annotations

import msgspec

from asbuilt.connect.mapping import Rule

POLICIES = ("None", "Basic256Sha256", "Aes128Sha256RsaOaep", "Aes256Sha256RsaPss")


class NodeRule(Rule, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A rule for the values of a node."""

    node: str
    each: str | None = None


class Config(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Settings of a server, its machines and nodes."""

    address: str
    security: str = "None"
    certificate: str | None = None
    key: str | None = None
    trust: str | None = None
    user: str | None = None
    password: str | None = None
    stations: dict[str, str] = {}
    states: dict[str, str] = {}
    every_s: float = 0.2
    silent_s: float = 3.5
    queue: int = 1_000
    map: tuple[NodeRule, ...] = ()
