"""Protocol buffers on the wire, as far as Sparkplug payloads need them. Raises `ValueError` for what is none.

The encoding is that of protobuf.dev/programming-guides/encoding: a field is a key (number and wire
type) and a varint, eight bytes, a length with so many bytes, or four bytes.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator

VARINT, EIGHT, BYTES, FOUR = 0, 1, 2, 5
_MASK = (1 << 64) - 1

Value = int | bytes


def fields(data: bytes, at: int, end: int) -> Iterator[tuple[int, int, Value]]:
    """The fields of a message: number, wire type and value."""
    while at < end:
        key = data[at]
        at += 1
        if key & 128:
            key, at = varint(data, at - 1, end)
        kind = key & 7
        if kind == 0:
            if at < end and data[at] < 128:
                value: Value = data[at]
                at += 1
            else:
                value, at = varint(data, at, end)
        elif kind == 2:
            if at < end and data[at] < 128:
                length = data[at]
                at += 1
            else:
                length, at = varint(data, at, end)
            if at + length > end:
                raise ValueError(f"a field of {length:,} bytes in a message of {end:,}")
            value = data[at : at + length]
            at += length
        elif kind == 5 or kind == 1:
            size = 4 if kind == 5 else 8
            if at + size > end:
                raise ValueError("a number beyond its message")
            value = data[at : at + size]
            at += size
        else:
            raise ValueError(f"a field of wire type {kind}")
        if key < 8:
            raise ValueError("a field without a number")
        yield key >> 3, kind, value


def varint(data: bytes, at: int, end: int) -> tuple[int, int]:
    """A number and where it ends; at most 64 bits."""
    value = shift = 0
    while True:
        if at >= end or shift > 63:
            raise ValueError("a number that does not end")
        byte = data[at]
        at += 1
        value |= (byte & 127) << shift
        if byte < 128:
            return value & _MASK, at
        shift += 7


def packed(value: Value) -> list[int]:
    """Numbers of a repeated field: one, or many in one field."""
    if isinstance(value, int):
        return [value]
    found, at = [], 0
    while at < len(value):
        number, at = varint(value, at, len(value))
        found.append(number)
    return found


def put_varint(value: int) -> bytes:
    """A number as a varint; negative ones as 64 bits."""
    value &= _MASK
    out = bytearray()
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    out.append(value)
    return bytes(out)


def put_number(field: int, value: int) -> bytes:
    """A field that holds a number."""
    return put_varint(field << 3) + put_varint(value)


def put_bytes(field: int, value: bytes | str) -> bytes:
    """A field that holds bytes, text or a message."""
    data = value.encode() if isinstance(value, str) else value
    return put_varint(field << 3 | 2) + put_varint(len(data)) + data


def put_float(field: int, value: float) -> bytes:
    """A field that holds four bytes of a number."""
    return put_varint(field << 3 | 5) + struct.pack("<f", value)


def put_double(field: int, value: float) -> bytes:
    """A field that holds eight bytes of a number."""
    return put_varint(field << 3 | 1) + struct.pack("<d", value)
