"""A product's drawing: read with the plant file, shapes and words only, filled with what was built."""

from __future__ import annotations

import pytest

from asbuilt.errors import PlantError
from asbuilt.plant import load, parse
from asbuilt.plant.drawing import parsed
from asbuilt.views.unit.drawing import Fit, Note, drawn, fits
from tests.conftest import ROOT

PLANT = """
[plant]
id = "works"
name = "Works"
zone = "Europe/Berlin"

[[product]]
id = "P7"
name = "Pump"
drawing = "pump.svg" # seen from above
"""
SVG = """<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 100 50">
<rect x="1" y="1" width="98" height="48" fill="var(--raise, #eee)" data-flag="Bearing"/>
<g data-part="Bearing" data-fit="bore" data-fit-word="fit">
<text data-say="position" x="5" y="10"/><text data-say="identity" x="5" y="20"/><text data-say="fit" x="5" y="30"/>
<rect data-say="scale" x="5" y="35" width="92" height="9"/><rect data-say="flag" x="80" y="5"/>
</g>
<g data-part="Seal"><text data-say="identity" x="50" y="20"/></g>
<text x="1" y="49">not to &lt;scale&gt;</text>
</svg>"""


def drawing(folder, svg=SVG):
    """The drawing as the plant file holds it once it is read."""
    (folder / "plant.toml").write_text(PLANT)
    (folder / "pump.svg").write_text(svg)
    return load(folder / "plant.toml")


def test_the_drawing_is_part_of_the_text_that_is_recorded(tmp_path):
    plant = drawing(tmp_path)
    assert plant.products["P7"].drawing == SVG
    again = parse(plant.text)
    assert again.products["P7"].drawing == SVG
    assert again.digest == plant.digest
    changed = drawing(tmp_path, SVG.replace("98", "97"))
    assert changed.digest != plant.digest, "another drawing is another plant file, recorded with its moment"


def test_a_plant_file_without_a_drawing_stays_byte_for_byte(tmp_path):
    text = PLANT.replace('drawing = "pump.svg" # seen from above\n', "")
    (tmp_path / "plant.toml").write_text(text)
    assert load(tmp_path / "plant.toml").text == text


def test_parts_that_were_built_in_are_written_and_others_left_out():
    bearing = Note("B<4>", "fit 36.004 mm", 36.004, 35.99, 36.01)
    shown = str(drawn(SVG, {"Bearing": bearing}))
    assert "B&lt;4&gt;" in shown
    assert "fit 36.004 mm" in shown
    assert "not to &lt;scale&gt;" in shown
    assert shown.count("<text") == 4
    assert "data-" not in shown
    assert 'aria-label="As-built drawing: Bearing B&lt;4&gt;"' in shown
    assert "var(--p2)" not in shown
    flagged = str(drawn(SVG, {"Bearing": Note("B4", flag=2), "Seal": Note("S-1")}))
    assert 'fill="var(--p2)"' in flagged
    assert "S-1" in flagged
    # Without a value there is neither scale nor fit; the flag's number is a text as well.
    assert flagged.count("<text") == 5
    assert "var(--band2)" not in flagged
    assert str(drawn(SVG, {})).count("<text") == 1


def test_fits_are_those_the_drawing_names():
    assert fits(SVG) == {"Bearing": Fit("bore", "Bearing", "fit")}


@pytest.mark.parametrize(
    ("right", "wrong", "why"),
    [
        ("<rect ", "<script>alert(1)</script><rect ", "<script> is not allowed"),
        ("<rect ", "<foreignObject/><rect ", "<foreignObject> is not allowed"),
        ("<rect ", "<style>*{}</style><rect ", "<style> is not allowed"),
        ("<rect ", '<rect onclick="x()" ', "<rect onclick=…> is not allowed"),
        ("<rect ", '<rect style="x" ', "<rect style=…> is not allowed"),
        ("<rect ", '<rect href="x" ', "href=…> is not allowed"),
        ('fill="var(--raise, #eee)"', 'fill="url(//elsewhere)"', "leads elsewhere"),
        ('fill="var(--raise, #eee)"', 'fill="javascript:x"', "leads elsewhere"),
        ('data-say="fit"', 'data-say="price"', "data-say is one of"),
        ('viewBox="0 0 100 50"', "", "viewBox"),
        ("</svg>", "", "not XML"),
        ("<svg", "<!DOCTYPE svg [<!ENTITY a 'b'>]><svg", "document type"),
        ("not to", "'''", "three quotation marks"),
        ("not to", "x" * 200_000, "longer than"),
        ("http://www.w3.org/2000/svg", "http://www.w3.org/1999/xhtml", "no SVG"),
    ],
)
def test_what_could_do_harm_is_refused_with_line_and_remedy(tmp_path, right, wrong, why):
    with pytest.raises(PlantError) as refused:
        drawing(tmp_path, SVG.replace(right, wrong, 1))
    assert why in refused.value.message
    assert refused.value.where == f"{tmp_path / 'plant.toml'}:10"
    assert refused.value.remedy


def test_a_drawing_that_is_not_there_is_told(tmp_path):
    (tmp_path / "plant.toml").write_text(PLANT)
    with pytest.raises(PlantError, match="No such file"):
        load(tmp_path / "plant.toml")


def test_the_boxer_has_its_drawing_and_the_product_knows_no_engine():
    plant = load(ROOT / "examples" / "boxer" / "plant.toml")
    product = plant.products["BX172"]
    positions = {position for part in product.part for position in part.positions}
    drawn_parts = {
        part
        for e in parsed(product.drawing or "").iter()
        for part in [e.get("data-part") or e.get("data-flag")]
        if part
    }
    assert drawn_parts <= positions
    assert {fit.characteristic for fit in fits(product.drawing or "").values()} <= {
        c.id for c in product.characteristic
    }
    views = [*(ROOT / "asbuilt" / "views").rglob("*.py"), *(ROOT / "asbuilt" / "web").rglob("*.py")]
    assert not [path for path in views for word in ("Crankshaft", "boxer", "Piston") if word in path.read_text()]
