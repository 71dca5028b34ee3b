"""The station keeps no rows of its own: its page shows what the views of lines and units keep."""

from __future__ import annotations

from typing import Any

VERSION = 1
ROWS: dict[Any, Any] = {}
RULES: dict[Any, Any] = {}
