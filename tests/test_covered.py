"""What is told about coverage is computed of what coverage measured."""

from __future__ import annotations

import pytest

from tools import covered

FILES = {
    "asbuilt/record/sqlite.py": {
        "summary": {"covered_lines": 90, "num_statements": 100, "covered_branches": 18, "num_branches": 20}
    },
    "asbuilt/record/layout.py": {
        "summary": {"covered_lines": 10, "num_statements": 10, "covered_branches": 0, "num_branches": 0}
    },
    "asbuilt/pipeline.py": {
        "summary": {"covered_lines": 5, "num_statements": 10, "covered_branches": 91, "num_branches": 100}
    },
}


def test_a_room_is_its_files_together():
    assert covered.shares(FILES) == {"record": (pytest.approx(100 / 110), 0.9), "pipeline": (0.5, 0.91)}


def test_a_room_below_what_is_asked_or_not_measured_is_named():
    assert covered.below(
        {"record": (1.0, 0.92), "pipeline": (1.0, 0.9199), "rows": (0.1, 1.0), "proof": (1.0, 1.0)}
    ) == ["pipeline", "verify"]
