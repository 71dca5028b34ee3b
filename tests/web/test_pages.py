"""Every page, as it comes from the server: whole, the same as live, strict, and plain about errors."""

from __future__ import annotations

import asyncio
import re

import pytest

from asbuilt.access import EVERYBODY
from asbuilt.app import AsBuilt
from asbuilt.plant import parse
from asbuilt.web.site import STATIC
from asbuilt.web.svg import PATTERNS, indicator
from tests.web.markup import Element, read
from tests.web.scripted import PLANT_TEXT, Told, at, morning, shop

ADDRESSES = ["/line", "/line/1", "/line/shop", "/orders", "/orders/2418", "/sources", "/site", "/unit", "/unit/00001",
             "/trace", "/search", "/line/1/station/10", "/shift/2026-06-03/A", "/kpi", "/alarms", "/disclosures",
             "/disclosures/D-1"]  # fmt: skip
OTHERS = {"/shift": "sends on to the shift at work", "/kpi/window": "is opened with a window, see test_shift_pages"}


def page(app: AsBuilt, address: str, status: int = 200, **options: object) -> Element:
    response = app.client.get(address, **options)
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "text/html; charset=utf-8"
    return read(response.text)


def words(app: AsBuilt, address: str, **options: object) -> str:
    return page(app, address, **options).one("main").text


# --------------------------------------------------------------------------- whole


def test_these_are_all_pages_that_discovery_finds(morning_app):
    patterns = {page.address for view in morning_app.views.values() if view.page for page in view.page.PAGES}
    found = [morning_app.client.site._find(address, live_only=False) for address in ADDRESSES]
    assert patterns == {page.address for _, page, _ in found} | set(OTHERS)


@pytest.mark.parametrize("address", ADDRESSES)
def test_a_page_is_whole(morning_app, address):
    document = page(morning_app, address)
    assert document.one("html").attributes["lang"] == "en"
    assert document.one("head").one("title").children[0].endswith(" · asbuilt")
    assert len(document.one("main").all("h1")) == 1
    assert document.one("main").one("h1").text
    assert document.one("nav").all("a", aria_current="page")
    shortcuts = [link.attributes["data-key"] for link in document.one("nav").all("a")]
    assert len(shortcuts) == len(set(shortcuts)) == len(morning_app.client.site.menu)


@pytest.mark.parametrize("address", ADDRESSES)
def test_the_first_load_shows_what_the_stream_would_send(morning_app, address):
    html = morning_app.client.get(address).text
    site = morning_app.client.site
    found = site._find(address)
    if found is None:
        assert "data-live" not in html
        return
    view, shown, given = found
    live = site._live_page(view, shown, given, EVERYBODY)
    rendered = asyncio.run(live._render())
    assert rendered.fragments
    for name, fragment in rendered.fragments.items():
        assert str(fragment) in html, name
        assert read(str(fragment)).children[0].attributes["id"] == name
    assert f"since={site.live.boot}.{live.number}" in html


@pytest.mark.parametrize("address", [*ADDRESSES, "/line/9", "/nowhere", "/line/1?at=2026-06-03T07:00"])
def test_a_page_carries_no_style_script_or_handler_of_its_own(morning_app, address):
    document = read(morning_app.client.get(address).text)
    for element in document:
        assert not {name for name in element.attributes if name.startswith("on")}, element
        assert "style" not in element.attributes, element
        assert element.tag not in ("style", "iframe", "object", "embed", "base"), element
        for name in ("href", "src", "action"):
            assert re.match(r"/[^/]|/$|#", element.attributes.get(name, "/")), element
        if element.tag == "script":
            assert not element.children
            assert element.attributes["src"].startswith("/static/")
    for reference in re.findall(r"url\((.+?)\)", str(document)):
        assert f'id="{reference[1:]}"' in PATTERNS


def test_what_a_page_loads_is_there_and_may_be_kept(morning_app):
    document = page(morning_app, "/line/1")
    loaded = [element.attributes.get("src") or element.attributes["href"] for element in document.all("script")]
    loaded += [link.attributes["href"] for link in document.all("link")]
    assert len(loaded) == 2 + len(list(STATIC.glob("*.css")))
    for address in [*loaded, loaded[0].replace("page.js", "morph.js"), loaded[0].replace("page.js", "keys.js")]:
        answer = morning_app.client.get(address)
        assert answer.status_code == 200
        assert "immutable" in answer.headers["cache-control"]
        assert answer.headers["content-type"].split(";")[0] in ("text/css", "text/javascript", "image/svg+xml")
    assert morning_app.client.get("/static/x/nothing.js").status_code == 404
    assert morning_app.client.get("/static/x/..%2Fsite.py").status_code == 404


