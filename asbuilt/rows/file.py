"""The file of rows: how it is known, and what is said when it cannot be used."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import apsw

from asbuilt.errors import ViewsError

APPLICATION_ID = 0x61736276  # "asbv"


def refuse_foreign(path: Path) -> None:
    """Raise `ViewsError` for a file that holds no views; before it is opened for writing, which would change what is not ours."""
    db = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READONLY)
    try:
        application, tables = db.pragma("application_id"), db.execute("SELECT count(*) FROM sqlite_schema").get
    finally:
        db.close()
    if application != APPLICATION_ID and (application or tables):
        raise ViewsError(
            "this SQLite file does not hold views of asbuilt",
            where=str(path),
            remedy="Move it away; the views are then folded anew.",
        )


@contextmanager
def errors(location: str) -> Iterator[None]:
    """What SQLite says of the file at `location`, as `ViewsError` with its remedy."""
    try:
        yield
    except (apsw.CorruptError, apsw.NotADBError) as error:
        raise ViewsError(f"the views are damaged: {error}", where=location, remedy="Run `asbuilt rebuild`; nothing recorded is lost.") from error  # fmt: skip
    except apsw.FullError as error:
        raise ViewsError(f"there is no room for the views: {error}", where=location, remedy="Make room on the disk; the record goes on and the views catch up.") from error  # fmt: skip
    except apsw.Error as error:
        raise ViewsError(f"the views cannot be used: {error}", where=location, remedy="Check the folder; `asbuilt rebuild` makes them anew.") from error  # fmt: skip
