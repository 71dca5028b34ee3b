"""What every adapter promises, held against every adapter that is found and its recorded messages."""

from __future__ import annotations

from pathlib import Path

from asbuilt import adapters
from asbuilt.testing.adapter_contract import AdapterContract

VECTORS = Path(__file__).parent.parent / "vectors"
ADAPTERS = adapters.discover()

for kind, found in ADAPTERS.items():
    globals()[f"Test_{kind}"] = type(f"Test_{kind}", (AdapterContract,), {"module": found, "vectors": VECTORS / kind})


def test_discovery_is_in_order_of_kind():
    assert list(ADAPTERS) == sorted(ADAPTERS)
    assert {"csv_file", "http"} <= set(ADAPTERS)


def test_every_folder_of_vectors_belongs_to_an_adapter():
    assert {path.name for path in VECTORS.iterdir() if path.is_dir()} == set(ADAPTERS)
