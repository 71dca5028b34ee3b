"""Every token that carries meaning stands out enough from every ground it is put on (WCAG 2.2 AA)."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import asbuilt.web

CSS = (Path(asbuilt.web.__file__).parent / "static" / "asbuilt.css").read_text()
TEXT, GRAPHIC = 4.5, 3.0
GROUNDS = ("field", "panel", "tile", "raise")

Colour = tuple[float, float, float]


def _block(selector: str) -> dict[str, str]:
    """The tokens of the first rule with this selector."""
    found = re.search(rf"(?:^|\n)\s*{re.escape(selector)} {{(.*?)}}", CSS, re.DOTALL)
    assert found, selector
    return dict(re.findall(r"--([\w-]+):\s*([^;]+);", found[1]))


THEMES = {"light": _block(":root, [data-theme=light]"), "dark": _block("[data-theme=dark]")}


def _colour(text: str, ground: Colour = (0, 0, 0)) -> Colour:
    digits = text.removeprefix("#")
    if len(digits) in (3, 4):
        digits = "".join(digit * 2 for digit in digits)
    red, green, blue, *alpha = (int(digits[at : at + 2], 16) / 255 for at in range(0, len(digits), 2))
    share = alpha[0] if alpha else 1.0
    return tuple(share * top + (1 - share) * below for top, below in zip((red, green, blue), ground, strict=True))  # type: ignore[return-value]


def _luminance(colour: Colour) -> float:
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in colour)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(a: Colour, b: Colour) -> float:
    """1 (the same) to 21 (black and white)."""
    high, low = sorted((_luminance(a), _luminance(b)), reverse=True)
    return (high + 0.05) / (low + 0.05)


def test_the_measure_is_right():
    assert contrast(_colour("#000"), _colour("#fff")) == pytest.approx(21)
    assert contrast(_colour("#777"), _colour("#ffffff")) == pytest.approx(4.48, abs=0.01)


@pytest.mark.parametrize("theme", THEMES)
@pytest.mark.parametrize("ink", ["ink1", "ink2", "ink3"])
@pytest.mark.parametrize("ground", GROUNDS)
def test_text_is_read_on_every_ground_hatched_or_not(theme, ink, ground):
    tokens = THEMES[theme]
    under = _colour(tokens[ground])
    assert contrast(_colour(tokens[ink]), under) >= TEXT
    if ground in ("field", "panel"):  # what is hatched lies on these
        assert contrast(_colour(tokens[ink]), _colour(tokens["hatch"], under)) >= TEXT


@pytest.mark.parametrize("theme", THEMES)
def test_bars_and_glyphs_are_read(theme):
    tokens = {name: _colour(value) for name, value in THEMES[theme].items() if value.startswith("#")}
    # Dead bar and bar of the past.
    assert contrast(tokens["panel"], tokens["ink1"]) >= TEXT
    assert contrast(tokens["ink1"], tokens["accent-bg"]) >= TEXT
    for priority in "1234":
        assert contrast(tokens[f"on{priority}"], tokens[f"p{priority}"]) >= TEXT


@pytest.mark.parametrize("theme", THEMES)
@pytest.mark.parametrize("ground", ["panel", "tile"])
def test_priorities_stand_out_by_colour_or_by_their_outline(theme, ground):
    tokens = THEMES[theme]
    under = _colour(tokens[ground])
    for priority in "1234":
        colour = contrast(_colour(tokens[f"p{priority}"]), under)
        outline = 1.0
        if tokens["glyphline"].startswith("#"):
            outline = contrast(_colour(tokens["glyphline"]), under)
        assert max(colour, outline) >= GRAPHIC, priority


@pytest.mark.parametrize("theme", THEMES)
def test_what_is_drawn_or_pressed_stands_out(theme):
    tokens = {name: _colour(value) for name, value in THEMES[theme].items() if value.startswith("#")}
    for ground in ("panel", "tile", "field"):
        assert contrast(tokens["shape"], tokens[ground]) >= GRAPHIC
        assert contrast(tokens["accent"], tokens[ground]) >= GRAPHIC
        assert contrast(tokens["ink2"], tokens[ground]) >= GRAPHIC
    for ground in ("panel", "raise"):
        assert contrast(tokens["edge"], tokens[ground]) >= GRAPHIC


def test_dark_by_the_system_is_dark_by_choice():
    by_system = re.search(r":root:not\(\[data-theme\]\) {(.*?)}", CSS, re.DOTALL)
    assert by_system
    assert dict(re.findall(r"--([\w-]+):\s*([^;]+);", by_system[1])) == THEMES["dark"]


def test_every_token_that_is_used_is_defined():
    everything = CSS + "".join(
        path.read_text() for path in Path(asbuilt.web.__file__).parents[1].rglob("*") if path.suffix in (".html", ".py")
    )
    used = set(re.findall(r"var\(--([\w-]+)\)", everything)) - {"{stroke}", "{fill}"}
    defined = set(re.findall(r"--([\w-]+):", CSS))
    assert used <= defined, used - defined
    assert set(THEMES["dark"]) == set(THEMES["light"])


def test_the_style_sheet_loads_nothing():
    assert "@import" not in CSS
    assert not re.search(r"url\((?!#)", CSS)
