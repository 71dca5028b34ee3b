"""QR codes (ISO/IEC 18004) as squares: for pages, labels and print."""

from __future__ import annotations

from collections.abc import Iterator

QUIET = 4
"""Modules of quiet zone on each side (ISO/IEC 18004, 6.3.8)."""


def modules(text: str) -> list[list[bool]]:
    """The dark modules of the smallest QR code for a text, error correction Q where it costs no larger code than M."""
    import segno

    code = segno.make_qr(text, error="m", boost_error=True)
    return [[bool(module) for module in row] for row in code.matrix]


def runs(text: str) -> Iterator[tuple[int, int, int]]:
    """Dark modules as x, y and length of horizontal runs; without quiet zone."""
    for y, row in enumerate(modules(text)):
        x = 0
        while x < len(row):
            if row[x]:
                end = x
                while end < len(row) and row[end]:
                    end += 1
                yield x, y, end - x
                x = end
            else:
                x += 1


def size(text: str) -> int:
    """How many modules the code has on a side, quiet zone included."""
    return len(modules(text)) + 2 * QUIET


def svg(text: str, *, pixels: int = 92, label: str = "") -> str:
    """The code as an SVG element of black on white: it is read by machines in every theme."""
    from html import escape

    side = size(text)
    d = "".join(f"M{x + QUIET} {y + QUIET}h{n}v1h-{n}z" for x, y, n in runs(text))
    return (
        f'<svg class="code" width="{pixels}" height="{pixels}" viewBox="0 0 {side} {side}" role="img"'
        f' aria-label="{escape(label or text)}" shape-rendering="crispEdges">'
        f'<rect width="{side}" height="{side}" fill="#fff"/><path d="{d}" fill="#000"/></svg>'
    )
