"""asbuilt: watch engines being built; prove what was built."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"
__all__ = ["AsBuilt", "__version__"]

if TYPE_CHECKING:
    from asbuilt.app import AsBuilt


def __getattr__(name: str) -> Any:
    # Lazy, so that the offline verifier does not load the database and the web stack.
    if name == "AsBuilt":
        from asbuilt.app import AsBuilt

        return AsBuilt
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
