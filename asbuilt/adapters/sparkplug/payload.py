"""Sparkplug B payloads, read and written (Sparkplug 3.0.0, section 6.4).

Values come as Python's own: whole numbers, floats, truth, text, bytes, instants, lists (arrays), rows by
column (data sets), members by name (templates). A payload is bounded by its own bytes; what it
declares (a data set of a billion columns) allocates nothing.
"""

from __future__ import annotations

import datetime as dt
import gzip
import io
import struct
import zlib
from collections.abc import Sequence
from typing import Any, Final

from msgspec import Struct

from asbuilt.adapters.sparkplug.protobuf import Value, fields, packed, put_bytes, put_double, put_float, put_number

MAX_METRICS: Final = 250_000
MAX_UNPACKED: Final = 64 * 1024 * 1024
MAX_DEPTH: Final = 8
COMPRESSED: Final = "SPBV1.0_COMPRESSED"

INT8, INT16, INT32, INT64, UINT8, UINT16, UINT32, UINT64, FLOAT, DOUBLE, BOOLEAN, STRING, DATETIME, TEXT = range(1, 15)
UUID_, DATASET, BYTES, FILE, TEMPLATE = range(15, 20)
ARRAYS: Final = range(22, 35)
_SIGNED = {INT8: 8, INT16: 16, INT32: 32, INT64: 64}
_UNSIGNED = {UINT8: 8, UINT16: 16, UINT32: 32, UINT64: 64}
_ARRAY_FORMS = {22: "b", 23: "h", 24: "i", 25: "q", 26: "B", 27: "H", 28: "I", 29: "Q", 30: "f", 31: "d", 34: "Q"}
_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)


class Metric(Struct, gc=False, kw_only=True):
    """A metric as it was sent. `value` is None where it is null or was not sent; `data` its bytes."""

    name: str | None = None
    alias: int | None = None
    timestamp: int | None = None
    datatype: int = 0
    historical: bool = False
    transient: bool = False
    null: bool = False
    field: int = 0
    raw: Value = 0
    value: Any = None
    properties: dict[str, Any] | None = None
    data: bytes = b""


class Payload(Struct, gc=False, kw_only=True):
    """A payload: when, its place in the sequence, its metrics."""

    timestamp: int | None = None
    seq: int | None = None
    uuid: str = ""
    body: bytes = b""
    metrics: list[Metric] = []
    data: bytes = b""


class Row(dict[str, Any]):
    """A row of a data set, by column."""


def decode(data: bytes) -> Payload:
    """Read a payload. Raises `ValueError` in words."""
    payload = _decode(data)
    if payload.uuid == COMPRESSED:
        unpacked = _unpacked(payload.body)
        seq = payload.seq
        payload = _decode(unpacked)
        if payload.seq is None:
            payload.seq = seq
    return payload


def _decode(data: bytes) -> Payload:
    payload = Payload(data=data, metrics=[])
    for number, kind, value in fields(data, 0, len(data)):
        if number == 2 and kind == 2:
            if len(payload.metrics) >= MAX_METRICS:
                raise ValueError(f"more than {MAX_METRICS:,} metrics")
            metric = _metric(value)  # type: ignore[arg-type]
            metric.data = value  # type: ignore[assignment]
            payload.metrics.append(metric)
        elif number == 1 and kind == 0:
            payload.timestamp = value  # type: ignore[assignment]
        elif number == 3 and kind == 0:
            payload.seq = value  # type: ignore[assignment]
        elif number == 4 and kind == 2:
            payload.uuid = _text(value)
        elif number == 5 and kind == 2:
            payload.body = value  # type: ignore[assignment]
    return payload


