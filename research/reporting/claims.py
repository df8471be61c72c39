"""Claims of papers as data, and five words for what our rows say of each.

A paper's claims are in experiments/<paper>/claims.py. The word for one is decided by a pure
function of a record's rows and of how far seeds scatter; it is never written down, so that it
follows the records. "Reproduced" is said of these claims alone, and only in these words:

  shown      the claim's order, beyond twice the spread of seeds, and at least half of its size
  direction  the order, beyond the spread, but less than half of the size
  not shown  no difference beyond the spread, or nothing that tells it from a trivial baseline
  opposite   the other sign, beyond the spread
  not run    no record holds the rows that decide, or there is no experiment

A claim that something cannot be learned counts only where a control in the same record was.
"""

import math
import statistics
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

from research.reporting import tables
from research.reporting.tables import Row

SHOWN, DIRECTION, NOT_SHOWN, OPPOSITE, NOT_RUN = VERDICTS = (
    "shown", "direction", "not shown", "opposite", "not run",
)  # fmt: skip
SCALES = ("cpu", "hours", "gpu", "paper")
"""Scales of a table, from the least to the most: two cores for minutes, two cores for hours, an
accelerator with a larger model, the paper's own."""
BEST_FIRST = SCALES[::-1]
"""Scales in the order in which a claim's rows are looked for."""
SEED_SPREAD = ("compressed_text", "seed_spread")
TWO_SEEDS = ("lexinvariant", "regularization")

NAMES = {
    "compressed_text": "Neurally compressed text",
    "lexinvariant": "Lexinvariant, and kin",
    "tokenizer_transfer": "Tokenizer transfer, ALM, OMP",
}
WORDS = (
    "*shown*: the paper's order, beyond twice the spread of seeds, and at least half of its size."
    " *direction*: the order, but less of its size. *not shown*: no difference beyond the spread,"
    " or one that a trivial baseline passes too (counts in the context, gzip, frequencies, nothing"
    " learned). *opposite*: the other sign, beyond the spread. *not run*: no record, or no"
    " experiment."
)


class Spread(NamedTuple):
    """How far a model's bits/byte scatters when nothing but its seed changes."""

    bits: float | None = None
    """Standard deviation in bits/byte; None: nobody has measured it."""
    source: str = "not measured"
    """What it was measured on."""

    @property
    def margin(self) -> float:
        """What a difference has to exceed: twice the spread; infinite where it is unknown."""
        return math.inf if self.bits is None else 2 * self.bits


class Evidence(NamedTuple):
    """What decides about a claim."""

    rows: Sequence[Row]
    """Of one record of the claim's table."""
    spread: Spread = Spread()
    """Of seeds."""
    config: Mapping[str, Any] = {}
    """Of that record."""

    @property
    def margin(self) -> float:
        return self.spread.margin


class Ruling(NamedTuple):
    """A verdict and the figures of ours that decide."""

    verdict: str
    ours: str


@dataclass(frozen=True)
class Claim:
    """One statement of a paper."""

    id: str
    """Unique within the paper."""
    statement: str
    """What the paper says, in our words."""
    place: str
    """Section, table or figure."""
    paper: str
    """Its figures there."""
    table: str | None = None
    """"paper/table" of ours that decides, or "benchmarks/NAME"; None: no experiment."""
    decide: Callable[[Evidence], Ruling | None] | None = None
    """What a record says of it, or None where it lacks the rows that decide. "Not run" is said of a
    record that does not count, and why."""
    headline: bool = False
    """One of the twelve that README begins with."""
    most: str = SHOWN
    """The best verdict that rows can give (a picture that no column measures: direction)."""
    scale: str = "cpu"
    """Where the rows that decide come from, if no record has them yet."""


class Judged(NamedTuple):
    """A claim with what our best record says of it."""

    paper: str
    """Whose claim it is: the name of a folder of experiments."""
    claim: Claim
    verdict: str
    ours: str
    scale: str | None
    """Of the record; None where the verdict is "not run"."""
    spread: Spread = Spread()
    """Of seeds, as it was used."""

    @property
    def command(self) -> str | None:
        """What makes the figures."""
        table, scale = self.claim.table, self.scale or self.claim.scale
        if table is None:
            return None
        place, name = table.split("/")
        if place == "benchmarks":
            return f"python -m experiments.benchmarks {name}"
        return f"freevocab reproduce {table} --scale {scale}"


class Record(Protocol):
    """The part of a `results.Result` that is read here."""

    @property
    def rows(self) -> Sequence[Row]: ...

    @property
    def config(self) -> Mapping[str, Any]: ...


Records = Mapping[tuple[str, str, str], Record]


def graded(effect: float, margin: float, size: float | None = None) -> str:
    """The verdict for an effect that is positive in the direction of the claim.

    Args:
      margin: what counts as a difference; infinite where nobody knows the spread.
      size: of the paper's effect, where the claim has a size.
    """
    if effect < -margin:
        return OPPOSITE
    if not effect > margin:
        return NOT_SHOWN
    return SHOWN if size is None or effect >= size / 2 else DIRECTION


