"""Fixtures that hold the whole product in memory, and the settings of the property tests."""

from __future__ import annotations

import datetime as dt
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from asbuilt.app import AsBuilt
from asbuilt.testing.strategies import examples as examples

ROOT = Path(__file__).parent.parent
NOW = dt.datetime(2026, 7, 1, 12, 0, tzinfo=dt.UTC)

_common = {"deadline": None, "print_blob": True, "suppress_health_check": [HealthCheck.too_slow]}
settings.register_profile("fast", max_examples=10, **_common)
settings.register_profile("ci", max_examples=60, **_common)
settings.register_profile("thorough", max_examples=2_000, **_common)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "ci"))


ALONE = (
    "tests/browser/", "tests/connect/test_cli.py", "tests/connect/test_connection_faults.py", "tests/connect/test_mqtt.py",
    "tests/connect/test_mtconnect.py", "tests/connect/test_opcua.py", "tests/connect/test_site.py",
    "tests/connect/test_sparkplug_peers.py", "tests/proof/test_seal_crash.py", "tests/proof/test_token.py", "tests/test_crash.py",
    "tests/test_demo.py", "tests/test_documents.py::test_what_a_document_tells_to_type_works_and_prints_what_it_shows", "tests/test_documents.py::test_facts_over_http_as_the_page_of_the_adapter_tells",
    "tests/test_documents.py::test_what_doors_and_rounds_post_as_the_page_of_the_adapter_tells", "tests/test_listening.py", "tests/web/test_live.py",
)  # fmt: skip
"""What drives browsers, foreign programs and processes, or waits for real seconds: one at a time, or they disturb each other."""

SLOW = (
    "tests/cases/test_kpi_time.py::test_night_a_shift_of_one_day_alone_is_simulated",
    "tests/connect/test_bad_input.py::test_a_hundred_thousand_metrics_in_one_birth",
    "tests/laws/test_agree.py::test_the_pairs_are_found",
    "tests/laws/test_faults.py",
    "tests/laws/test_plants.py::test_a_question_that_looks_at_the_plant_of_now_is_caught",
    "tests/laws/test_unobserved.py::test_a_zero_on_the_board_is_caught",
    "tests/laws/test_unobserved.py::test_a_zero_in_the_figures_is_caught",
    "tests/proof/test_commands.py",
    "tests/proof/test_sealer.py",
    "tests/proof/test_verify.py",
    "tests/shift/test_time.py",
    "tests/simulate/test_laws.py::test_nothing_is_produced_in_breaks_and_outside_shifts",
    "tests/simulate/test_plant.py::test_a_calm_plant",
    "tests/simulate/test_show.py",
    "tests/test_bench.py::test_postgresql_keeps_the_same_rows_of_all_views_and_the_same_index",
    "tests/test_cli.py",
    "tests/test_csv_file.py::test_a_gzip_bomb_stays_small",
    "tests/test_day.py",
    "tests/test_examples.py",
    "tests/test_genealogy.py",
    "tests/test_http_adapter.py::test_a_gzip_bomb_is_refused_and_stays_small",
    "tests/test_http_adapter.py::test_fifty_thousand_facts_are_not_too_many",
    "tests/test_identity.py::test_no_estimator_of_the_volume_does_better_than_guessing",
    "tests/test_machine_shop.py",
    "tests/test_pipeline.py::test_a_sender_that_tries_again_loses_and_doubles_nothing",
    "tests/test_power_loss.py",
    "tests/test_report.py",
    "tests/test_scaffold.py",
    "tests/test_store_damage.py",
    "tests/web/test_withheld.py::test_plants_that_differ_in_what_is_hidden_answer_alike",
    "tests/contracts/test_view.py::TestEveryView::test_columns_show_what_they_say",
)  # fmt: skip
"""What takes seconds, file by file or test by test: not in `make test-fast`."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark by these lists."""
    for item in items:
        if item.nodeid.startswith(ALONE):
            item.add_marker(pytest.mark.alone)
        if item.nodeid.startswith(SLOW):
            item.add_marker(pytest.mark.slow)


@pytest.fixture
def now() -> dt.datetime:
    """The moment at which all tests happen."""
    return NOW


@pytest.fixture
def app() -> Iterator[AsBuilt]:
    """The product in memory; a fold that fails is an error."""
    with AsBuilt(memory=True, strict=True, now=lambda: NOW) as product:
        yield product


@pytest.fixture(scope="session")
def oracles() -> Path:
    """The folder of reference data; tests that need it are skipped where it is not."""
    folder = Path(os.environ.get("ASBUILT_ORACLES") or ROOT.parent / "shared" / "data")
    if not folder.is_dir():
        pytest.skip(f"no reference data at {folder}; name its folder with ASBUILT_ORACLES")
    return folder
