"""FF1 format-preserving encryption: NIST SP 800-38G (2016), algorithms 7 and 8, over AES.

The domain must have at least a million members (SP 800-38G Rev. 1, second draft, 2025).
"""

from __future__ import annotations

from collections.abc import Sequence

from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import CBC, ECB

ROUNDS = 10
MIN_DOMAIN = 1_000_000


def encrypt(key: bytes, tweak: bytes, numerals: Sequence[int], radix: int) -> list[int]:
    """The numerals (0 … radix-1) under the key; as many as were given."""
    return _run(key, tweak, numerals, radix, range(ROUNDS), 1)


def decrypt(key: bytes, tweak: bytes, numerals: Sequence[int], radix: int) -> list[int]:
    """The numerals that `encrypt` was given."""
    return _run(key, tweak, numerals, radix, range(ROUNDS - 1, -1, -1), -1)


def _run(key: bytes, tweak: bytes, numerals: Sequence[int], radix: int, rounds: range, way: int) -> list[int]:
    length = len(numerals)
    if radix**length < MIN_DOMAIN:
        raise ValueError(f"{length} numerals of radix {radix} are fewer than {MIN_DOMAIN:,} values")
    u = length // 2
    v = length - u
    left, right = list(numerals[:u]), list(numerals[u:])
    half = -(-((radix**v - 1).bit_length()) // 8)
    digits = 4 * -(-half // 4) + 4
    fixed = bytes([1, 2, 1]) + radix.to_bytes(3, "big") + bytes([10, u % 256]) + length.to_bytes(4, "big") + len(tweak).to_bytes(4, "big")  # fmt: skip
    for number in rounds:
        count = u if number % 2 == 0 else v
        moving, other = (right, left) if way > 0 else (left, right)
        padded = (
            tweak
            + bytes(-(len(tweak) + half + 1) % 16)
            + bytes([number])
            + _number(moving, radix).to_bytes(half, "big")
        )
        block = _last_block(key, fixed + padded)
        stream = block
        for more in range(1, -(-digits // 16)):
            mixed = int.from_bytes(block, "big") ^ more
            stream += Cipher(AES(key), ECB()).encryptor().update(mixed.to_bytes(16, "big"))
        value = int.from_bytes(stream[:digits], "big")
        fresh = _numerals((_number(other, radix) + way * value) % radix**count, radix, count)
        left, right = (right, fresh) if way > 0 else (fresh, left)
    return left + right


def _last_block(key: bytes, data: bytes) -> bytes:
    """The PRF of FF1: the last block of CBC with a zero vector."""
    return Cipher(AES(key), CBC(bytes(16))).encryptor().update(data)[-16:]


def _number(numerals: Sequence[int], radix: int) -> int:
    value = 0
    for numeral in numerals:
        value = value * radix + numeral
    return value


def _numerals(value: int, radix: int, count: int) -> list[int]:
    found = []
    for _ in range(count):
        value, numeral = divmod(value, radix)
        found.append(numeral)
    return found[::-1]
