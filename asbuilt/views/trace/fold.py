"""The trace keeps no rows of its own: it walks through what `domain.genealogy` keeps."""

from __future__ import annotations

from typing import Any

VERSION = 2
ROWS: dict[Any, Any] = {}
RULES: dict[Any, Any] = {}
