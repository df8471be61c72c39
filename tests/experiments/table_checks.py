"""What the rows of every table have to be, whatever it measures."""

import math
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from research.reporting import results


def check_rows(rows: Sequence[Mapping[str, Any]], columns: Collection[str]) -> None:
    """No column but these, and values that JSON and a table can hold."""
    for row in rows:
        assert set(row) <= set(columns)
        for value in results.plain(row).values():
            assert value is None or isinstance(value, bool | int | float | str)
            assert not isinstance(value, float) or math.isfinite(value)


def check_remarks(remarks: Sequence[str]) -> None:
    """Each says something, in one line."""
    for remark in remarks:
        assert remark and "\n" not in remark
