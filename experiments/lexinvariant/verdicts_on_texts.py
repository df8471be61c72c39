"""What perplexities and keys say of the second paper's claims.

The paper's model counts where it passes what needs no training: n-grams counted in the same
context, gzip, and for keys the ranks of frequencies.
"""

import math
from collections.abc import Sequence
from typing import NamedTuple

from experiments.lexinvariant.position_windows import (
    PAPER_ROWS,
    PAPERS,
    STANDARD,
    curve,
    is_floor,
    papers_rows,
)
from experiments.lexinvariant.verdict_parts import or_with_heads
from experiments.shared.tables import pick
from research.reporting.claims import (
    DIRECTION,
    NOT_SHOWN,
    OPPOSITE,
    SHOWN,
    Evidence,
    Ruling,
    graded,
)
from research.reporting.tables import Row

FREQUENCY_RANKS = 0.25  # precision of a key by frequencies alone: .24 at 512 (`cipher_solvers`)


PAPER = {row["model"]: curve(row) for row in papers_rows(PAPER_ROWS)}


def _kinds(rows: Sequence[Row]) -> dict[str, tuple[Row, Row | None, float]]:
    """Kind of text and ids -> the paper's model, the standard one, the best floor at the end."""
    kinds = {}
    for kind in dict.fromkeys(row["kind"] for row in rows):
        here = {row["model"]: row for row in rows if row["kind"] == kind}
        floors = [list(curve(row).values())[-1] for name, row in here.items() if is_floor(name)]
        if PAPERS in here and floors:
            kinds[kind] = here[PAPERS], here.get(STANDARD), min(floors)
    return kinds


def _prose(rows: Sequence[Row]) -> tuple[Row, Row | None, float] | None:
    """The first kind that is not code and whose tokens are single letters."""
    kinds = _kinds(rows)
    names = [k for k in kinds if not k.startswith("code") and not k.endswith("unigram")]
    return kinds[names[0]] if names else None


def _at(values: dict[int, float], start: int) -> float:
    """A paper's curve at the nearest start that it was read at."""
    return values[min(values, key=lambda known: abs(known - start))]


def _below_floor(row: Row, floor: float, evidence: Evidence) -> bool:
    last = list(curve(row).values())[-1]
    return math.log2(floor / last) > evidence.margin


def _fall(row: Row) -> float:
    """log2 of how many times the perplexity falls from the first to the last window."""
    values = list(curve(row).values())
    return math.log2(values[0] / values[-1])


@or_with_heads
def falls(evidence: Evidence) -> Ruling | None:
    """Perplexity falls with context, below what counts in the context give."""
    if (prose := _prose(evidence.rows)) is None:
        return None
    row, _, floor = prose
    places = list(curve(row))
    text = _curve_text(row) + f"; the best floor there {floor:.1f}"
    verdict = graded(
        _fall(row),
        evidence.margin,
        math.log2(_at(PAPER[PAPERS], places[0]) / _at(PAPER[PAPERS], places[-1])),
    )
    if verdict != OPPOSITE and not _below_floor(row, floor, evidence):
        verdict = NOT_SHOWN
    return Ruling(verdict, text)


def _curve_text(row: Row) -> str:
    values = curve(row)
    first, last = list(values)[0], list(values)[-1]
    return f"{values[first]:.1f} -> {values[last]:.1f} at {last}"


def _excess(row: Row, standard: Row) -> dict[int, float]:
    """How many times the standard model's perplexity a model is above it."""
    ours, theirs = curve(row), curve(standard)
    return {start: ours[start] / theirs[start] - 1 for start in ours if start in theirs}


class _Gap(NamedTuple):
    """The paper's model and the standard one on prose, in the first and in the last window."""

    first: int
    last: int
    """`first`, `last`: starts of the windows."""
    above: tuple[float, float]
    """How many times the standard perplexity the model is above it, there and there."""
    perplexities: str
    """Of both at the end, in words."""
    passes: bool
    """Is the model below what counts in the context give?"""


