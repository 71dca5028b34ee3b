"""The shift report on paper: a PDF of two A4 sides, made offline, the same for the same report.

The page at `/shift` prints as well; this is for those who file or mail it without a browser.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from asbuilt.views.shift.queries import Loss, Report
from asbuilt.web import words

if TYPE_CHECKING:
    from reportlab.platypus import Flowable

WIDTH_MM, MARGIN_MM = 210.0, 13.0
STOPS, NOTES, ITEMS, CAUSES = 24, 8, 10, 8
"""So many rows of each fit on two sides; what is left out is counted."""
FONTS = (("DejaVuSans.ttf", "DejaVuSans-Bold.ttf"), ("LiberationSans-Regular.ttf", "LiberationSans-Bold.ttf"),
         ("Vera.ttf", "VeraBd.ttf"))  # fmt: skip
"""Looked for in this order; the last ones come with the library and know Latin letters only."""
INK, GREY, PALE, RULE = "#14181a", "#70777b", "#d0d4d5", "#b4babd"


def shift_pdf(report: Report, plant: str) -> bytes:
    """The report as a PDF."""
    from reportlab.lib.pagesizes import A4
    from reportlab.lib.units import mm
    from reportlab.platypus import KeepInFrame, PageBreak, SimpleDocTemplate

    sheet = _Sheet()
    out = io.BytesIO()
    window = report.shift
    foot = f"{plant}, {report.name}, shift {window.id} of {window.day.isoformat()}, as of {report.at:%Y-%m-%d %H:%M}"
    document = SimpleDocTemplate(
        out, pagesize=A4, leftMargin=MARGIN_MM * mm, rightMargin=MARGIN_MM * mm, topMargin=12 * mm,
        bottomMargin=14 * mm, title=f"Shift {window.id}, {window.day.isoformat()}", author=plant, invariant=1,
    )  # fmt: skip

    def footer(canvas: Any, _: Any) -> None:
        canvas.setFont(sheet.plain, 7.5)
        canvas.setFillColor(GREY)
        canvas.drawString(MARGIN_MM * mm, 8 * mm, foot)
        canvas.drawRightString((WIDTH_MM - MARGIN_MM) * mm, 8 * mm, f"{canvas.getPageNumber()} of 2")

    # A side that would be too full is made smaller as a whole, so that it stays two sides.
    sides = [
        KeepInFrame(document.width - 12, document.height - 14, side, mode="shrink")
        for side in (_first(sheet, report), _second(sheet, report))
    ]
    story = [sides[0], PageBreak(), sides[1]]
    document.build(story, onFirstPage=footer, onLaterPages=footer)
    return out.getvalue()


def _first(sheet: _Sheet, report: Report) -> list[Flowable]:
    """What happened."""
    window, kpi = report.shift, report.kpi
    lead = f", {window.lead}" if window.lead else ""
    figures = [
        ("made / plan", f"{words.number(report.made)} / {report.planned}" if report.planned is not None else words.number(report.made)),
        *((name, f"{words.percent(value)} %" if value is not None else "—") for name, value in (
            ("OEE", kpi.oee), ("availability", kpi.availability), ("effectiveness", kpi.effectiveness),
            ("quality", kpi.quality_ratio), ("observed", kpi.coverage),
        )),
    ]  # fmt: skip
    most = max([1, *(max(hour.made or 0, hour.planned or 0) for hour in report.hours)])
    hours: list[list[Any]] = [
        [
            f"{hour.start:%H:%M} – {hour.end:%H:%M}", _text(hour.planned), _text(hour.made),
            words.signed(hour.made - hour.planned) if hour.made is not None and hour.planned is not None else "",
            sheet.bar(46, (hour.made or 0) / most, mark=(hour.planned or 0) / most if hour.planned else None),
            sheet.small(hour.reason + (f" {words.duration(hour.lost_s)}" if hour.reason else "")),
        ]
        for hour in report.hours
    ]  # fmt: skip
    doubts = [f"OEE withheld: {kpi.withheld['oee']}."] if "oee" in kpi.withheld else []
    doubts += [f"{words.capital(anomaly)}." for anomaly in kpi.anomalies[:4]]
    return [
        sheet.small(
            f"{report.name} · shift {window.id}{lead} · {words.day(window.start)} {window.start.year},"
            f" {window.start:%H:%M} – {window.end:%H:%M}"
        ),
        sheet.title(report.headline),
        *(sheet.small(doubt) for doubt in doubts),
        sheet.table([[name for name, _ in figures], [sheet.big(value) for _, value in figures]], [30.6] * 6, head=True),
        sheet.heading("Hour by hour"),
        sheet.table([["Hour", "Plan", "Made", "±", "", "Cost most"], *hours], [26, 12, 12, 12, 50, 72], head=True, right=(1, 2, 3)),
        sheet.heading("From planned time to good pieces"),
        sheet.table(_fall(sheet, report.losses), [46, 74, 24, 20], right=(2, 3)),
        sheet.heading("What cost time"),
        sheet.table(
            [["Reason", "", "Time", "Stops", "Adds up to"]]
            + [
                [cause.title, sheet.bar(70, cause.seconds / report.causes[0].seconds), words.duration(cause.seconds),
                 cause.count, f"{words.percent(cause.cumulated, 0)} %"]
                for cause in report.causes[:CAUSES]
            ],
            [52, 74, 20, 16, 22], head=True, right=(2, 3, 4),
        ) if report.causes else sheet.small(
            f"{'No station stood for a cause of its own' if kpi.coverage != 0 else 'What stations did is not known'}{report.seen}."
        ),
    ]  # fmt: skip


def _second(sheet: _Sheet, report: Report) -> list[Flowable]:
    """What is to be done."""
    waiting = [stop for stop in report.stops if stop.waiting]
    listed = [*waiting, *(stop for stop in report.stops if not stop.waiting)]
    stops: list[list[Any]] = [
        [
            stop.name, f"{stop.start:%H:%M:%S}", words.duration(stop.length_s), stop.state or "not told",
            sheet.small(stop.title + (f": {stop.message}" if stop.message else ""), limit=110),
            stop.explained_by or ("machine" if stop.reason else "waits"),
        ]
        for stop in listed[:STOPS]
    ]  # fmt: skip
    stations: list[list[Any]] = [
        [
            kpi.scope.rpartition("/")[2],
            *(words.percent(value) for value in (kpi.oee, kpi.availability, kpi.effectiveness, kpi.quality_ratio, kpi.first_pass_yield)),
            words.number(kpi.gq), words.number(kpi.sq), words.number(kpi.rq), words.percent(kpi.coverage, 0),
        ]
        for kpi in report.stations[:20]
    ]  # fmt: skip
    items = [
        sheet.small(
            f"{words.capital(item.item)}, {item.subject}: {item.text} ({item.by}, since {item.since:%d %b %H:%M})",
            limit=150,
        )
        for item in report.open_items[:ITEMS]
    ]
    notes = [sheet.small(f"{note.text} — {note.by}, {note.time:%H:%M}", limit=400) for note in report.notes[-NOTES:]]
    signed = [
        f"{one.by} handed this shift over on {one.time:%Y-%m-%d} at {one.time:%H:%M:%S}." for one in report.signed
    ]
    return [
        sheet.heading("Stops"),
        sheet.table([["Station", "From", "Lasted", "State", "Reason", "Said by"], *stops], [36, 18, 17, 20, 68, 25], head=True, right=(2,))
        if stops else sheet.small(
            f"{'No stop lasted longer than a short one' if report.kpi.coverage != 0 else 'Stops are not known'}{report.seen}."
        ),
        *_left_out(sheet, len(listed) - STOPS, "stop"),
        sheet.heading("Stations"),
        sheet.table(
            [["Station", "OEE", "Avail.", "Effect.", "Quality", "First pass", "Good", "Rejected", "Rework", "Observed"], *stations],
            [24, 17, 17, 17, 18, 20, 16, 19, 17, 19], head=True, right=range(1, 10),
        ),
        sheet.heading("Open at the end"),
        *(items or [sheet.small("No hold or nonconformance stands.")]),
        *_left_out(sheet, len(report.open_items) - ITEMS, "item"),
        sheet.heading("Notes for the next shift"),
        *(notes or [sheet.small("Nothing was written.")]),
        *_left_out(sheet, len(report.notes) - NOTES, "note"),
        sheet.heading("Handover"),
        *([sheet.small(line) for line in signed] or [sheet.small("Handed over by ______________________    Taken over by ______________________", space=9)]),
        *([sheet.small(f"{words.plural(report.late, 'reason')} came after it.")] if report.late else []),
    ]  # fmt: skip


def _left_out(sheet: _Sheet, count: int, what: str) -> list[Flowable]:
    return [sheet.small(f"And {words.plural(count, what)} more.")] if count > 0 else []


def _text(value: int | None) -> str:
    return "" if value is None else str(value)


def _fall(sheet: _Sheet, losses: Sequence[Loss]) -> list[list[Any]]:
    whole = max((loss.seconds for loss in losses), default=0.0) or 1.0
    level, rows = 0.0, []
    for loss in losses:
        if loss.level:
            level, begin, length = loss.seconds, 0.0, loss.seconds
        else:
            level = max(0.0, level - loss.seconds)
            begin, length = level, abs(loss.seconds)
        if loss.level or length >= 0.5:
            bar = sheet.bar(70, length / whole, begin=min(begin, whole) / whole, dark=not loss.level)
            rows.append(
                [
                    loss.name,
                    bar,
                    f"{loss.seconds / 3600:.2f} h".replace("-", "−"),
                    f"{words.percent(loss.seconds / whole)} %",
                ]
            )
    return rows


class _Sheet:
    """Fonts, styles and the few parts a sheet is made of."""

    def __init__(self) -> None:
        from reportlab.lib.styles import ParagraphStyle

        self.plain, self.bold = _fonts()
        self._small = ParagraphStyle("small", fontName=self.plain, fontSize=8, leading=10, textColor=INK)
        self._title = ParagraphStyle("title", fontName=self.bold, fontSize=14, leading=17, textColor=INK, spaceAfter=5)
        self._big = ParagraphStyle("big", fontName=self.bold, fontSize=13, leading=15, textColor=INK)
        self._heading = ParagraphStyle("heading", fontName=self.bold, fontSize=9.5, leading=12, textColor=INK, spaceBefore=8, spaceAfter=2)  # fmt: skip

    def small(self, text: str, *, limit: int = 300, space: float = 0) -> Flowable:
        """A piece of text; longer ones end with an ellipsis."""
        from reportlab.lib.styles import ParagraphStyle
        from reportlab.lib.units import mm
        from reportlab.platypus import Paragraph

        cut = text if len(text) <= limit else text[: limit - 1].rstrip() + "…"
        style = ParagraphStyle("spaced", self._small, spaceBefore=space * mm) if space else self._small
        return Paragraph(_safe(cut), style)

    def title(self, text: str) -> Flowable:
        """The finding."""
        from reportlab.platypus import Paragraph

        return Paragraph(_safe(text), self._title)

    def big(self, text: str) -> Flowable:
        """A figure."""
        from reportlab.platypus import Paragraph

        return Paragraph(_safe(text), self._big)

    def heading(self, text: str) -> Flowable:
        """A part's heading."""
        from reportlab.platypus import Paragraph

        return Paragraph(_safe(text), self._heading)

    def table(
        self, rows: list[list[Any]], widths_mm: Sequence[float], *, head: bool = False, right: Sequence[int] = ()
    ) -> Flowable:
        """Rows with thin rules; `right` columns hold numbers."""
        from reportlab.lib.units import mm
        from reportlab.platypus import Table

        style: list[tuple[Any, ...]] = [
            ("FONT", (0, 0), (-1, -1), self.plain, 8), ("TEXTCOLOR", (0, 0), (-1, -1), INK),
            ("VALIGN", (0, 0), (-1, -1), "MIDDLE"), ("TOPPADDING", (0, 0), (-1, -1), 1.2),
            ("BOTTOMPADDING", (0, 0), (-1, -1), 1.8), ("LEFTPADDING", (0, 0), (-1, -1), 0),
            ("RIGHTPADDING", (0, 0), (-1, -1), 6), ("LINEBELOW", (0, 0), (-1, -1), 0.3, RULE),
            *((("ALIGN", (column, 0), (column, -1), "RIGHT")) for column in right),
        ]  # fmt: skip
        if head:
            style += [("TEXTCOLOR", (0, 0), (-1, 0), GREY), ("FONTSIZE", (0, 0), (-1, 0), 7.5)]
        return Table(rows, [width * mm for width in widths_mm], style=style, hAlign="LEFT", repeatRows=int(head))

    def bar(
        self, width_mm: float, share: float, *, begin: float = 0.0, mark: float | None = None, dark: bool = False
    ) -> Flowable:
        """A bar as long as a share of its column."""
        from reportlab.graphics.shapes import Drawing, Line, Rect
        from reportlab.lib.units import mm

        width = width_mm * mm
        drawing = Drawing(width, 7)
        if mark is not None:
            drawing.add(Rect(0, 0.5, width, 6, fillColor=PALE, strokeColor=None))
        length = max(0.4, width * min(1.0, share)) if share else 0
        drawing.add(Rect(width * begin, 0.5, length, 6, fillColor=INK if dark else GREY, strokeColor=None))
        if mark is not None:
            drawing.add(Line(width * min(1.0, mark), 0, width * min(1.0, mark), 7, strokeColor=INK, strokeWidth=1.2))
        return drawing


def _safe(text: str) -> str:
    """Text as the library's markup."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").replace("\n", "<br/>")


def _fonts() -> tuple[str, str]:
    from reportlab.pdfbase import pdfmetrics
    from reportlab.pdfbase.ttfonts import TTFError, TTFont

    for plain, bold in FONTS:
        names = plain.removesuffix(".ttf"), bold.removesuffix(".ttf")
        try:
            for name, file in zip(names, (plain, bold), strict=True):
                if name not in pdfmetrics.getRegisteredFontNames():
                    pdfmetrics.registerFont(TTFont(name, file))
        except TTFError:
            continue
        return names
    return "Helvetica", "Helvetica-Bold"
