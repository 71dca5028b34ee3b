"""The verifier in a browser against the one in Python: the same files, the same reasons, the same words."""

from __future__ import annotations

import base64
import copy
import os
import random
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


@pytest.mark.parametrize("which", ["passport", "other", "exactly", "at_least", "opened"])
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


def _mutated(held: Any, chance: random.Random) -> None:
    """Change one thing somewhere: a text, a number, an element, a member."""
    at, path = held, []
    while isinstance(at, dict | list) and at and (len(path) < 2 or chance.random() < 0.8):
        key = chance.choice(sorted(at)) if isinstance(at, dict) else chance.randrange(len(at))
        path.append((at, key))
        at = at[key]
    around, key = path[-1]
    value = around[key]
    match chance.randrange(5):
        case 0 if isinstance(around, list):
            del around[key]
        case 1 if isinstance(around, list):
            around.insert(chance.randrange(len(around) + 1), copy.deepcopy(value))
        case 2 if isinstance(around, list) and len(around) > 1:
            other = chance.randrange(len(around))
            around[key], around[other] = around[other], around[key]
        case 3 if isinstance(value, str) and value:
            cut = chance.randrange(len(value))
            around[key] = (
                value[:cut] + chance.choice(["A", "é", "\\n", "", "=", "0", "\\u202e", " "]) + value[cut + 1 :]
            )
        case _:
            around[key] = chance.choice([0, 1, -1, 2**53, None, "", "x", [], {}, True, 10**30, value])


@pytest.mark.parametrize("start", [11, int(os.environ.get("MUTATION_SEED") or 12)])
def test_both_verifiers_agree_about_random_changes(page, made, start):
    """Changes that only the plant could make: each file is signed anew, so that the checks inside are reached."""
    chance = random.Random(start)
    reasons = set()
    for _ in range(200):
        original = chance.choice([made.passport, made.exactly, made.at_least, made.opened])
        seed = chance.randrange(1 << 30)

        def change(held: dict[str, Any], seed: int = seed) -> None:
            # Browsers cannot check the ML-DSA-44 signature, so the checkpoint itself is left as it is.
            own, kept = random.Random(seed), held["checkpoint"]
            for _ in range(own.randrange(1, 3)):
                _mutated(held, own)
            if "checkpoint" in held:
                held["checkpoint"] = kept

        file = again(made, original, change)
        ours, theirs = python(file, made.given), in_browser(page, file, made.given)
        assert (theirs["ok"], theirs["reason"]) == (ours["ok"], ours["reason"]), (
            seed,
            ours["message"],
            theirs["message"],
        )
        reasons.add(ours["reason"])
    assert len(reasons) > 4, reasons
