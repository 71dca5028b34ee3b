"""What scanners send: each situation with its right reading, and any elements come back from every carrier."""

from __future__ import annotations

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asbuilt.errors import UsageError
from asbuilt.identity import scan
from asbuilt.identity.elements import GS, Element, brackets, check_digit, joined, parts_of, split
from asbuilt.identity.link import elements_of

G = "09506000134352"

READINGS = {
    f"]d201{G}21S1": {"gtin": G, "serial": "S1"},
    f"01{G}21S1": {"gtin": G, "serial": "S1"},
    f"]C101{G}10L1{GS}21S1": {"gtin": G, "lot": "L1", "serial": "S1"},
    f"]d201{G}1126112821S": {"gtin": G, "serial": "S"},
    f"]d201{G}21S{GS}240A{GS}91x": {"gtin": G, "serial": "S"},
    f"]d201{G}21A(10)B": {"gtin": G, "serial": "A(10)B"},
    f"https://h/p/01/{G}/21/A%2FB?17=261231": {"gtin": G, "serial": "A/B"},
    "https://id.gs1.org/AN2yxDhfaiaw": {"container": "998440410914660971"},
    f"https://example.org/gtin/{G}/ser/1": {"gtin": G, "serial": "1"},
    f"https://example.org/gtin/{G}/lot/L/ser/1": {"gtin": G, "lot": "L", "serial": "1"},
    "]C100998440410914660971": {"container": "998440410914660971"},
    f"]d28010C{GS}80111": {"part": "C", "serial": "1"},
    "]d1S1": {"form": "plain", "text": "S1"},
    "21S1": {"form": "plain", "text": "21S1"},
    "hello wor": {"form": "plain", "text": "hello wor"},
    f"(01){G}(21)S(10)L": {"gtin": G, "serial": "S", "lot": "L"},
    f"(01){G}(21)A(10)B(10)L": {"serial": "A", "lot": "B(10)L"},
    f"(01){G}(21)A(99999)B": {"serial": "A(99999)B"},
    f"01{G}10L1<GS>21S1": {"lot": "L1", "serial": "S1"},
    "https://example.org/": {"form": "plain"},
    "https://example.org/products": {"form": "plain"},
    "[)>\x1e06\x1dP4711-3\x1d1TL77\x1dSA9\x1dQ12\x1e\x04": {"part": "4711-3", "lot": "L77", "serial": "A9"},
    "": {"form": "plain", "text": ""},
    "0123456789012345678": {"form": "plain"},
    "CC-0119": {"form": "plain", "text": "CC-0119"},
}


@pytest.mark.parametrize("text", READINGS, ids=lambda text: text.replace("\x1d", "·").replace("\x1e", "¶") or "nothing")
def test_readings(text):
    found = scan.read(text)
    wanted = READINGS[text]
    assert {name: getattr(found, name) for name in wanted} == wanted
    assert not found.doubt


REFUSED = {
    "]d201095060001343532" + "1S1": "check digit",
    "01095060001343531721S": "check digit|form",
    f"]d201{G}21{'x' * 21}": "21 characters",
    f"]d201{G}21": "form",
    "+d201" + G: "keyboard layout",
    f")01={G}": "keyboard layout",
    f"]D201{G}21s1": "exchanged",
    "]d2zz": "no GS1 element",
    f"https://example.org/01/{G[:-1]}3/21/S": "check digit",
    "[)>\x1e05\x1dX\x1e\x04": "format is 05",
    "]d2" + "91" + "x" * 5_000: "4,000",
}


@pytest.mark.parametrize("text", REFUSED, ids=lambda text: text[:30])
def test_refused(text):
    with pytest.raises(UsageError, match=REFUSED[text]):
        scan.read(text)


def test_a_lost_separator_is_asked_about():
    found = scan.read(f"01{G}10L121S1")
    assert found.lot == "L121S1" and "the lot L1 and the serial S1" in found.doubt
    assert not scan.read(f"01{G}10L7").doubt
    assert not scan.read(f"]d201{G}10L121S1{GS}21X").doubt, "a serial is told: nothing was lost"


# --------------------------------------------------------------------------- any elements come back

SET_82 = string.ascii_letters + string.digits + "!\"%&'()*+,-./:;<=>?_"
GTINS = st.integers(0, 10**13 - 1).map(lambda number: f"{number:013d}").map(lambda d: d + str(check_digit(d)))


def told(ai: str) -> st.SearchStrategy[Element]:
    kinds = {
        "N": string.digits,
        "X": SET_82,
        "Y": "#-/" + string.ascii_uppercase + string.digits,
        "Z": string.ascii_letters,
    }
    if ai in ("01", "02", "8001"):
        return GTINS.map(lambda gtin: Element(ai, gtin))
    texts = [st.text(kinds[part.kind], min_size=max(part.least, 1), max_size=part.most) for part in parts_of(ai)]
    return st.tuples(*texts).map(lambda found: Element(ai, "".join(found)))


ELEMENTS = st.lists(
    st.sampled_from(["10", "21", "11", "240", "8010", "91", "3103", "37", "421", "7003", "02", "20"]),
    unique=True, min_size=1, max_size=6,
).flatmap(lambda ais: st.tuples(*map(told, ais)).map(list))  # fmt: skip


@given(ELEMENTS)
def test_elements_come_back_from_a_symbol(elements):
    assert split(joined(elements)) == elements
    assert [Element(*one) for one in scan.read("]d2" + joined(elements)).told] == elements
    assert [Element(*one) for one in scan.read("]C1" + GS + joined(elements) + GS).told] == elements


@given(GTINS, st.text(SET_82, min_size=1, max_size=20))
def test_serials_come_back_from_print_and_link(gtin, serial):
    elements = [Element("01", gtin), Element("21", serial)]
    assert scan.read("]Q3" + joined(elements)).serial == serial
    found = scan.read(f"https://example.org/01/{gtin}/21/{''.join(f'%{ord(c):02X}' for c in serial)}")
    assert (found.gtin, found.serial) == (gtin, serial)
    printed = brackets(f"(01){gtin}(21){serial.replace('(', '<')}")
    assert printed == [elements[0], Element("21", serial.replace("(", "<"))]


@given(st.text(max_size=60) | st.text(SET_82 + GS + "\x1e\x04[]>", max_size=60).map(lambda text: "]d2" + text))
def test_nothing_that_is_scanned_breaks_anything(text):
    try:
        found = scan.read(text)
    except UsageError:
        return
    assert found.form != "plain" or not found.told


@given(st.text("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_", min_size=8, max_size=60))
def test_a_word_is_hardly_ever_taken_for_a_compressed_link(word):
    for ai, value in elements_of(f"https://example.org/{word}"):
        assert parts_of(ai) and value
