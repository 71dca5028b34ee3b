"""Where an MQTT broker is and how to log in: settings that several adapters share."""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import msgspec

from asbuilt.adapters import Problem, Sink
from asbuilt.adapters.mqtt.client import Client, ConnectionLost
from asbuilt.adapters.mqtt.packets import WRONG_VERSION, Will
from asbuilt.errors import AsBuiltError

PORT = 1883
TLS_PORT = 8883

WEEK_S = 604_800


PATHS = ("ca", "certificate", "key")
"""The settings that name files."""


class Broker(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Settings of a connection to a broker.

    `version` is "3.1.1", "5" or "auto" (5, and 3.1.1 where that is refused). `password` is
    `env:NAME` or `file:PATH`, never the secret itself. `ca` names the authority that the broker's
    certificate comes from (none: those of the system), `certificate` and `key` this client's own.
    """

    host: str = "127.0.0.1"
    port: int | None = None
    version: Literal["auto", "3.1.1", "5"] = "auto"
    client_id: str | None = None
    user: str | None = None
    password: str | None = None
    tls: bool = False
    ca: str | None = None
    certificate: str | None = None
    key: str | None = None
    session_s: int = WEEK_S
    bytes_max: int = 16 * 1024 * 1024


def problems(config: Broker) -> Iterator[Problem]:
    """What is wrong with the settings of a connection."""
    if config.password is not None and config.password.partition(":")[0] not in ("env", "file"):
        yield Problem(
            ("password",), "a secret does not belong into the plant file",
            'Write password = "file:/etc/asbuilt/mqtt.secret" or "env:MQTT_PASSWORD".',
        )  # fmt: skip
    if config.password is not None and config.user is None:
        yield Problem(("password",), "a password without a user", 'Add user = "…".')
    for key in ("ca", "certificate", "key"):
        if getattr(config, key) is not None and not config.tls:
            yield Problem((key,), f"`{key}` is for TLS only", "Add tls = true.")
    if (config.certificate is None) != (config.key is None):
        yield Problem(("certificate",), "a certificate needs its key", 'Add key = "client.key".')
    if config.port is not None and not 0 < config.port < 65_536:
        yield Problem(("port",), f"{config.port} is not a port", "Use 1883, or 8883 with TLS.")
    if not 0 <= config.session_s <= 4_000_000_000:
        yield Problem(("session_s",), "session_s must be seconds", "Leave it out: a week.")
    if not 1_024 <= config.bytes_max <= 268_435_455:
        yield Problem(("bytes_max",), "bytes_max is 1,024 to 268,435,455", "Leave it out: 16 MiB.")


def _tls(config: Broker) -> ssl.SSLContext | None:
    if not config.tls:
        return None
    for name in (config.ca, config.certificate, config.key):
        if name is not None and not Path(name).is_file():
            raise AsBuiltError(f"there is no file {name}", remedy="Name the certificate's file in the plant file.")
    try:
        context = ssl.create_default_context(cafile=config.ca)
        if config.certificate is not None:
            context.load_cert_chain(config.certificate, config.key)
    except ssl.SSLError as error:
        raise AsBuiltError(f"the certificate cannot be used: {error}", remedy="Check ca, certificate, key.") from None
    return context


async def connected(config: Broker, sink: Sink, *, keep_session: bool, will: Will | None = None) -> Client:
    """A client that is connected and logged in. Raises `ConnectionLost` with reason and remedy."""
    tls = _tls(config)
    secret = sink.secret(config.password) if config.password is not None else None
    client_id = config.client_id or sink.identity
    if sink.only_watching:
        # Beside the one at work: another name, and nothing that stays behind.
        client_id, keep_session, will = sink.identity, False, None
    versions = {"auto": (5, 4), "5": (5,), "3.1.1": (4,)}[config.version]
    for version in versions:
        client = Client(version, config.bytes_max)
        try:
            await client.connect(
                config.host, config.port or (TLS_PORT if config.tls else PORT), client_id, tls=tls, user=config.user,
                password=secret, keep_session=keep_session, expiry_s=config.session_s, will=will,
            )  # fmt: skip
        except ConnectionLost as error:
            if version == versions[-1] or not (client.refused in WRONG_VERSION[version] or client.hung_up):
                raise error
            continue
        return client
    raise AssertionError("a version was tried")