def test_the_front_door_leads_to_the_only_line_or_to_the_list(morning_app):
    assert morning_app.client.get("/").headers["location"] == "/line"
    begin, end = PLANT_TEXT.index('[[site.area.line]]\nid = "shop"'), PLANT_TEXT.index("[[product]]")
    with shop(plant=parse(PLANT_TEXT[:begin] + PLANT_TEXT[end:])) as app:
        assert app.client.get("/").headers["location"] == "/line/1"


def test_a_line_is_found_by_its_path_where_its_id_is_not_the_only_one():
    twin = '[[site]]\nid = "second"\nname = "Second"\n[[site.area]]\nid = "hall"\nname = "Hall"\n[[site.area.line]]\nid = "1"\nname = "Twin"\n'  # fmt: skip
    with shop(plant=parse(PLANT_TEXT + twin)) as app:
        links = [row.attributes["href"] for row in page(app, "/line").all("a", class_="line-row")]
        assert links == ["/line/works/main/hall/1", "/line/shop", "/line/works/second/hall/1"]
        assert "Line 1" in words(app, links[0])
        assert "Twin" in words(app, links[2])
        assert "page=%2Fline%2Fworks%2Fsecond%2Fhall%2F1&" in page(app, links[2]).one("body").attributes["data-stream"]


def test_without_a_plant_file_every_page_says_what_to_do(app):
    for address in ("/line", "/orders", "/sources"):
        assert page(app, address).one("main").one("h1").text
    assert "The plant file has no line yet" in words(app, "/line")


# --------------------------------------------------------------------------- what the line page says


def test_the_line_page_says_what_holds_the_line(morning_app):
    document = page(morning_app, "/line/1")
    assert document.one("h1").text == "Fuel and ignition is holding the line. Test is starved."
    assert (
        document.one("p", class_="ctx").text == "Line 1 · P7 Pump, rev. B · order 2418, 138 of 600 · shift A, T. Moreau"
    )
    figures = document.one(id="head-output").text
    assert figures == "made / plan now 138 / 150 −12"
    assert document.one(id="head-cadence").text == "cadence, takt 1:00 1:00"
    assert document.one(id="head-yield").text == "rolled yield 100 %"
    assert document.one(id="head-wip").text == "on line 2"


def test_a_tile_tells_state_cause_cycle_value_and_output(morning_app):
    document = page(morning_app, "/line/1")
    held = document.one(id="st-20")
    assert held.attributes["aria-label"] == "Station 20 Fuel and ignition: Held"
    assert "edge-p2" in held.classes
    assert held.one(class_="stt").text == "Held 10:00"
    assert held.one(class_="cause").text == "Coolant, oil"
    assert held.one(class_="cyc").text == "cycle 00139 10:00"
    assert held.all("svg", aria_label="priority 2")
    assert held.one(class_="foot").text == "FPY 100 out 139 10 min"
    first = document.one(id="st-10")
    assert first.one(class_="value").text == "35.003"
    assert first.all("svg", aria_label="Bore Ø 35.003 mm")
    assert document.one(id="st-30").all("svg", aria_label="Leak rate 5.8 ml/min, near a limit")
    assert document.one(id="st-30").one(class_="cause").text == "Waiting for Fuel and ignition"


def test_a_buffer_tells_how_many_wait_and_when_it_is_full(morning_app):
    document = page(morning_app, "/line/1")
    assert document.one(id="buf-10").attributes["aria-label"] == "buffer after 10: 0 of 4, full at 08:33"
    assert document.one(id="buf-10").text == "0 /4 full 08:33"
    assert document.one(id="buf-20").text == "1 /4"


def test_the_chart_says_in_words_and_in_a_table_what_it_draws(morning_app):
    document = page(morning_app, "/line/1")
    chart = document.one(id="output").one("svg", class_="chart")
    assert chart.attributes["aria-label"] == "Shift A: 138 made of 150 planned by now, 465 planned in all"
    rows = [row.text for row in document.one(id="output-table").one("tbody").all("tr")]
    assert rows[:4] == [
        "06:00 – 07:00 60 57 −3",
        "07:00 – 08:00 60 60 ±0",
        "08:00 – 09:00 60 21 Coolant, oil",
        "09:00 – 10:00 45",
    ]


def test_an_alarm_stands_with_its_response(morning_app):
    alarm = page(morning_app, "/line/1").one(id="alarms").one("li")
    assert alarm.text.endswith(
        "Oil too warm Acknowledge 20 Fuel and ignition · 31.8 °C, limit 30.0 · since 08:20:05 Open the valve."
    )
    counts = page(morning_app, "/line/1").one(id="counts")
    assert [count.text[-1] for count in counts.all("span")] == ["0", "1", "0", "0"]


