"""A network between two programs that can be cut: nothing passes and nobody is told."""

from __future__ import annotations

import contextlib
import socket
import threading


class Network:
    """Hands bytes on to a port, until it is cut."""

    def __init__(self, to: int) -> None:
        self._to = to
        self._passing = threading.Event()
        self._passing.set()
        self._sockets: list[socket.socket] = []
        self._server = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._server.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            try:
                near, _ = self._server.accept()
                self._passing.wait()
                far = socket.create_connection(("127.0.0.1", self._to))
            except OSError:
                return
            self._sockets += [near, far]
            for source, sink in ((near, far), (far, near)):
                threading.Thread(target=self._hand_on, args=(source, sink), daemon=True).start()

    def _hand_on(self, source: socket.socket, sink: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65_536):
                self._passing.wait()
                sink.sendall(data)
        for each in (source, sink):
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)

    def cut(self) -> None:
        """From now on nothing passes; connections stay open at both ends."""
        self._passing.clear()

    def mend(self) -> None:
        """What was under way is gone; new connections pass."""
        for each in self._sockets:
            each.close()
        self._sockets.clear()
        self._passing.set()

    def close(self) -> None:
        self._passing.set()
        self._server.close()
        for each in self._sockets:
            each.close()
