"""What answers to tasks say of the claims of the second paper and its kin.

A model counts where it passes a copy of any candidate, or the commonest answer.
"""

import math
from collections.abc import Collection, Sequence
from typing import NamedTuple

from experiments.lexinvariant.position_windows import PAPERS
from experiments.lexinvariant.verdict_parts import or_with_heads
from experiments.shared.tables import pick
from research.reporting.claims import (
    DIRECTION,
    NOT_SHOWN,
    OPPOSITE,
    SHOWN,
    Evidence,
    Ruling,
    ends,
    graded,
    worst,
)
from research.reporting.tables import Row


def _cells(rows: Sequence[Row], task: str | None, symbols: str) -> list[tuple[Row, Row, float]]:
    """(the paper's model, the standard one, a copy of any candidate) of each cell."""
    cells = []
    for row in rows:
        if row["model"] != PAPERS or row["symbols"] != symbols or "accuracy" not in row:
            continue
        where = {name: row[name] for name in ("task", "symbols", "text", "ids")}
        standard = pick(rows, **where, model="standard")
        copied = pick(rows, **where, model="copying")
        if (task is None or row["task"] == task) and standard and copied:
            cells.append((row, standard, copied["accuracy"]))
    return cells


def _cell(row: Row, standard: Row, copied: float) -> str:
    """Surely above the standard model on the same prompts, and above a copy at random; or it is."""
    surely = row.get("above_standard")
    if surely is None:
        return NOT_SHOWN
    ahead, verdict = (row, SHOWN) if surely else (standard, OPPOSITE)
    interval = ends(ahead, "interval")
    return verdict if interval is not None and interval[0] > copied else NOT_SHOWN


def task_gain(task: str, size: float):
    """The paper's model before the standard one, symbols drawn uniformly."""

    @or_with_heads
    def decide(evidence: Evidence) -> Ruling | None:
        cells = _cells(evidence.rows, task, "uniform")
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


@or_with_heads
def four_times(evidence: Evidence) -> Ruling | None:
    """Four times the standard model's accuracy, on average over cells."""
    cells = _cells(evidence.rows, None, "uniform")
    if not cells:
        return None
    row = pick(evidence.rows, task="both, ratio of means", symbols="uniform", model=PAPERS)
    ratio = row["ratio"] if row else None
    text = f"{ratio:.2f} times" if ratio else "undefined: the standard model has nothing right"
    means = [sum(cell[0]["accuracy"] for cell in cells), sum(cell[2] for cell in cells)]
    if not ratio or means[0] <= means[1]:
        below = "" if means[0] > means[1] else "; below a copy of any candidate"
        return Ruling(NOT_SHOWN, text + below)
    return Ruling(graded(math.log(ratio), math.log(1.1), 2 * math.log(2)), text)


@or_with_heads
def by_frequency(evidence: Evidence) -> Ruling | None:
    """Symbols drawn by frequency: still ahead in 11 of 12 cells."""
    cells = _cells(evidence.rows, None, "by frequency")
    if not cells:
        return None
    verdicts = [_cell(*cell) for cell in cells]
    ahead, behind = verdicts.count(SHOWN), verdicts.count(OPPOSITE)
    pairs = ", ".join(f"{row['accuracy']:.1f} / {std['accuracy']:.1f}" for row, std, _ in cells)
    text = f"{ahead} of {len(cells)} cells ({pairs} %)"
    if behind > len(cells) / 2:
        return Ruling(OPPOSITE, text)
    share = ahead / len(cells)
    return Ruling(SHOWN if share >= 0.75 else DIRECTION if share > 0.5 else NOT_SHOWN, text)


# Regularization.


def regularization(shots: int, sign: int, size: float):
    """p = .2 moves more tasks one way than the other; models at chance show nothing."""

    def decide(evidence: Evidence) -> Ruling | None:
        row = next(
            (
                row for row in evidence.rows
                if row.get("measure") == "BBH" and row.get("p") == 0.2
                and row.get("shots") == shots and row.get("up/same/down")
            ),
            None,
        )  # fmt: skip
        majority = pick(evidence.rows, measure="BBH", per="majority")
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


def _ends(rows: Sequence[Row], method: str, split: str, column: str = "at 100") -> dict[str, float]:
    """A method's figures by skew: the mean where the method has several rows of one."""
    by_skew: dict[str, list[float]] = {}
    for row in rows:
        if row["split"] == split and row["method"].startswith(method):
            if row.get(column) is not None:
                by_skew.setdefault(row["skew"], []).append(row[column])
    return {skew: _mean(values) for skew, values in by_skew.items()}


def _mean(values: Collection[float]) -> float:
    return sum(values) / len(values)


class _BySkew(NamedTuple):
    """How much one set of figures is above another, by skew."""

    effects: dict[str, float]

    @classmethod
    def of(cls, ours: dict[str, float], theirs: dict[str, float]) -> "_BySkew":
        return cls({skew: ours[skew] - theirs[skew] for skew in ours if skew in theirs})

    @property
    def margin(self) -> float:
        """What their mean has to exceed."""
        return ANSWERS / math.sqrt(max(len(self.effects), 1))

    def ruling(self, text: str, most: str = SHOWN) -> Ruling:
        """By the mean; where it is shown at some skews alone, only a direction."""
        if not self.effects:
            return Ruling(NOT_SHOWN, text)
        verdict = graded(_mean(self.effects.values()), self.margin)
        holds = [skew for skew, effect in self.effects.items() if effect > ANSWERS]
        if verdict == SHOWN and len(holds) < len(self.effects):
            where = f" at skew {', '.join(holds)} alone" if holds else " at no skew by itself"
            return Ruling(DIRECTION, text + where)
        return Ruling(worst((verdict, most)) if verdict == SHOWN else verdict, text)


