"""Curves of test runs: Parquet files in `traces/`, named by the SHA-256 of their bytes.

A `run_recorded` fact holds the digest (`curve_digest`), so a curve cannot be exchanged unseen: what does not
match is never shown. The first column is `time_s`, seconds from the begin of the run; the others are channels,
named `name [unit]`. Parquet needs the extra `curves` (pyarrow), reading TDMS the extra `tdms` (npTDMS).
"""

from __future__ import annotations

import csv
import hashlib
import io
import math
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

from asbuilt.errors import UsageError

TIME = "time_s"
MAX_FILE_BYTES = 256 * 1024 * 1024
MAX_CHANNELS = 200
MAX_ROWS = 5_000_000


class Curve(NamedTuple):
    """Seconds from the begin, and the values of each channel (`name [unit]`) at them."""

    time_s: list[float]
    channels: dict[str, list[float]]


def from_csv(path: Path) -> Curve:
    """A curve from CSV: a head line that begins with `time_s`, then numbers with a decimal point.

    Raises `UsageError` with the line of what is wrong.
    """
    _not_too_long(path)
    with path.open(newline="", encoding="utf-8-sig") as file:
        lines = csv.reader(file)
        head = [name.strip() for name in next(lines, [])]
        if len(head) < 2 or head[0] != TIME or len(set(head)) != len(head) or len(head) > MAX_CHANNELS + 1:
            raise UsageError(
                f"the head line must be {TIME} and 1 to {MAX_CHANNELS} channels of different names",
                where=f"{path}:1", remedy="Write it such as: time_s,head 1 [°C],vibration [mm/s]",
            )  # fmt: skip
        columns: list[list[float]] = [[] for _ in head]
        for number, cells in enumerate(lines, 2):
            try:
                values = [float(cell) for cell in cells]
            except ValueError:
                values = []
            wrong = len(values) != len(head) or not all(map(math.isfinite, values))
            if wrong or (columns[0] and values[0] < columns[0][-1]) or number > MAX_ROWS:
                raise UsageError(
                    "this line is not a number for each column, with time going forward",
                    where=f"{path}:{number}", remedy="Mend the file, or leave the line out.",
                )  # fmt: skip
            for column, value in zip(columns, values, strict=True):
                column.append(value)
    if not columns[0]:
        raise UsageError("the file has no values", where=str(path), remedy="Check what wrote it.")
    return Curve(columns[0], dict(zip(head[1:], columns[1:], strict=True)))


def from_tdms(path: Path, group: str | None = None) -> Curve:
    """A curve from a TDMS file: the channels of a group (the only one, or the one named), all on one time track.

    The time is that of the waveform (`wf_start_offset`, `wf_increment`), or a channel called `time_s`; units are
    the property `unit_string`. Raises `UsageError` for what does not fit together.
    """
    try:
        import nptdms
    except ImportError:
        raise UsageError("TDMS files need npTDMS", remedy="Install asbuilt with its extra `tdms`.") from None
    _not_too_long(path)
    try:
        groups = {found.name: found for found in nptdms.TdmsFile.read(path).groups() if found.channels()}
    except Exception as error:
        raise UsageError(
            f"this is not a TDMS file that can be read: {error}", where=str(path), remedy="Check what wrote it."
        ) from None
    if group is None and len(groups) == 1:
        (group,) = groups
    if group not in groups:
        raise UsageError(
            f"say which group: {', '.join(groups) or 'it has none'}", where=str(path), remedy="Name it with --group."
        )
    channels = groups[group].channels()
    told = next((channel for channel in channels if channel.name == TIME), None)
    named = {_titled(channel): channel for channel in channels if channel is not told}
    if not 1 <= len(named) <= MAX_CHANNELS or len(named) + (told is not None) != len(channels):
        raise UsageError(
            f"the group must have 1 to {MAX_CHANNELS} channels of different names",
            where=f"{path}: {group}", remedy="Write one group a run.",
        )  # fmt: skip
    try:
        tracks = [told[:]] if told is not None else [channel.time_track() for channel in named.values()]
        times = [[float(at) for at in track] for track in tracks]
        values = {name: [float(value) for value in channel[:]] for name, channel in named.items()}
    except (KeyError, TypeError, ValueError) as error:
        raise UsageError(
            f"its channels are not numbers on a time track: {error}",
            where=f"{path}: {group}", remedy=f"Give each channel wf_increment, or the group a channel {TIME}.",
        ) from None  # fmt: skip
    (first, *others), lengths = times, {len(column) for column in values.values()}
    if any(other != first for other in others) or lengths != {len(first)} or not 0 < len(first) <= MAX_ROWS:
        raise UsageError(
            "its channels have different time tracks, or no values",
            where=f"{path}: {group}", remedy="Write channels of one rate into one group.",
        )  # fmt: skip
    if not all(map(math.isfinite, [*first, *(value for column in values.values() for value in column)])) or any(
        after < before for before, after in pairwise(first)
    ):
        raise UsageError(
            "it holds values that are no numbers, or time that goes back", where=f"{path}: {group}",
            remedy="Mend what wrote it.",
        )  # fmt: skip
    return Curve(first, values)


def _titled(channel: Any) -> str:
    unit = str(channel.properties.get("unit_string", "")).strip()
    return f"{channel.name} [{unit}]" if unit else str(channel.name)


def _not_too_long(path: Path) -> None:
    try:
        size = path.stat().st_size
    except OSError as error:
        raise UsageError(f"cannot read it: {error.strerror}", where=str(path), remedy="Check the name.") from None
    if size > MAX_FILE_BYTES:
        raise UsageError(
            f"the file is longer than {MAX_FILE_BYTES:,} bytes", where=str(path), remedy="Thin the curve out."
        )


def keep(folder: Path, curve: Curve) -> str:
    """Write a curve into a folder; its digest. The same curve twice is one file."""
    arrow, parquet = _arrow()
    table = arrow.table({TIME: curve.time_s, **curve.channels})
    buffer = io.BytesIO()
    parquet.write_table(table, buffer, compression="zstd", store_schema=False)
    data = buffer.getvalue()
    digest = hashlib.sha256(data).hexdigest()
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{digest}.parquet"
    if not path.exists():
        draft = folder / f".{digest}"
        draft.write_bytes(data)
        draft.replace(path)
    return digest


def find(folder: Path, digest: str) -> Curve:
    """The curve of a digest. Raises `UsageError` if there is none, or its file is not what it was."""
    path = folder / f"{digest}.parquet"
    if not path.is_file():
        raise UsageError("the curve is not in traces/", where=path.name, remedy="Copy the file back from the backup, under its digest.")  # fmt: skip
    if path.stat().st_size > MAX_FILE_BYTES:
        raise UsageError(
            "the curve file is too long to be shown", where=path.name, remedy="Read it with any Parquet tool."
        )
    data = path.read_bytes()
    if hashlib.sha256(data).hexdigest() != digest:
        raise UsageError("the curve file does not match its digest", where=path.name, remedy="It was changed: restore it from the backup; what is there is not shown.")  # fmt: skip
    _, parquet = _arrow()
    table = parquet.read_table(io.BytesIO(data))
    columns = {name: table.column(name).to_pylist() for name in table.column_names}
    return Curve(columns.pop(TIME), columns)


def _arrow() -> tuple[Any, Any]:
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError:
        raise UsageError("curves need pyarrow", remedy="Install asbuilt with its extra `curves`.") from None
    return pyarrow, pyarrow.parquet
