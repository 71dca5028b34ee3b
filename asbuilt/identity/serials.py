"""Serials that do not betray how many units exist.

A counter goes through FF1 (a permutation of eight symbols, keyed): neighbours in the counter are
strangers in print, and no estimate of the volume can be made from serials seen. Eight symbols of
Crockford's alphabet (no I, L, O, U) and a check symbol (Luhn mod 32) that finds any one wrong symbol.
The tweak is plant and product, so that two products have different permutations.

Reading a serial back gives its counter, not more: whether the unit exists is asked of the record.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
from collections.abc import Sequence
from pathlib import Path

from asbuilt.errors import UsageError
from asbuilt.identity import ff1

ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
RADIX, LENGTH = 32, 8
CAPACITY = RADIX**LENGTH
MAX_AT_ONCE = 100_000
_READ_AS = str.maketrans("ILOilo", "110110")


class Serials:
    """Serials of one product of one plant. `secret` is kept in `keys/`; whoever has it can read counters."""

    def __init__(self, secret: str, plant: str, product: str, prefix: str = "") -> None:
        self._key = hashlib.sha256(b"asbuilt serials\0" + secret.encode()).digest()
        self._tweak = hashlib.sha256(f"{plant}\0{product}".encode()).digest()[:16]
        self.prefix = prefix

    def serial(self, counter: int) -> str:
        """The serial of a counter, 0 … 32⁸-1."""
        if not 0 <= counter < CAPACITY:
            raise UsageError(f"counter {counter} is beyond {CAPACITY:,}", remedy="Use another product id.")
        numerals = [counter // RADIX**at % RADIX for at in range(LENGTH - 1, -1, -1)]
        mixed = ff1.encrypt(self._key, self._tweak, numerals, RADIX)
        return self.prefix + "".join(ALPHABET[n] for n in [*mixed, check(mixed)])

    def counter(self, serial: str) -> int | None:
        """The counter of a serial as read or typed; None if it is none of ours (wrong length, symbol or check)."""
        text = serial.strip().removeprefix(self.prefix).translate(_READ_AS).upper()
        if len(text) != LENGTH + 1 or any(symbol not in ALPHABET for symbol in text):
            return None
        numerals = [ALPHABET.index(symbol) for symbol in text]
        if numerals.pop() != check(numerals):
            return None
        value = 0
        for numeral in ff1.decrypt(self._key, self._tweak, numerals, RADIX):
            value = value * RADIX + numeral
        return value


def check(numerals: Sequence[int]) -> int:
    """Luhn mod 32: doubles every second numeral from the right, adds the digits of the doubled ones in base 32."""
    total = 0
    for at, numeral in enumerate(reversed(numerals)):
        value = numeral * 2 if at % 2 == 0 else numeral
        total += value // RADIX + value % RADIX
    return -total % RADIX


def take(folder: Path, product: str, count: int) -> range:
    """The next counters of a product; they are never given again, whatever becomes of them."""
    if not 0 < count <= MAX_AT_ONCE:
        raise UsageError(f"{count:,} serials at once are too many or none", remedy=f"Ask for 1 to {MAX_AT_ONCE:,}.")
    path = folder / "serials.json"
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "serials.lock").open("a+") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        known = json.loads(path.read_text()) if path.exists() else {}
        first = int(known.get(product, 0))
        known[product] = first + count
        draft = path.with_suffix(".draft")
        with draft.open("w") as file:
            json.dump(known, file)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)
    return range(first, first + count)