def null(cost: float, allowed: float, margin: float) -> str:
    """The verdict for a claim that something costs nothing; the caller has seen a control move.

    Args:
      cost: above zero where the claim is wrong.
      allowed: what still counts as nothing. Where seeds scatter wider, nothing can be said.
    """
    if cost > max(allowed, margin):
        return OPPOSITE
    return SHOWN if cost <= allowed and margin <= 2 * allowed else NOT_SHOWN


def ends(row: Row, column: str) -> tuple[float, float] | None:
    """The ends of an interval, of a column with text as "12.5 to 14.0"; None without text."""
    text = row.get(column)
    if not text:
        return None
    low, high = map(float, text.split(" to "))
    return low, high


def smallest_step(values: Sequence[float]) -> float:
    """Of values that a claim says rise, the smallest step; below zero where one falls."""
    return min(after - before for before, after in zip(values, values[1:], strict=False))


def worst(verdicts: Iterable[str]) -> str:
    """Of several verdicts, the one that says least for the claim."""
    return max(verdicts, key=VERDICTS.index)


def judge(paper: str, claim: Claim, records: Records) -> Judged:
    """The verdict by the best record that has the rows for it."""
    if claim.table is None:
        return Judged(paper, claim, NOT_RUN, "no experiment", None)
    reason = "no record has the rows that decide"
    place, _, name = claim.table.partition("/")
    for scale in BEST_FIRST:
        record = records.get((place, name, scale))
        if record is None:
            continue
        spread = spread_of(records, scale)
        ruling = rule(claim, Evidence(record.rows, spread, record.config))
        if ruling is not None and ruling.verdict != NOT_RUN:
            return Judged(paper, claim, *ruling, scale, spread)
        reason = ruling.ours if ruling is not None else reason
    return Judged(paper, claim, NOT_RUN, reason, None)


def rule(claim: Claim, evidence: Evidence) -> Ruling | None:
    """What one record says of a claim, at most the claim's best verdict."""
    ruling = claim.decide(evidence) if claim.decide else None
    if ruling is None or ruling.verdict == OPPOSITE:
        return ruling
    return ruling._replace(verdict=worst((ruling.verdict, claim.most)))


def spread_of(records: Records, scale: str) -> Spread:
    """The widest scatter that was measured: at this scale, else at another, else of two seeds.

    Until `seed_spread` has a record, two seeds of one small model (`regularization`, p = 0) stand
    for it. It is another model on another text, and saw less of it than models of scale hours;
    whether those scatter as far is not known.
    """
    every = [scale, *(other for other in BEST_FIRST if other != scale)]
    for at in every:
        record = records.get((*SEED_SPREAD, at))
        bits = [row["spread"] for row in record.rows if row.get("spread")] if record else []
        if bits:
            return Spread(max(bits), f"{'/'.join(SEED_SPREAD)} at {at} scale")
    for at in every:
        record = records.get((*TWO_SEEDS, at))
        bits = _of_one_model(record.rows) if record else []
        if len(bits) > 1:
            return Spread(
                statistics.stdev(bits), f"{len(bits)} seeds of {'/'.join(TWO_SEEDS)} at {at} scale"
            )
    return Spread()


def _of_one_model(rows: Sequence[Row]) -> list[float]:
    """bits/byte of the models that were trained alike but for the seed."""
    return [row["bits_per_byte"] for row in rows if row.get("measure") == "model" and not row["p"]]


def line(judged: Judged) -> str:
    """One line under a table."""
    claim = judged.claim
    return (
        f"{judged.verdict}: {claim.statement} ({claim.place}: {claim.paper}; ours: {judged.ours})"
    )


def count(judged: Iterable[Judged]) -> dict[str, int]:
    """How many claims have each verdict, in the order of VERDICTS."""
    verdicts = [each.verdict for each in judged]
    return {verdict: verdicts.count(verdict) for verdict in VERDICTS}


def headlines(judged: Sequence[Judged]) -> str:
    """The twelve claims that everything else is about, as Markdown."""
    rows: list[dict[str, str]] = []
    paper = None
    for each in judged:
        if not each.claim.headline:
            continue
        if each.paper != paper:
            paper = each.paper
            rows.append(dict.fromkeys(("paper", "ours", "verdict"), "") | {
                "claim": f"**{NAMES.get(paper, paper)}**"
            })  # fmt: skip
        rows.append({
            "claim": each.claim.statement,
            "paper": each.claim.paper,
            "ours": each.ours + (f" ({each.scale})" if each.scale else ""),
            "verdict": f"**{each.verdict}**",
        })
    return tables.markdown(("claim", "paper", "ours", "verdict"), rows)


def scoreboard(judged: Sequence[Judged]) -> list[dict[str, Any]]:
    """How many claims of each paper, and of all, have each verdict."""
    names = list(dict.fromkeys(each.paper for each in judged))
    lines = []
    for name, chosen in [*((name, {name}) for name in names), ("all", set(names))]:
        of = [each for each in judged if each.paper in chosen]
        lines.append({"paper": NAMES.get(name, name), **count(of), "claims": len(of)})
    return lines if len(names) > 1 else lines[:1]


def spread(judged: Sequence[Judged]) -> str:
    """What the spread of seeds was taken from."""
    sources = dict.fromkeys(
        f"{each.spread.bits:.3f} bits/byte ({each.spread.source})"
        for each in judged
        if each.spread.bits is not None
    )
    return "; ".join(sources) or "not measured, so that no difference between models counts"
