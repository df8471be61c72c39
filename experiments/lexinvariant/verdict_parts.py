"""Whose rows decide about the second paper's claims.

The paper's model is `gaussian`; other lexinvariant vocabularies are ours and decide nothing. The
same drawn rows on a trunk of ours, with n-gram heads, can give the direction at most.
"""

import functools
import re
from collections.abc import Callable, Sequence

from experiments.lexinvariant.position_windows import PAPERS
from research.reporting.claims import DIRECTION, NOT_SHOWN, SHOWN, Evidence, Ruling
from research.reporting.tables import Row

HEADS = f"{PAPERS} + n-gram heads"

Decide = Callable[[Evidence], Ruling | None]


def or_with_heads(decide: Decide) -> Decide:
    """`decide`; where the paper's model shows nothing, or has no row, the trunk with n-gram heads.

    Of that the row with most draws counts: the model is an expectation over tables (section 2.1).
    """

    @functools.wraps(decide)
    def decided(evidence: Evidence) -> Ruling | None:
        papers = decide(evidence)
        if papers is not None and papers.verdict != NOT_SHOWN:
            return papers
        others = [row for row in evidence.rows if row.get("model") != PAPERS]
        for name in _names(others):
            rows = [{**row, "model": PAPERS} if row.get("model") == name else row for row in others]
            ruling = decide(evidence._replace(rows=rows))
            if ruling is not None and (papers is None or ruling.verdict in (SHOWN, DIRECTION)):
                verdict = DIRECTION if ruling.verdict == SHOWN else ruling.verdict
                papers = Ruling(verdict, f"{name}, ours: {ruling.ours}")
        return papers

    return decided


def _names(rows: Sequence[Row]) -> list[str]:
    """Rows of the trunk with heads: one draw, then the average of most."""
    averaged = {
        int(found[1]): name
        for name in dict.fromkeys(str(row.get("model")) for row in rows)
        if (found := re.fullmatch(re.escape(HEADS) + r", (\d+) draws", name))
    }
    return [HEADS, *(averaged[count] for count in sorted(averaged)[-1:])]
