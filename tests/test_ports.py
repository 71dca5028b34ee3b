"""A port that a test was given is not given to anybody else before it is used."""

from __future__ import annotations

import socket

from tests.ports import RANGE, first_ephemeral_port, free_port


def test_ports_are_all_different_and_nobody_gets_them_by_chance():
    ports = [free_port() for _ in range(200)]
    assert len(set(ports)) == 200
    assert RANGE.stop <= first_ephemeral_port(), "an outgoing connection may take a port of RANGE"
    taken = [socket.create_server(("127.0.0.1", 0)) for _ in range(200)]
    try:
        assert not {one.getsockname()[1] for one in taken} & set(RANGE)
    finally:
        for one in taken:
            one.close()


def test_a_port_that_is_taken_is_not_given(monkeypatch):
    monkeypatch.setattr("tests.ports.RANGE", range(31_900, 31_903))
    monkeypatch.delenv("PYTEST_XDIST_WORKER", raising=False)
    monkeypatch.delenv("PYTEST_XDIST_WORKER_COUNT", raising=False)
    with socket.create_server(("127.0.0.1", 31_901)):
        assert {free_port(), free_port()} == {31_900, 31_902}
