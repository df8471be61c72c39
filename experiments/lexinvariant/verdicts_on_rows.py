"""What norms and losses of partly random tables say of section 3.6."""

from experiments.lexinvariant.random_rows import (
    ALL_DRAWN,
    COUNTS,
    DRAWN,
    PARTS,
    PERMUTED,
    UNIFORM,
)
from experiments.shared.tables import pick
from research.reporting.claims import NOT_SHOWN, Evidence, Ruling, graded, null

_FIRST, *_, _BEFORE, _LAST = (f"norm {part}" for part in PARTS)
LEAST = 0.05  # norms of a drawn row: less is no difference


def norms_diverge(evidence: Evidence) -> Ruling | None:
    """Beside drawn rows the learned ones grow, and go on; permuted ones, as random, do not.

    The paper gives no figure. Half as long again is taken for shown.
    """
    drawn = pick(evidence.rows, random=DRAWN)
    control = drawn and pick(evidence.rows, random=PERMUTED, p=drawn["p"])
    if drawn is None:
        return None
    text = f"learned rows {drawn[_FIRST]:.2f} -> {drawn[_LAST]:.2f} times as long as drawn ones"
    if control is None:
        return Ruling(NOT_SHOWN, text)
    text += f", permuted instead {control[_LAST]:.2f}"
    spread = max(row.get("norm_spread") or 0.0 for row in (drawn, control))
    margin = max(2 * spread, LEAST)
    effect = drawn[_LAST] - max(control[_LAST], 1.0)
    if effect > margin and drawn[_LAST] <= drawn[_BEFORE]:
        return Ruling(NOT_SHOWN, f"{text}; no longer growing")
    return Ruling(graded(effect, margin, 1.0), text)


def permuted_like_drawn(evidence: Evidence) -> Ruling | None:
    """Under permutations a table learns as much as drawn rows do, both past what counts tell."""
    drawn = pick(evidence.rows, random=ALL_DRAWN)
    permuted = pick(evidence.rows, random=PERMUTED, p=1.0)
    counts, uniform = (pick(evidence.rows, random=name) for name in (COUNTS, UNIFORM))
    if drawn is None or permuted is None or counts is None or uniform is None:
        return None
    losses = [row["nats_renamed"] for row in (permuted, drawn)]
    text = f"{losses[0]:.2f} / {losses[1]:.2f} nats a letter, counts {counts['nats']:.2f}"
    margin = 2 * max(row.get("spread_renamed") or 0.0 for row in (permuted, drawn))
    if max(losses) > counts["nats"] - margin:
        return Ruling(NOT_SHOWN, f"{text}; not past counts in the sequence")
    learned = uniform["nats"] - min(losses)
    return Ruling(null(abs(losses[0] - losses[1]), 0.1 * learned, margin), text)