def test_a_job_shop_says_who_is_at_work(morning_app):
    document = page(morning_app, "/line/shop", params={"at": "2026-06-03T08:00"})
    assert document.one("h1").text == "1 job in work at 1 of 2 stations, most at lathe."
    assert document.one(id="st-lathe").one(class_="cause").text == "A. Aas"


def test_orders_and_sources_open_with_their_finding(morning_app):
    assert page(morning_app, "/orders").one("h1").text == "1 order is open, not late."
    assert page(morning_app, "/orders/2418").one("h1").text == "Order 2418 has made 138 of 600."
    assert page(morning_app, "/sources").one("h1").text == "All watched sources are heard."
    # What holds for a source that has no period of its own is said where the sources are.
    said = page(morning_app, "/sources").one("main").text
    assert "A source without a period: its last word holds 8 h where the station ran, 7 d where it stood" in said
    unwatched = parse(PLANT_TEXT.replace("fresh_s = 2\n", ""))
    with shop(plant=unwatched) as app:
        assert page(app, "/sources").one("h1").text == "No source is watched."


# --------------------------------------------------------------------------- variables


def test_the_wall_and_unknown_variables(morning_app):
    assert page(morning_app, "/line/1?wall=1").one("html").attributes["data-wall"] == "yes"
    assert "data-wall" not in page(morning_app, "/line/1?wall=0").one("html").attributes
    assert page(morning_app, "/line/1?reader=x&at=&foo=%00&line=9").one("h1").text.startswith("Fuel and ignition")


def test_the_theme_is_kept_in_a_cookie(morning_app):
    assert "data-theme" not in page(morning_app, "/line/1").one("html").attributes
    for theme, other in (("dark", "light"), ("light", "dark")):
        answer = morning_app.client.get(f"/theme/{theme}?back=/line/1", follow_redirects=False)
        assert (answer.status_code, answer.headers["location"]) == (303, "/line/1")
        cookie = answer.headers["set-cookie"]
        assert cookie.startswith(f"theme={theme};")
        assert "samesite=strict" in cookie.lower()
        morning_app.client._http.cookies.clear()
        document = page(morning_app, "/line/1", headers={"cookie": f"theme={theme}"})
        assert document.one("html").attributes["data-theme"] == theme
        assert document.one(id="theme").attributes["href"].startswith(f"/theme/{other}?")
    assert "data-theme" not in page(morning_app, "/line/1", headers={"cookie": "theme=x"}).one("html").attributes


@pytest.mark.parametrize(
    "back",
    ["//evil.example/", "https://evil.example/", "/\\evil.example", "\\\\evil.example", "javascript:alert(1)",
     "/line\r\nset-cookie: a=b", "%2F%2Fevil.example", "", "///evil.example", "/\t/evil.example"],
)  # fmt: skip
def test_the_theme_leads_nowhere_else(morning_app, back):
    answer = morning_app.client.get("/theme/dark", params={"back": back}, follow_redirects=False)
    morning_app.client._http.cookies.clear()
    assert answer.headers["location"] == "/"


def test_the_theme_keeps_the_moment_looked_at(morning_app):
    document = page(morning_app, "/line/1?at=2026-06-03T07:00&wall=1")
    assert (
        document.one(id="theme").attributes["href"] == "/theme/dark?back=/line/1%3Fat%3D2026-06-03T07%3A00%26wall%3D1"
    )


# --------------------------------------------------------------------------- errors


@pytest.mark.parametrize(
    ("address", "title", "remedy"),
    [
        ("/line/9", "There is no line 9", "The plant has: 1, shop."),
        ("/orders/nix", "Nothing is known of an order nix", "asbuilt query order.list names the orders."),
        ("/nowhere", "There is no page at this address.", "Choose one from the bar above."),
        ("/line/1?at=yesterday", "At=yesterday is not a time", "Give at as 2025-11-18T17:26."),
        ("/line/1?at=0001-01-01", "At=0001-01-01 is not a time", "Give at as 2025-11-18T17:26."),
        ("/line/1?at=9999-12-31T23:59:59", "At=9999-12-31T23:59:59 is not a time", "Give at as 2025-11-18T17:26."),
        ("/static/x", "There is no page at this address.", "Choose one from the bar above."),
        ("/theme", "There is no page at this address.", "Choose one from the bar above."),
    ],
)
def test_an_error_is_a_page_with_its_remedy(morning_app, address, title, remedy):
    document = page(morning_app, address, status=404)
    problem = document.one(class_="problem")
    assert problem.one("h1").text == title
    assert problem.one("p").text == remedy
    assert document.one("nav").all("a")
    assert "data-live" not in document.one("html").attributes