def _unseen(rows: Sequence[Row], method: str) -> tuple[dict, dict, str, str] | None:
    """(a method's answers about ids never seen, vanilla training's, both in words, the best
    verdict that they can give: half of the way from copying to all right is the size)."""
    ours, theirs = (_ends(rows, name, "unseen") for name in (method, "vanilla"))
    if not ours or not theirs:
        return None
    ours_, theirs_ = _mean(ours.values()), _mean(theirs.values())
    most = SHOWN if ours_ >= (FLOOR + 100) / 2 else DIRECTION
    return ours, theirs, f"{ours_:.0f} % of unseen ids right, vanilla {theirs_:.0f} %", most


def forgetting_keeps(evidence: Evidence) -> Ruling | None:
    """Active forgetting answers for ids never seen, where vanilla training does not."""
    if (answers := _unseen(evidence.rows, "active")) is None:
        return None
    ours, theirs, text, most = answers
    compared = _BySkew.of(ours, theirs)
    text += " (copying 50 %)"
    if _mean(ours.values()) <= FLOOR + compared.margin:
        return Ruling(NOT_SHOWN, text)
    return compared.ruling(text, most)


def temporary_keeps_both(evidence: Evidence) -> Ruling | None:
    """Temporary forgetting answers for unseen ids, and knows the seen ones as vanilla does."""
    answers = _unseen(evidence.rows, "temporary")
    before, after = (
        _ends(evidence.rows, name, "in_distribution") for name in ("vanilla", "temporary")
    )
    if answers is None or not before or not after:
        return None
    ours, theirs, text, most = answers
    known, still = _mean(before.values()), _mean(after.values())
    text += f" (copying 50 %), in distribution {still:.0f} % (vanilla {known:.0f} %)"
    compared = _BySkew.of(ours, theirs)
    if _mean(ours.values()) <= FLOOR + compared.margin or known - still > compared.margin:
        return Ruling(NOT_SHOWN, text)
    return compared.ruling(text, most)


def vanilla_loses(evidence: Evidence) -> Ruling | None:
    """Vanilla training answers for unseen ids at first, and no longer in the end."""
    best = _ends(evidence.rows, "vanilla", "unseen", "best")
    end = _ends(evidence.rows, "vanilla", "unseen")
    if not best or best.keys() != end.keys():
        return None
    text = f"best {_mean(best.values()):.0f} %, in the end {_mean(end.values()):.0f} %"
    compared = _BySkew.of(best, end)
    if _mean(best.values()) <= FLOOR + compared.margin:
        return Ruling(NOT_SHOWN, f"{text} (copying 50 %)")
    return compared.ruling(text)


DISTANCE = 0.02  # total variation: beyond two standard errors over some hundred problems


def _trunks(rows: Sequence[Row], vocabulary: str | None = None) -> tuple[list[Row], list[Row]]:
    """(trunks without n-gram heads, trunks with them), of one vocabulary or of all."""
    of = [row for row in rows if row.get("vocabulary") and vocabulary in (None, row["vocabulary"])]
    plain = [row for row in of if not row.get("ngram_heads")]
    return plain, [row for row in of if row.get("ngram_heads")]


def _nearest(rows: Sequence[Row]) -> Row:
    return min(rows, key=lambda row: row["total_variation"])


def _counted(rows: Sequence[Row]) -> Row | None:
    """The best n-gram counted in context: what the heads read gives it without any trunk."""
    ngrams = [row for row in rows if row["model"].startswith("back-off")]
    return _nearest(ngrams) if ngrams else None


def heads_help(evidence: Evidence) -> Ruling | None:
    """n-gram heads bring every trunk nearer to the automaton, and nearer than counts alone are.

    The size is of perplexity: 6.7 % less.
    """
    counts = _counted(evidence.rows)
    effects, saved, parts, best = [], [], [], []
    for vocabulary in dict.fromkeys(row.get("vocabulary") for row in evidence.rows):
        plain, heads = _trunks(evidence.rows, vocabulary) if vocabulary else ([], [])
        if plain and heads:
            before, after = _nearest(plain), _nearest(heads)
            best.append(after["total_variation"])
            effects.append(before["total_variation"] - best[-1])
            saved.append(1 - 2 ** (after["bits_per_symbol"] - before["bits_per_symbol"]))
            parts.append(f"{vocabulary} {before['total_variation']:.2f} -> {best[-1]:.2f}")
    if not effects or counts is None:
        return None
    text = f"total variation {', '.join(parts)}; counts alone {counts['total_variation']:.2f}"
    verdict = graded(min(effects), DISTANCE)
    if verdict == SHOWN and counts["total_variation"] - max(best) <= DISTANCE:
        return Ruling(NOT_SHOWN, text)
    if verdict == SHOWN and min(saved) < 0.067 / 2:
        verdict = DIRECTION
    return Ruling(verdict, text)


def trunks_before_counts(evidence: Evidence) -> Ruling | None:
    """A trained trunk, without heads that count, is nearer to the automaton than n-grams counted
    in context."""
    plain, _ = _trunks(evidence.rows)
    counts = _counted(evidence.rows)
    uniform = pick(evidence.rows, model="uniform")
    if not plain or counts is None or uniform is None:
        return None
    ours, theirs = _nearest(plain)["total_variation"], counts["total_variation"]
    text = f"total variation {ours:.3f}, the best n-gram {theirs:.3f}"
    if ours > uniform["total_variation"] / 2:
        return Ruling(NOT_SHOWN, text)
    return Ruling(graded(theirs - ours, DISTANCE), text)