def _gap(evidence: Evidence) -> _Gap | None:
    if (prose := _prose(evidence.rows)) is None:
        return None
    row, standard, floor = prose
    if standard is None:
        return None
    above = _excess(row, standard)
    first, last = list(above)[0], list(above)[-1]
    perplexities = f"{curve(row)[last]:.1f} / {curve(standard)[last]:.1f}"
    passes = _below_floor(row, floor, evidence)
    return _Gap(first, last, (above[first], above[last]), perplexities, passes)


@or_with_heads
def gap_closes(evidence: Evidence) -> Ruling | None:
    """The gap to the standard model shrinks with context, by half of the paper's factor."""
    gap = _gap(evidence)
    if gap is None:
        return None
    text = f"{gap.above[0]:.1f} -> {gap.above[1]:.1f} times at {gap.last}"
    if not gap.passes:
        return Ruling(NOT_SHOWN, f"{text}; above counts in the context")
    paper = [
        _at(PAPER[PAPERS], start) / _at(PAPER[STANDARD], start) - 1
        for start in (gap.first, gap.last)
    ]
    shrinks = max(gap.above[0], 1e-9) / max(gap.above[1], 1e-9)
    if shrinks >= paper[0] / paper[1] / 2:
        return Ruling(SHOWN, text)
    return Ruling(graded(math.log2(shrinks), evidence.margin, math.inf), text)


@or_with_heads
def nearly_standard(evidence: Evidence) -> Ruling | None:
    """Late in a long context the model is nearly as good as a standard one (3.38 / 2.00)."""
    gap = _gap(evidence)
    if gap is None:
        return None
    text = f"{gap.perplexities} at {gap.last}"
    if not gap.passes:
        return Ruling(NOT_SHOWN, f"{text}; above counts in the context")
    if gap.last >= 400 and gap.above[1] <= 2 * (3.38 / 2.00 - 1):
        return Ruling(SHOWN, text)
    return Ruling(DIRECTION if gap.above[1] < gap.above[0] / 2 else NOT_SHOWN, text)


def code_fastest(evidence: Evidence) -> Ruling | None:
    """On code the perplexity falls faster than on prose."""
    kinds = {
        kind: parts for kind, parts in _kinds(evidence.rows).items() if not kind.endswith("unigram")
    }
    code = [parts for kind, parts in kinds.items() if kind.startswith("code")]
    prose = [parts for kind, parts in kinds.items() if not kind.startswith("code")]
    if not code or not prose:
        return None
    text = f"code {_curve_text(code[0][0])}, prose {_curve_text(prose[0][0])}"
    if not all(_below_floor(row, floor, evidence) for row, _, floor in (*code, *prose)):
        return Ruling(NOT_SHOWN, f"{text}; above counts in the context")
    effect = _fall(code[0][0]) - max(_fall(row) for row, _, _ in prose)
    return Ruling(graded(effect, evidence.margin), text)


def large_vocabularies(evidence: Evidence) -> Ruling | None:
    """With 32k tokens it falls too, and stays far from standard."""
    kinds = [parts for kind, parts in _kinds(evidence.rows).items() if kind.endswith("unigram")]
    if not kinds:
        return None
    row, standard, floor = kinds[0]
    if standard is None:
        return None
    above = list(_excess(row, standard).values())[-1]
    text = f"{_curve_text(row)}, {above:.0f} times above standard"
    if not _below_floor(row, floor, evidence) or above < 10:
        return Ruling(NOT_SHOWN, text)
    return Ruling(graded(_fall(row), evidence.margin, math.log2(9840 / 2288)), text)


# Keys.


def _reading(rows: Sequence[Row], reading: str) -> tuple[Row, dict[int, float], float] | None:
    """A reading of the paper's model: its row, its precisions, twice their standard error."""
    row = pick(rows, reading=reading, model=PAPERS)
    if row is None or len(curve(row)) < 2:
        return None
    return row, curve(row), 2 * row["spread_last"] / math.sqrt(row["sequences"])


def _key_text(values: dict[int, float]) -> str:
    first, last = list(values)[0], list(values)[-1]
    return f"{values[first]:.2f} -> {values[last]:.3f} at {last} (frequency ranks up to .24)"