def _unpacked(body: bytes) -> bytes:
    try:
        if body[:2] == b"\x1f\x8b":
            data = gzip.GzipFile(fileobj=io.BytesIO(body)).read(MAX_UNPACKED + 1)
        else:
            data = zlib.decompressobj().decompress(body, MAX_UNPACKED + 1)
    except (OSError, EOFError, zlib.error) as error:
        raise ValueError(f"the compressed body cannot be unpacked: {error}") from None
    if len(data) > MAX_UNPACKED:
        raise ValueError(f"the body unpacks to more than {MAX_UNPACKED:,} bytes")
    return data


def _metric(data: bytes) -> Metric:
    metric = Metric()
    for number, kind, value in fields(data, 0, len(data)):
        if 10 <= number <= 19:
            metric.field, metric.raw = number, value
        elif number == 1 and kind == 2:
            metric.name = _text(value)
        elif kind == 0:
            if number == 2:
                metric.alias = value  # type: ignore[assignment]
            elif number == 3:
                metric.timestamp = value  # type: ignore[assignment]
            elif number == 4:
                metric.datatype = value  # type: ignore[assignment]
            elif number == 5:
                metric.historical = bool(value)
            elif number == 6:
                metric.transient = bool(value)
            elif number == 7:
                metric.null = bool(value)
        elif number == 9 and kind == 2:
            metric.properties = _properties(value, 0)  # type: ignore[arg-type]
    return metric


def _text(value: Value) -> str:
    if isinstance(value, int):
        raise ValueError("a number where text is expected")
    try:
        return value.decode()
    except UnicodeDecodeError:
        raise ValueError("a text that is not UTF-8") from None


# --------------------------------------------------------------------------- values


def valued(metric: Metric, datatype: int, depth: int = 0) -> Any:
    """The value of a metric under the datatype that its birth gave. Raises `ValueError` where it has none."""
    if metric.null or metric.field == 0:
        return None
    number, raw = metric.field, metric.raw
    if number == 17:
        return _dataset(_needed(raw), depth)
    if number == 18:
        return _template(_needed(raw), depth)
    if number == 15:
        return _text(raw)
    if number == 16:
        data = _needed(raw)
        return _array(data, datatype) if datatype in ARRAYS else data
    return _scalar(raw, number - 10, datatype)


def _needed(raw: Value) -> bytes:
    if isinstance(raw, int):
        raise ValueError("a number where bytes are expected")
    return raw


def _scalar(raw: Value, form: int, datatype: int) -> Any:
    """A value by its form on the wire: 0 and 1 whole numbers, 2 float, 3 double, 4 truth, 5 text."""
    if form in (0, 1):
        if not isinstance(raw, int):
            raise ValueError("bytes where a number is expected")
        bits = _SIGNED.get(datatype)
        if bits is not None:
            raw &= (1 << bits) - 1
            return raw - (1 << bits) if raw >> (bits - 1) else raw
        if datatype == DATETIME:
            return instant(raw)
        if raw >> _UNSIGNED.get(datatype, 64):
            raise ValueError(f"{raw} is not of its datatype")
        return bool(raw) if datatype == BOOLEAN else raw
    if form == 2 and isinstance(raw, bytes) and len(raw) == 4:
        return _shortest(raw)
    if form == 3 and isinstance(raw, bytes) and len(raw) == 8:
        return struct.unpack("<d", raw)[0]
    if form == 4 and isinstance(raw, int):
        return bool(raw)
    if form == 5:
        return _text(raw)
    raise ValueError("a value of an unknown form")


def _shortest(raw: bytes) -> float:
    """A float of four bytes as the shortest number that reads back as it: 0.1, not 0.10000000149."""
    (value,) = struct.unpack("<f", raw)
    for digits in (7, 8):
        short = float(f"{value:.{digits}g}")
        try:
            if struct.pack("<f", short) == raw:
                return short
        except OverflowError:
            break
    return float(f"{value:.9g}")


def instant(milliseconds: int) -> dt.datetime:
    """Milliseconds since 1970 UTC as an instant. Raises `ValueError` beyond the year 9999."""
    if milliseconds > 253_402_300_799_999:
        raise ValueError(f"{milliseconds} ms since 1970 is not a time")
    return _EPOCH + dt.timedelta(milliseconds=milliseconds)


