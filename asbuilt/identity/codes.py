"""Codes as squares, for pages, labels and print: QR (ISO/IEC 18004) and GS1 DataMatrix (ISO/IEC 16022)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple, cast

from asbuilt.identity.elements import Element, joined

QUIET, QUIET_MATRIX = 4, 1
"""Modules of quiet zone on each side: of QR (ISO/IEC 18004, 6.3.8), of Data Matrix (ISO/IEC 16022, 7.1)."""


class Code(NamedTuple):
    """A square code: what it is called, what scanners send for it, its dark modules by row, its quiet zone in modules."""

    symbol: str
    text: str
    rows: tuple[tuple[bool, ...], ...]
    quiet: int

    @property
    def size(self) -> int:
        """How many modules the code has on a side, quiet zone included."""
        return len(self.rows) + 2 * self.quiet

    def runs(self) -> Iterator[tuple[int, int, int]]:
        """Dark modules as x, y and length of horizontal runs; without quiet zone."""
        for y, row in enumerate(self.rows):
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


def qr(text: str) -> Code:
    """The smallest QR code for a text, error correction Q where it costs no larger code than M."""
    import segno

    code = segno.make_qr(text, error="m", boost_error=True)
    return Code("QR code", text, tuple(tuple(bool(module) for module in row) for row in code.matrix), QUIET)


def data_matrix(elements: Sequence[Element]) -> Code:
    """The smallest square GS1 DataMatrix for elements; scanners send them with `]d2` and separators GS."""
    import zxingcpp

    # Square brackets stand in no value of GS1, round ones do.
    bracketed = "".join(f"[{ai}]{value}" for ai, value in elements)
    drawn = zxingcpp.create_barcode(bracketed, zxingcpp.BarcodeFormat.DataMatrix, gs1=True, force_square=True)
    pixels: Any = memoryview(cast(Any, drawn.to_image(scale=1))).tolist()
    # The library draws a quiet zone of one module, which is ours to draw.
    rows = tuple(tuple(pixel == 0 for pixel in row[1:-1]) for row in pixels[1:-1])
    return Code("GS1 DataMatrix", joined(list(elements)), rows, QUIET_MATRIX)


def svg(code: Code, *, pixels: int = 92, label: str = "") -> str:
    """The code as an SVG element of black on white: it is read by machines in every theme."""
    from html import escape

    side = code.size
    d = "".join(f"M{x + code.quiet} {y + code.quiet}h{n}v1h-{n}z" for x, y, n in code.runs())
    return (
        f'<svg class="code" width="{pixels}" height="{pixels}" viewBox="0 0 {side} {side}" role="img"'
        f' aria-label="{escape(label or code.text)}" shape-rendering="crispEdges">'
        f'<rect width="{side}" height="{side}" fill="#fff"/><path d="{d}" fill="#000"/></svg>'
    )
