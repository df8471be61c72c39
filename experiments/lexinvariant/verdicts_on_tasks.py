"""What answers to tasks say of the claims of the second paper and its kin.

A model counts where it passes a copy of any candidate, or the commonest answer.
"""

import math
from collections.abc import Sequence
from typing import Any

from experiments.compressed_text.wording import pick
from research.reporting.claims import (
    DIRECTION,
    NOT_SHOWN,
    OPPOSITE,
    SHOWN,
    Evidence,
    Ruling,
    graded,
    worst,
)

Row = dict[str, Any]
PAPERS = "gaussian"


def _interval(row: Row) -> tuple[float, float]:
    low, high = row["interval"].split(" to ")
    return float(low), float(high)


def _cells(rows: Sequence[Row], task: str | None, symbols: str) -> list[tuple[Row, Row, float]]:
    """(the paper's model, the standard one, a copy of any candidate) of each cell."""
    found = []
    for row in rows:
        if row["model"] != PAPERS or row["symbols"] != symbols or "accuracy" not in row:
            continue
        where = {name: row[name] for name in ("task", "symbols", "text", "ids")}
        standard = pick(rows, **where, model="standard")
        copied = pick(rows, **where, model="copying")
        if (task is None or row["task"] == task) and standard and copied:
            found.append((row, standard, copied["accuracy"]))
    return found


def _cell(row: Row, standard: Row, copied: float) -> str:
    """Above or below the standard model beyond both intervals, and above a copy at random."""
    low, high = _interval(row)
    if low > _interval(standard)[1] and low > copied:
        return SHOWN
    below = high < _interval(standard)[0] and _interval(standard)[0] > copied
    return OPPOSITE if below else NOT_SHOWN


def task_gain(task: str, size: float):
    """The paper's model before the standard one, symbols drawn uniformly."""

    def decide(found: Evidence) -> Ruling | None:
        cells = _cells(found.rows, task, "uniform")
        if not cells:
            return None
        ours, theirs, copied = (
            sum(values) / len(cells)
            for values in zip(
                *((row["accuracy"], standard["accuracy"], copy) for row, standard, copy in cells),
                strict=True,
            )
        )
        text = f"{ours:.1f} / {theirs:.1f} % (a copy of any candidate {copied:.0f} %)"
        verdict = worst(_cell(*cell) for cell in cells)
        if verdict == SHOWN and ours - theirs < size / 2:
            verdict = DIRECTION
        return Ruling(verdict, text)

    return decide


def four_times(found: Evidence) -> Ruling | None:
    """Four times the standard model's accuracy, on average over cells."""
    cells = _cells(found.rows, None, "uniform")
    if not cells:
        return None
    row = pick(found.rows, task="both, ratio of means", symbols="uniform", model=PAPERS)
    ratio = row and row["ratio"]
    text = f"{ratio:.2f} times" if ratio else "undefined: the standard model has nothing right"
    means = [sum(cell[0]["accuracy"] for cell in cells), sum(cell[2] for cell in cells)]
    if not ratio or means[0] <= means[1]:
        below = "" if means[0] > means[1] else "; below a copy of any candidate"
        return Ruling(NOT_SHOWN, text + below)
    return Ruling(graded(math.log(ratio), math.log(1.1), 2 * math.log(2)), text)


def by_frequency(found: Evidence) -> Ruling | None:
    """Symbols drawn by frequency: still ahead in 11 of 12 cells."""
    cells = _cells(found.rows, None, "by frequency")
    if not cells:
        return None
    found_ = [_cell(*cell) for cell in cells]
    ahead, behind = found_.count(SHOWN), found_.count(OPPOSITE)
    pairs = ", ".join(f"{row['accuracy']:.1f} / {std['accuracy']:.1f}" for row, std, _ in cells)
    text = f"{ahead} of {len(cells)} cells ({pairs} %)"
    if behind > len(cells) / 2:
        return Ruling(OPPOSITE, text)
    share = ahead / len(cells)
    return Ruling(SHOWN if share >= 0.75 else DIRECTION if share > 0.5 else NOT_SHOWN, text)


# Regularization.


def regularization(shots: int, sign: int, size: float):
    """p = .2 moves more tasks one way than the other; models at chance show nothing."""

    def decide(found: Evidence) -> Ruling | None:
        row = next(
            (
                row for row in found.rows
                if row.get("measure") == "BBH" and row.get("p") == 0.2
                and row.get("shots") == shots and row.get("up/same/down")
            ),
            None,
        )  # fmt: skip
        majority = pick(found.rows, measure="BBH", per="majority")
        if row is None or majority is None:
            return None
        up, same, down = map(int, row["up/same/down"].split("/"))
        text = f"{up} up, {down} down of {up + same + down} tasks"
        error = 50 / math.sqrt(row["questions"])
        if row["accuracy"] <= majority["accuracy"] + 2 * error:
            return Ruling(NOT_SHOWN, f"{text}, at the level of the commonest answer")
        net = sign * (up - down) / (up + same + down)
        if row["sign_p"] is None or row["sign_p"] > 0.1:
            return Ruling(NOT_SHOWN, text)
        return Ruling(graded(net, 0.0, size), text)

    return decide


