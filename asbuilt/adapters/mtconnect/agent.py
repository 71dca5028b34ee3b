"""Questions to an MTConnect agent by HTTP."""

from __future__ import annotations

import http.client
from urllib.parse import urlsplit

from asbuilt.errors import AsBuiltError, UsageError

ANSWER_S = 3.5


class Agent:
    """Questions to an agent, one after the other over one connection."""

    def __init__(self, address: str | None, device: str | None, bytes_max: int) -> None:
        if address is None:
            raise UsageError("the adapter has no address", remedy='Add address = "http://agent:5000".')
        parts = urlsplit(address)
        self._kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
        self._host, self._where = parts.netloc, address
        self._path = parts.path.rstrip("/") + (f"/{device}" if device else "")
        self._bytes_max = bytes_max
        self._connection: http.client.HTTPConnection | None = None
        self._ended = False

    def ask(self, what: str) -> bytes:
        """The answer. Raises `AsBuiltError` where there is none."""
        try:
            if self._connection is None:
                self._connection = self._kind(self._host, timeout=ANSWER_S)
            self._connection.request("GET", f"{self._path}/{what}", headers={"Accept": "text/xml"})
            answer = self._connection.getresponse()
            data = answer.read(self._bytes_max + 1)
        except (OSError, http.client.HTTPException, ValueError) as error:
            self._hang_up()
            words = "no answer" if isinstance(error, TimeoutError) else f"{error or type(error).__name__}"
            raise AsBuiltError(
                f"the agent does not answer: {words}", where=self._where, remedy="Check address and agent."
            ) from None
        if self._ended:
            # Nobody waits for the answer any more.
            self._hang_up()
        if len(data) > self._bytes_max:
            self._hang_up()
            raise AsBuiltError(
                "the agent's answer is too long", where=self._where, remedy="Lower `count`, or raise bytes_max."
            )
        return data

    def close(self) -> None:
        """Hang up; a question under way in another thread hangs up when it is answered."""
        self._ended = True
        self._hang_up()

    def _hang_up(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None
