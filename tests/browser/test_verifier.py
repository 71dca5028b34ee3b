"""The verifier in a browser against the one in Python: the same files, the same reasons, the same words."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from playwright.sync_api import Browser, Page

from asbuilt.web.site import STATIC
from tests.proof.flaws import FLAWS, Given, Scene, again, scene
from tests.proof.test_verify import HOSTILE, check, hostile
from tests.proof.works import EVENING, Works

RUN = """
async ([file, given]) => {
  const { verify, readPolicy, readConsistency } = await import(window.verifier);
  const bytes = Uint8Array.from(atob(file), (char) => char.charCodeAt(0));
  const known = { now: given.now, status: given.status, recipient: given.recipient, oldCheckpoint: given.old };
  if (given.policy) known.policy = await readPolicy(given.policy);
  if (given.consistency) known.consistency = readConsistency(given.consistency);
  return verify(bytes, known);
}
"""


@pytest.fixture(scope="module")
def page(browser: Browser) -> Iterator[Page]:
    # An address that counts as secure without a server: WebCrypto works there.
    context = browser.new_context()
    page = context.new_page()
    page.route(
        "http://localhost/**",
        lambda route: route.fulfill(body="<!doctype html><title>t</title>", content_type="text/html"),
    )
    page.goto("http://localhost/")
    page.evaluate(
        "(text) => { window.verifier = URL.createObjectURL(new Blob([text], { type: 'text/javascript' })); }",
        (STATIC / "verifier.js").read_text(),
    )
    yield page
    context.close()


def in_browser(page: Page, file: bytes, given: Given) -> dict[str, Any]:
    told = {
        "now": given.now.timestamp() * 1000,
        "policy": given.policy.decode() if given.policy else None,
        "old": given.old_checkpoint.decode() if given.old_checkpoint else None,
        "consistency": given.consistency.decode() if given.consistency else None,
        "status": given.status,
        "recipient": given.recipient,
    }
    found: dict[str, Any] = page.evaluate(RUN, [base64.b64encode(file).decode(), told])
    return found


@pytest.fixture
def made(tmp_path: Path) -> Iterator[Scene]:
    works = Works(tmp_path / "data", start=EVENING)
    yield scene(works)
    works.end()


def same_words(ours: dict[str, Any], theirs: dict[str, Any]) -> None:
    for name in (
        "ok",
        "decided",
        "reason",
        "headline",
        "told",
        "proved",
        "asserted",
        "hidden",
        "shows_not",
        "entries",
        "file_digest",
        "key",
        "exit_code",
    ):
        assert theirs[name] == ours[name], name
    without = [line for line in theirs["not_checked"] if "ML-DSA" not in line]
    assert without == ours["not_checked"]
    assert [(step["title"], step["outcome"]) for step in theirs["steps"]] == [
        (step["title"], step["outcome"]) for step in ours["steps"]
    ]


def python(file: bytes, given: Given) -> dict[str, Any]:
    report = check(file, given)
    return {**msgspec.to_builtins(report), "exit_code": report.exit_code}


@pytest.mark.parametrize("which", ["passport", "other", "exactly", "at_least"])
@pytest.mark.parametrize("trusted", [True, False])
def test_what_holds_holds_in_both(page, made, which, trusted):
    given = made.given if trusted else made.given._replace(policy=None)
    file = getattr(made, which)
    same_words(python(file, given), in_browser(page, file, given))


@pytest.mark.parametrize("flaw", FLAWS)
def test_flaw(page, made, flaw):
    reason, make = FLAWS[flaw]
    file, given = make(made)
    found = in_browser(page, file, given)
    assert (found["ok"], found["reason"], found["exit_code"]) == (False, reason, 1), found["message"]
    assert found["proved"] == [] and found["steps"][-1]["outcome"] == "failed"


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_content_is_refused_in_words(page, made, name):
    found = in_browser(page, hostile(made, name), made.given)
    assert (found["ok"], found["reason"]) == (False, "malformed"), found["message"]


def test_the_log_grew_from_a_kept_checkpoint(page, made):
    from asbuilt.proof import consistency, merkle
    from tests.proof.flaws import split

    said = split(made.passport)[1]["checkpoint"].split("\n")
    size = int(said[1])
    path = tuple(merkle.consistency_path(3, size, made.works.sealer.files.tree(size).node))
    given = made.given._replace(
        old_checkpoint=made.kept, consistency=consistency.Consistency(said[0], 3, size, path).text().encode()
    )
    same_words(python(made.passport, given), in_browser(page, made.passport, given))
    forged = consistency.Consistency(said[0], 3, size, (path[0], *path[:-1])).text().encode()
    assert in_browser(page, made.passport, given._replace(consistency=forged))["reason"] == "forked_log"


def test_a_file_made_anew_without_change_holds(page, made):
    assert in_browser(page, again(made, made.passport, lambda held: None), made.given)["ok"]