# Kin: other papers' claims about the same models.

FLOOR = 50.0  # % right by copying a word of the context without knowing its class
ANSWERS = 10.0  # points: beyond two standard errors of a difference over 256 examples


def _ends(rows: Sequence[Row], method: str, split: str, column: str = "at 100") -> list[float]:
    """A method's figures by skew (and seed)."""
    of = [row for row in rows if row["split"] == split and row["method"].startswith(method)]
    return [row[column] for row in of if row.get(column) is not None]


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)


def forgetting_keeps(found: Evidence) -> Ruling | None:
    """Active forgetting answers for ids never seen, where vanilla training does not."""
    ours, theirs = (_ends(found.rows, name, "unseen") for name in ("active", "vanilla"))
    if not ours or not theirs:
        return None
    text = f"{_mean(ours):.0f} % of unseen ids right, vanilla {_mean(theirs):.0f} % (copying 50 %)"
    margin = ANSWERS / math.sqrt(len(ours))
    if _mean(ours) <= FLOOR + margin:
        return Ruling(NOT_SHOWN, text)
    verdict = graded(_mean(ours) - _mean(theirs), margin)
    far = _mean(ours) >= (FLOOR + 100) / 2
    return Ruling(verdict if far else worst((verdict, DIRECTION)), text)


def temporary_keeps_both(found: Evidence) -> Ruling | None:
    """Temporary forgetting answers for unseen ids, and knows the seen ones as vanilla does."""
    rows = found.rows
    ours, theirs = (_ends(rows, name, "unseen") for name in ("temporary", "vanilla"))
    before, after = (_ends(rows, name, "in_distribution") for name in ("vanilla", "temporary"))
    if not all((ours, theirs, before, after)):
        return None
    known, kept = _mean(before), _mean(after)
    text = (
        f"unseen {_mean(ours):.0f} % (vanilla {_mean(theirs):.0f} %), in distribution"
        f" {kept:.0f} % (vanilla {known:.0f} %)"
    )
    margin = ANSWERS / math.sqrt(len(theirs))
    if _mean(ours) <= FLOOR or known - kept > margin:
        return Ruling(NOT_SHOWN, text)
    verdict = graded(_mean(ours) - _mean(theirs), margin)
    far = _mean(ours) >= (FLOOR + 100) / 2
    return Ruling(verdict if far else worst((verdict, DIRECTION)), text)


def vanilla_loses(found: Evidence) -> Ruling | None:
    """Vanilla training answers for unseen ids at first, and no longer in the end."""
    best = _ends(found.rows, "vanilla", "unseen", "best")
    end = _ends(found.rows, "vanilla", "unseen")
    if not best or len(best) != len(end):
        return None
    text = f"best {_mean(best):.0f} %, in the end {_mean(end):.0f} %"
    margin = ANSWERS / math.sqrt(len(end))
    if _mean(best) <= FLOOR + margin:
        return Ruling(NOT_SHOWN, f"{text} (copying 50 %)")
    return Ruling(graded(_mean(best) - _mean(end), margin), text)


DISTANCE = 0.02  # total variation: beyond two standard errors over some hundred problems


def heads_help(found: Evidence) -> Ruling | None:
    """n-gram heads bring every trunk nearer to the automaton."""
    effects, parts = [], []
    for vocabulary in dict.fromkeys(row.get("vocabulary") for row in found.rows):
        of = [row for row in found.rows if vocabulary and row.get("vocabulary") == vocabulary]
        plain = [row["total_variation"] for row in of if not row.get("ngram_heads")]
        heads = [row["total_variation"] for row in of if row.get("ngram_heads")]
        if plain and heads:
            effects.append(min(plain) - min(heads))
            parts.append(f"{vocabulary} {min(plain):.2f} -> {min(heads):.2f}")
    if not effects:
        return None
    return Ruling(graded(min(effects), DISTANCE), "total variation " + ", ".join(parts))


def trunks_before_counts(found: Evidence) -> Ruling | None:
    """A trained trunk is nearer to the automaton than n-grams counted in context."""
    trunks = [row["total_variation"] for row in found.rows if row.get("vocabulary")]
    counts = [
        row["total_variation"] for row in found.rows if row["model"].startswith("back-off")
    ]
    uniform = pick(found.rows, model="uniform")
    if not trunks or not counts or uniform is None:
        return None
    text = f"total variation {min(trunks):.3f}, the best n-gram {min(counts):.3f}"
    if min(trunks) > uniform["total_variation"] / 2:
        return Ruling(NOT_SHOWN, text)
    return Ruling(graded(min(counts) - min(trunks), DISTANCE), text)
