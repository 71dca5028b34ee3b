"""Ports for servers that are told theirs, or that come back on the one they had."""

from __future__ import annotations

import os
import random
import socket
from pathlib import Path

RANGE = range(12_000, 32_000)
"""Below where systems take the ports of outgoing connections and of `bind(0)` from: what was found free stays so until it is used."""
_given = set[int]()
_chance = random.Random(os.urandom(8))


def free_port() -> int:
    """A port nothing listens on, and that nobody but a test that asks for it here will take; never the same twice."""
    workers = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
    own = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
    ours = [port for port in RANGE if port % workers == own and port not in _given]
    for port in _chance.sample(ours, len(ours)):
        try:
            with socket.create_server(("127.0.0.1", port)):
                _given.add(port)
                return port
        except OSError:
            continue
    raise AssertionError("no port is free")


def first_ephemeral_port() -> int:
    """The lowest port the system gives away by itself."""
    told = Path("/proc/sys/net/ipv4/ip_local_port_range")
    return int(told.read_text().split()[0]) if told.exists() else 49_152
