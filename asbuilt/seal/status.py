"""What was handed out and taken back: the places of the status list that are set."""

from __future__ import annotations

from asbuilt.events import DisclosureIssued, DisclosureRevoked
from asbuilt.record import Record
from asbuilt.seal import corrected

_KINDS = ("disclosure_issued", "disclosure_revoked", "correction_made")


class Revocations:
    """Read from the record, anew only when something was issued, revoked or corrected."""

    def __init__(self, record: Record) -> None:
        self._record = record
        self._seen: tuple[int, ...] = ()
        self._places: frozenset[int] = frozenset()

    def places(self) -> frozenset[int]:
        """The places of all files that were revoked."""
        seen = tuple(self._record.count(f"type:{kind}.v1") for kind in _KINDS)
        if seen != self._seen:
            head = self._record.head()
            revoked = {
                fact.disclosure
                for _, fact in corrected.of_type(self._record, "disclosure_revoked", head)
                if isinstance(fact, DisclosureRevoked)
            }
            self._places = frozenset(
                fact.status_place
                for _, fact in corrected.of_type(self._record, "disclosure_issued", head)
                if isinstance(fact, DisclosureIssued) and fact.disclosure in revoked and fact.status_place is not None
            )
            self._seen = seen
        return self._places