def _array(data: bytes, datatype: int) -> list[Any]:
    form = _ARRAY_FORMS.get(datatype)
    if form is not None:
        size = struct.calcsize(f"<{form}")
        if len(data) % size:
            raise ValueError(f"an array of {len(data)} bytes with members of {size}")
        found = list(struct.unpack(f"<{len(data) // size}{form}", data))
        return [instant(member) for member in found] if datatype == 34 else found
    if datatype == 33:
        return [_text(part) for part in data.split(b"\0")[:-1]]
    if len(data) < 4:
        raise ValueError("an array of truth without its length")
    (count,) = struct.unpack("<I", data[:4])
    if count > 8 * (len(data) - 4):
        raise ValueError(f"an array that says it has {count:,} members in {len(data)} bytes")
    return [bool(data[4 + place // 8] >> (7 - place % 8) & 1) for place in range(count)]


def _dataset(data: bytes, depth: int) -> list[Row]:
    columns: list[str] = []
    types: list[int] = []
    rows: list[bytes] = []
    declared = None
    for number, kind, value in fields(data, 0, len(data)):
        if number == 1 and kind == 0:
            declared = value
        elif number == 2:
            columns.append(_text(value))
        elif number == 3:
            types += packed(value)
        elif number == 4 and kind == 2:
            rows.append(value)  # type: ignore[arg-type]
    if len(columns) != len(types) or declared not in (None, len(columns)):
        raise ValueError(f"a data set of {declared!r} columns with {len(columns)} names and {len(types)} types")
    found = []
    for row in rows:
        cells = [_cell(value, types[at] if at < len(types) else 0) for at, value in enumerate(_cells(row))]
        if len(cells) != len(columns):
            raise ValueError(f"a row of {len(cells)} cells in a data set of {len(columns)} columns")
        found.append(Row(zip(columns, cells, strict=True)))
    return found


def _cells(row: bytes) -> list[bytes]:
    return [_needed(value) for number, _, value in fields(row, 0, len(row)) if number == 1]


def _cell(data: bytes, datatype: int) -> Any:
    for number, _, value in fields(data, 0, len(data)):
        if 1 <= number <= 6:
            return _scalar(value, number - 1, datatype)
    return None


class Template(dict[str, Any]):
    """A template: members by name. `ref` names its definition; a definition has none."""

    ref: str = ""
    is_definition: bool = False


def _template(data: bytes, depth: int) -> Template:
    if depth >= MAX_DEPTH:
        raise ValueError(f"templates nested more than {MAX_DEPTH} deep")
    found = Template()
    for number, kind, value in fields(data, 0, len(data)):
        if number == 2 and kind == 2:
            member = _metric(value)  # type: ignore[arg-type]
            if member.name is not None:
                found[member.name] = valued(member, member.datatype, depth + 1)
        elif number == 4:
            found.ref = _text(value)
        elif number == 5:
            found.is_definition = bool(value)
    return found


def _properties(data: bytes, depth: int) -> dict[str, Any]:
    if depth >= MAX_DEPTH:
        raise ValueError(f"properties nested more than {MAX_DEPTH} deep")
    keys: list[str] = []
    values: list[Any] = []
    for number, _, value in fields(data, 0, len(data)):
        if number == 1:
            keys.append(_text(value))
        elif number == 2:
            values.append(_property(_needed(value), depth))
    if len(keys) != len(values):
        raise ValueError(f"{len(keys)} property names with {len(values)} values")
    return dict(zip(keys, values, strict=True))


def _property(data: bytes, depth: int) -> Any:
    datatype, null, found = 0, False, None
    for number, _, value in fields(data, 0, len(data)):
        if number == 1 and isinstance(value, int):
            datatype = value
        elif number == 2:
            null = bool(value)
        elif 3 <= number <= 8:
            found = _scalar(value, number - 3, datatype)
        elif number == 9:
            found = _properties(_needed(value), depth + 1)
    return None if null else found


# --------------------------------------------------------------------------- writing


def encode(payload: Payload) -> bytes:
    """Write a payload; of each metric its `value` under its `datatype`."""
    out = put_number(1, payload.timestamp) if payload.timestamp is not None else b""
    out += b"".join(put_bytes(2, _put_metric(metric)) for metric in payload.metrics)
    if payload.seq is not None:
        out += put_number(3, payload.seq)
    if payload.uuid:
        out += put_bytes(4, payload.uuid)
    return out + (put_bytes(5, payload.body) if payload.body else b"")


def _put_metric(metric: Metric) -> bytes:
    out = put_bytes(1, metric.name) if metric.name is not None else b""
    for number, value in ((2, metric.alias), (3, metric.timestamp), (4, metric.datatype or None)):
        if value is not None:
            out += put_number(number, value)
    for number, flag in ((5, metric.historical), (6, metric.transient), (7, metric.null or metric.value is None)):
        if flag:
            out += put_number(number, 1)
    if metric.properties:
        out += put_bytes(9, _put_properties(metric.properties))
    return out if metric.value is None else out + _put_value(metric.value, metric.datatype)


def _put_value(value: Any, datatype: int) -> bytes:
    if isinstance(value, Template):
        members = [Metric(name=name, datatype=kind_of(inner), value=inner) for name, inner in value.items()]
        body = b"".join(put_bytes(2, _put_metric(member)) for member in members)
        body += put_bytes(4, value.ref) if value.ref else b""
        return put_bytes(18, body + put_number(5, int(value.is_definition)))
    if datatype == DATASET:
        return put_bytes(17, _put_dataset(value))
    return _put_scalar(value, datatype, 10)


def _put_scalar(value: Any, datatype: int, first: int) -> bytes:
    if isinstance(value, dt.datetime):
        return put_number(first + 1, round((value - _EPOCH).total_seconds() * 1000))
    if isinstance(value, bool) or datatype == BOOLEAN:
        return put_number(first + 4, int(value))
    if isinstance(value, int) and datatype not in (FLOAT, DOUBLE):
        wide = datatype in (INT64, UINT64, DATETIME)
        return put_number(first + 1, value) if wide else put_number(first, value & 0xFFFFFFFF)
    if isinstance(value, int | float):
        return put_float(first + 2, value) if datatype == FLOAT else put_double(first + 3, value)
    return put_bytes(first + 5, value) if isinstance(value, str) else put_bytes(first + 6, value)


def kind_of(value: Any) -> int:
    """The datatype that a Python value is written as."""
    if isinstance(value, Template):
        return TEMPLATE
    known = ((bool, BOOLEAN), (int, INT64), (float, DOUBLE), (str, STRING), (bytes, BYTES), (dt.datetime, DATETIME))
    return next((datatype for kind, datatype in known if isinstance(value, kind)), STRING)


def _put_dataset(rows: Sequence[dict[str, Any]]) -> bytes:
    columns = list(rows[0]) if rows else []
    types = [kind_of(rows[0][column]) for column in columns]
    out = put_number(1, len(columns)) + b"".join(put_bytes(2, column) for column in columns)
    out += b"".join(put_number(3, datatype) for datatype in types)
    for row in rows:
        cells = [put_bytes(1, _put_scalar(row[c], t, 1)) for c, t in zip(columns, types, strict=True)]
        out += put_bytes(4, b"".join(cells))
    return out


def _put_properties(properties: dict[str, Any]) -> bytes:
    out = b"".join(put_bytes(1, key) for key in properties)
    for value in properties.values():
        datatype = INT32 if isinstance(value, int) and not isinstance(value, bool) else kind_of(value)
        inner = put_number(1, datatype)
        inner += put_number(2, 1) if value is None else _put_scalar(value, datatype, 3)
        out += put_bytes(2, inner)
    return out