@or_with_heads
def key_improves(evidence: Evidence) -> Ruling | None:
    """More context, a better key: half of the share of errors that the paper removes."""
    if (reading := _reading(evidence.rows, "majority vote")) is None:
        return None
    _, values, error = reading
    first, *_, last = values.values()
    if last <= FREQUENCY_RANKS:
        return Ruling(NOT_SHOWN, _key_text(values))
    removed = 1 - (1 - last) / max(1 - first, 1e-9)
    margin = max(error, 0.01) / max(1 - first, 1e-9)
    return Ruling(graded(removed, margin, 1 - (1 - 0.966) / (1 - 0.630)), _key_text(values))


@or_with_heads
def key_read(evidence: Evidence) -> Ruling | None:
    """The key is read: at most twice the paper's errors; .9 is the direction."""
    if (reading := _reading(evidence.rows, "majority vote")) is None:
        return None
    last = list(reading[1].values())[-1]
    verdict = SHOWN if last >= 1 - 2 * (1 - 0.996) else DIRECTION if last >= 0.9 else NOT_SHOWN
    return Ruling(verdict, _key_text(reading[1]))


@or_with_heads
def matrices_sharpen(evidence: Evidence) -> Ruling | None:
    """What one position says of the key sharpens; a picture, so that its rows only suggest it."""
    if (reading := _reading(evidence.rows, "last position")) is None:
        return None
    _, values, error = reading
    first, *_, last = values.values()
    text = f"one position: {_key_text(values)}"
    if last <= FREQUENCY_RANKS:
        return Ruling(NOT_SHOWN, text)
    return Ruling(graded(last - first, max(error, 0.01)), text)


@or_with_heads
def symbol_resolves(evidence: Evidence) -> Ruling | None:
    """An ambiguous symbol resolves: most symbols are read at their position."""
    if (reading := _reading(evidence.rows, "last position")) is None:
        return None
    row, values, error = reading
    text = f"{100 * row['per_position']:.0f} % of positions read"
    first, *_, last = values.values()
    if row["per_position"] < 0.5:
        return Ruling(NOT_SHOWN, text)
    return Ruling(graded(last - first, max(error, 0.01)), text)


# The theorem.

IDEAL, BOUND = "p' (exact mixture)", "bound sqrt(2 ln d! / T)"


def theorem(evidence: Evidence) -> Ruling | None:
    """p' comes to p within what the theorem's proof allows."""
    ideal = sorted(
        (row for row in evidence.rows if row["model"] == IDEAL), key=lambda row: row["length"]
    )
    if len(ideal) < 2:
        return None
    bounds = {row["length"]: row["mean_gap"] for row in evidence.rows if row["model"] == BOUND}
    within = all(
        row["mean_gap"] <= bounds.get(row["length"], math.inf)
        and row["nearest_bits"] <= row["nearest_key_bits"] + 1e-9
        for row in ideal
    )
    first, last = ideal[0]["mean_gap"], ideal[-1]["mean_gap"]
    text = f"mean L1 gap {first:.2f} -> {last:.2f} at T = {ideal[-1]['length']}"
    if not within:
        return Ruling(OPPOSITE, f"{text}; a bound is broken")
    return Ruling(SHOWN if last <= first / 2 else NOT_SHOWN, text)


def trained_near_ideal(evidence: Evidence) -> Ruling | None:
    """A trained model comes near p': at most twice its bits above the source."""
    lengths = [row["length"] for row in evidence.rows if row["model"] == PAPERS]
    if not lengths:
        return None
    first, last = min(lengths), max(lengths)
    start, end = (pick(evidence.rows, model=PAPERS, length=length) for length in (first, last))
    ideal = pick(evidence.rows, model=IDEAL, length=last)
    if not (start and end and ideal):
        return None
    text = (
        f"{end['excess_bits']:.1f} bits above the source at T = {last},"
        f" p' {ideal['excess_bits']:.1f}"
    )
    if end["excess_bits"] <= 2 * ideal["excess_bits"]:
        return Ruling(SHOWN, text)
    falls_ = end["mean_gap"] <= 0.5 * start["mean_gap"]
    return Ruling(DIRECTION if falls_ else NOT_SHOWN, text)
