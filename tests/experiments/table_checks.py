"""What every table's rows, remarks and papers' rows have to be, whatever it measures."""

import math
from collections.abc import Mapping, Sequence
from types import ModuleType
from typing import Any

from research.reporting import results, tables


def check_table(table: ModuleType, rows: Sequence[Mapping[str, Any]], *others: str) -> None:
    """Ours and the paper's rows are one table; no column but its own and `others`.

    Values are such as JSON and a table can hold; those of `others` may be dicts.
    """
    columns = {*table.COLUMNS, "group", "corpus", *others}
    assert rows
    for row in rows:
        assert set(row) <= columns
        for name, value in results.plain(row).items():
            assert value is None or name in others or isinstance(value, bool | int | float | str)
            assert not isinstance(value, float) or math.isfinite(value)
    for remark in table.remarks(rows):
        assert remark and "\n" not in remark
    for row in table.PAPER_ROWS:
        assert set(row) <= columns
    names, merged = tables.merge(table.COLUMNS, {"ours": rows}, table.PAPER_ROWS)
    assert len(merged) == len(rows) + len(table.PAPER_ROWS)
    assert tables.markdown(names, merged).count("\n") == len(merged) + 2