def test_a_fault_of_the_product_is_a_page_too_and_is_logged(caplog, monkeypatch):
    with shop() as app:
        monkeypatch.setattr("asbuilt.views.order.queries.totals", lambda *_, **__: 1 / 0)
        document = page(app, "/orders", status=500)
        assert document.one("h1").text == "A fault of the product: ZeroDivisionError: division by zero"
        assert "Nothing recorded is lost" in document.one("main").text
    assert "/orders" in caplog.text
    assert "ZeroDivisionError" in caplog.text


def test_other_methods_are_refused(morning_app):
    for method in ("POST", "PUT", "DELETE"):
        assert morning_app.client.request(method, "/line/1").status_code == 405
    assert morning_app.client.request("HEAD", "/line/1").status_code in (200, 405)


# --------------------------------------------------------------------------- hostile names

EVIL = "<script>alert(1)</script>\"'><img src=x onerror=alert(1)>&lt; مرحبا"


def test_names_and_words_are_shown_as_they_are_and_never_run():
    text = PLANT_TEXT.replace('name = "Fuel and ignition"', f"name = '''{EVIL}'''")
    text = text.replace('lead = "T. Moreau"', "lead = '''<b onclick=x>'''").replace("Coolant, oil", "<i>'\\\"")
    told = morning()
    told.start("10", EVIL, "08:29:00", order=EVIL)
    told.alarm("20", EVIL, "08:25", text=EVIL, response=EVIL, detail=EVIL)
    told.state("10", "Held", "08:29:30", message=EVIL)
    told.value("10", "bore", "35", "08:29:40")
    told.report("lathe", "07:00", "09:00", order=EVIL, operation=EVIL, by=EVIL)
    told.tell(told_kind("OrderReleased"), "05:00", order=EVIL, product=EVIL, quantity=1)
    told.state("10/x", "Held", "08:00")
    told.facts[-1] = told_kind("StateChanged")(
        id=told.facts[-1].id, event_time=at("08:00"), source=EVIL, station=f"works/main/hall/1/{EVIL}", state="Held"
    )
    with shop(told, plant=parse(text)) as app:
        app.client.post("/facts", content=f"{EVIL}\n".encode() + b"\xff\xfe\x00<script>", headers=_token(app, "left"))
        link = next(
            row.attributes["href"] for row in page(app, "/orders").all("a") if EVIL in row.text or row.text == EVIL
        )
        for address in (*ADDRESSES, link, "/line/shop?at=2026-06-03T08:00", f"/line/{EVIL}", f"/nix?{EVIL}"):
            html = app.client.get(address).text
            document = read(html)
            assert {script.attributes.get("src", "")[:8] for script in document.all("script")} == {"/static/"}
            assert not document.all("img")
            assert not [e for e in document if any(name.startswith("on") for name in e.attributes)]
        assert EVIL.split("\n")[0][:25] in page(app, "/sources").one(id="sources-rejections").text
        assert page(app, link).one("h1").text.startswith(f"Order {EVIL} ")
        assert EVIL in page(app, "/line/1").one(id="st-20").one(class_="nm").text
        assert EVIL in page(app, "/line/1").one(id="alarms").text


def told_kind(name: str) -> type:
    from asbuilt import events

    return getattr(events, name)


def _token(app: AsBuilt, adapter: str) -> dict[str, str]:
    return {"authorization": f"Bearer {app.token(adapter)}"}


@pytest.mark.parametrize("order", ["2418/1", "A B", "ü+1", "50%", "a?b", "a#b", "a//b", "/a", "a/"])
def test_every_order_has_an_address(order):
    told = Told()
    told.report("lathe", "07:00", "08:00", order=order, good=3)
    with shop(told) as app:
        (link,) = page(app, "/orders").one("main").all("a")
        document = page(app, link.attributes["href"])
        assert document.one("h1").text == f"Order {order} has 3 through turn."
        assert document.one("body").attributes["data-stream"]
        stream = document.one("body").attributes["data-stream"]
        address = re.match(r"/live\?page=(.+)&since=", stream)[1]
        from urllib.parse import unquote

        assert app.client.site._find(unquote(address))[2] == {"order": order}


@pytest.mark.parametrize(
    ("lower", "upper"), [(None, 0.0), (0.0, 0.0), (0.0, None), (None, None), (-1.0, -1.0), (None, -2.0)]
)
def test_an_indicator_can_be_drawn_for_any_limits(lower, upper):
    for value in (-3.0, 0.0, 0.1, 5.0):
        drawn = indicator(value, lower, upper, label="leaks", tone="p2")
        assert "nan" not in drawn and "inf" not in drawn
