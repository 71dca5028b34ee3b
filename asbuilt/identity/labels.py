"""Labels with a code (QR or GS1 DataMatrix) and words, in batches: SVG, PDF (one label a page) and ZPL II for label printers."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape
from typing import NamedTuple

from asbuilt.identity.codes import Code
from asbuilt.identity.elements import GS

WIDTH_MM, HEIGHT_MM = 50.0, 25.0
DOTS_PER_MM = 8
"""A printer of 203 dpi."""
_POINTS = 72 / 25.4


class Label(NamedTuple):
    """The code that is scanned, and up to three lines for people; the first is set large."""

    code: Code
    lines: Sequence[str]


def svg(label: Label) -> str:
    """One label as an SVG document, 50 × 25 mm."""
    side = label.code.size
    scale = (HEIGHT_MM - 3) / side
    d = "".join(f"M{x + label.code.quiet} {y + label.code.quiet}h{n}v1h-{n}z" for x, y, n in label.code.runs())
    words = "".join(
        f'<text x="{HEIGHT_MM}" y="{8 + 5.5 * at}" font-family="sans-serif" font-size="{_height_mm(at, line):.2f}"'
        f' font-weight="{700 if at == 0 else 400}">{escape(line)}</text>'
        for at, line in enumerate(label.lines[:3])
    )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH_MM:g}mm" height="{HEIGHT_MM:g}mm"'
        f' viewBox="0 0 {WIDTH_MM:g} {HEIGHT_MM:g}"><rect width="{WIDTH_MM:g}" height="{HEIGHT_MM:g}" fill="#fff"/>'
        f'<path transform="translate(1.5 1.5) scale({scale:.5f})" d="{d}"/>{words}</svg>'
    )


def _height_mm(at: int, line: str) -> float:
    """How large a line is set: the first large, and each so small that it fits beside the code."""
    wanted, breadth = (4.2, 0.62) if at == 0 else (2.8, 0.58)
    return min(wanted, (WIDTH_MM - HEIGHT_MM - 1) / (breadth * max(len(line), 1)))


def zpl(labels: Iterable[Label]) -> str:
    """A batch for a label printer (ZPL II): the printer draws the code itself."""
    found = []
    for label in labels:
        lines = "".join(
            f"^FO{25 * DOTS_PER_MM},{(4 + 6 * at) * DOTS_PER_MM}^A0N,{36 if at == 0 else 22}^FH^FD{_zpl(line)}^FS"
            for at, line in enumerate(label.lines[:3])
        )
        found.append(
            f"^XA^CI28^PW{int(WIDTH_MM * DOTS_PER_MM)}^LL{int(HEIGHT_MM * DOTS_PER_MM)}"
            f"^FO12,12{_zpl_code(label.code)}{lines}^XZ"
        )
    return "\n".join(found) + "\n"


def _zpl_code(code: Code) -> str:
    if code.symbol == "QR code":
        return f"^BQN,2,4^FH^FDMA,{_zpl(code.text)}^FS"
    # `@`, which GS1 has in no value, leads what is no character: 1 is FNC1, d029 the separator GS.
    return f"^BXN,{176 // code.size},200,,,,@^FD@1{code.text.replace(GS, '@d029')}^FS"


def _zpl(text: str) -> str:
    """Text after ^FH: what means something to the printer is written as hexadecimal."""
    return "".join(f"_{ord(c):02X}" if c in "^~_\\" else c for c in text)


# --------------------------------------------------------------------------- PDF


def pdf(labels: Sequence[Label]) -> bytes:
    """A batch as PDF 1.4, one label of 50 × 25 mm on each page, codes as filled squares."""
    objects: list[bytes] = [b"<</Type/Catalog/Pages 2 0 R>>", b"", b"<</Type/Font/Subtype/Type1/BaseFont/Helvetica/Encoding/WinAnsiEncoding>>",
                            b"<</Type/Font/Subtype/Type1/BaseFont/Helvetica-Bold/Encoding/WinAnsiEncoding>>"]  # fmt: skip
    pages = []
    box = f"[0 0 {WIDTH_MM * _POINTS:.2f} {HEIGHT_MM * _POINTS:.2f}]"
    for label in labels:
        drawn = _page(label)
        objects.append(b"<</Length %d>>stream\n%b\nendstream" % (len(drawn), drawn))
        content = len(objects)
        objects.append(
            f"<</Type/Page/Parent 2 0 R/MediaBox{box}/Contents {content} 0 R/Resources<</Font<</F 3 0 R/B 4 0 R>>>>>>".encode()
        )
        pages.append(len(objects))
    kids = " ".join(f"{page} 0 R" for page in pages)
    objects[1] = f"<</Type/Pages/Count {len(pages)}/Kids[{kids}]>>".encode()
    return _file(objects)


def _page(label: Label) -> bytes:
    side = label.code.size
    scale = (HEIGHT_MM - 3) * _POINTS / side
    top = (HEIGHT_MM - 1.5) * _POINTS
    drawn = [
        f"{1.5 * _POINTS + (x + label.code.quiet) * scale:.3f} {top - (y + label.code.quiet + 1) * scale:.3f} {n * scale:.3f} {scale:.3f} re"
        for x, y, n in label.code.runs()
    ]
    drawn.append("f")
    for at, line in enumerate(label.lines[:3]):
        font, size = "B" if at == 0 else "F", _height_mm(at, line) * _POINTS
        x, y = HEIGHT_MM * _POINTS, (HEIGHT_MM - 8 - 5.5 * at) * _POINTS
        drawn.append(f"BT /{font} {size:.2f} Tf {x:.2f} {y:.2f} Td ({_pdf(line)}) Tj ET")
    return "\n".join(drawn).encode("cp1252", "replace")


def _pdf(text: str) -> str:
    return text.replace("\\", "\\\\").replace("(", "\\(").replace(")", "\\)")


def _file(objects: Sequence[bytes]) -> bytes:
    out, places = bytearray(b"%PDF-1.4\n"), []
    for number, body in enumerate(objects, 1):
        places.append(len(out))
        out += b"%d 0 obj\n%b\nendobj\n" % (number, body)
    start = len(out)
    out += b"xref\n0 %d\n0000000000 65535 f \n" % (len(objects) + 1)
    out += b"".join(b"%010d 00000 n \n" % place for place in places)
    out += b"trailer<</Size %d/Root 1 0 R>>\nstartxref\n%d\n%%%%EOF\n" % (len(objects) + 1, start)
    return bytes(out)
