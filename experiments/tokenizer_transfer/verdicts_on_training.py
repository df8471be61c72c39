"""What rows of trained models say of the third paper's claims: on the target, a variant of the
base, networks of other forms."""

from collections.abc import Sequence

from experiments.shared.tables import SAME_BITS
from experiments.tokenizer_transfer.accuracy import CHANCE, ORIGINAL, lost_of
from research.reporting.claims import (
    DIRECTION,
    NOT_SHOWN,
    SHOWN,
    Evidence,
    Ruling,
    graded,
    null,
)
from research.reporting.tables import Row
from research.transfer.methods import HYPERNETWORK

TOGETHER = "hypernetwork, itself trained on"
ZETT, UNTRAINED = "zett's form, identity first", "fvt (no training)"

# Continued training.


def _ends(rows: Sequence[Row]) -> dict[str, Row]:
    return {row["start"]: row for row in rows}


def _trains(rows: dict[str, Row]) -> bool:
    """Did the training of this table teach anything: do random rows come down by far?"""
    row = rows.get("random")
    return row is not None and row["at 0"] - row["bits_per_byte"] > 0.5


def original_no_better(evidence: Evidence) -> Ruling | None:
    """The original, trained as long, gains nothing by it."""
    rows = _ends(evidence.rows)
    own = rows.get(ORIGINAL)
    if own is None or own.get("at 0") is None:
        return None
    gain = own["at 0"] - own["bits_per_byte"]
    text = f"{own['at 0']:.2f} -> {own['bits_per_byte']:.2f} bits/byte"
    if not _trains(rows):
        return Ruling(NOT_SHOWN, text)
    return Ruling(null(gain, SAME_BITS, evidence.margin), text)


def original_ahead(evidence: Evidence) -> Ruling | None:
    """The original, trained as long, stays ahead of every transfer."""
    rows = _ends(evidence.rows)
    if ORIGINAL not in rows or len(rows) < 2:
        return None
    own = rows[ORIGINAL]["bits_per_byte"]
    best = min(row["bits_per_byte"] for name, row in rows.items() if name != ORIGINAL)
    text = f"{own:.2f} / {best:.2f} bits/byte, the best transfer"
    if not _trains(rows):
        return Ruling(NOT_SHOWN, text)
    return Ruling(graded(best - own, evidence.margin), text)


def n_shot_before_focus(evidence: Evidence) -> Ruling | None:
    """The hypernetwork, itself trained on, before FOCUS."""
    rows = _ends(evidence.rows)
    if not {TOGETHER, "focus", ORIGINAL} <= rows.keys():
        return None
    ours, theirs, own = (rows[name]["bits_per_byte"] for name in (TOGETHER, "focus", ORIGINAL))
    verdict = graded(theirs - ours, evidence.margin)
    if verdict == SHOWN and (theirs - ours) / max(theirs - own, 1e-9) < 0.765 / 2:
        verdict = DIRECTION
    return Ruling(verdict, f"{ours:.2f} / {theirs:.2f} bits/byte")


def n_shot_near(evidence: Evidence) -> Ruling | None:
    """The hypernetwork, itself trained on, comes near to the original."""
    rows = _ends(evidence.rows)
    if not {TOGETHER, ORIGINAL} <= rows.keys():
        return None
    lost = lost_of(rows[TOGETHER], rows[ORIGINAL])
    if lost is None:
        return Ruling(NOT_SHOWN, "the original is near chance")
    if not _trains(rows):
        return Ruling(NOT_SHOWN, lost.text)
    paper = (76.8 - 74.9) / (76.8 - CHANCE)
    return Ruling(lost.verdict(2 * paper), lost.text)


# Fine-tuned variants.


def _methods(rows: Sequence[Row]) -> dict[str, Row]:
    return {row["method"]: row for row in rows}


def tuned_before_focus(evidence: Evidence) -> Ruling | None:
    """The base model's predicted rows serve its fine-tuned variant better than FOCUS's."""
    rows = _methods(evidence.rows)
    if not {HYPERNETWORK, "focus", ORIGINAL} <= rows.keys():
        return None
    ours, theirs, own = (rows[name]["bits_per_byte"] for name in (HYPERNETWORK, "focus", ORIGINAL))
    verdict = graded(theirs - ours, evidence.margin)
    saved = (theirs - ours) / max(theirs - own, 1e-9)
    if verdict == SHOWN and saved < (1 - (7.33 - 6.56) / (7.33 - 5.03)) / 2:
        verdict = DIRECTION
    return Ruling(verdict, f"{ours:.2f} / {theirs:.2f} bits/byte, the variant itself {own:.2f}")


def tuned_kept(evidence: Evidence) -> Ruling | None:
    """Moved with its base model's hypernetwork, a variant keeps most of its quality."""
    rows = _methods(evidence.rows)
    if not {HYPERNETWORK, ORIGINAL} <= rows.keys():
        return None
    lost = lost_of(rows[HYPERNETWORK], rows[ORIGINAL])
    if lost is None:
        return Ruling(NOT_SHOWN, "the variant itself is near chance")
    return Ruling(lost.verdict(2 * (1 - 6.56 / 7.33)), lost.text)


def task_vector(evidence: Evidence) -> Ruling | None:
    """Some of what n-shot training did to the base's trunk helps its variant.

    Among rows that are all far from the original an order says little: a direction at most.
    """
    rows = _methods(evidence.rows)
    some = [row for name, row in rows.items() if name.startswith("n-shot, lambda 0.")]
    none = rows.get("n-shot, lambda 0")
    if not some or none is None or ORIGINAL not in rows:
        return None
    best, own = min(row["bits_per_byte"] for row in some), rows[ORIGINAL]["bits_per_byte"]
    effect, gap = none["bits_per_byte"] - best, none["bits_per_byte"] - own
    text = f"{none['bits_per_byte']:.2f} -> {best:.2f} bits/byte, the variant itself {own:.2f}"
    verdict = graded(effect, evidence.margin)
    size = (6.82 - 6.59) / (7.33 - 6.59)
    if verdict == SHOWN and (effect / max(gap, 1e-9) < size / 2 or best > 1.25 * own):
        verdict = DIRECTION
    return Ruling(verdict, text)


def base_rows(evidence: Evidence) -> Ruling | None:
    """With the rows of its base a variant is no worse."""
    rows = _methods(evidence.rows)
    own, swapped = rows.get(ORIGINAL), rows.get("original, rows of the base model")
    if own is None or swapped is None or own.get("before") is None:
        return None
    text = f"{swapped['bits_per_byte']:.2f} / {own['bits_per_byte']:.2f} bits/byte"
    if own["before"] - own["bits_per_byte"] <= max(evidence.margin, 0.1):
        return Ruling(NOT_SHOWN, f"{text}; fine-tuning changed too little")
    cost = swapped["bits_per_byte"] - own["bits_per_byte"]
    return Ruling(null(cost, SAME_BITS, evidence.margin), text)


# Forms of the network.


def alm_ahead(evidence: Evidence) -> Ruling | None:
    """Trained by matching likelihoods, the network is ahead of one trained on text."""
    rows = {row["variant"]: row["bits_per_byte"] for row in evidence.rows}
    if not {"residual", "residual, distillation"} <= rows.keys():
        return None
    effect = rows["residual"] - rows["residual, distillation"]
    return Ruling(graded(effect, evidence.margin), f"{-effect:+.3f} bits/byte")


def residual_ahead(evidence: Evidence) -> Ruling | None:
    """The residual form with the auxiliary loss before zett's, once that has learned something."""
    rows = {row["variant"]: row["bits_per_byte"] for row in evidence.rows}
    names = "residual, auxiliary loss", ZETT, UNTRAINED
    if not set(names) <= rows.keys():
        return None
    ours, zetts, untrained = (rows[name] for name in names)
    text = f"{ours:.2f} / {zetts:.2f} bits/byte"
    if zetts >= untrained - evidence.margin:
        return Ruling(NOT_SHOWN, f"{text}; zett's form is not past no training, {untrained:.2f}")
    return Ruling(graded(zetts - ours, evidence.margin), text)


def auxiliary_needed(evidence: Evidence) -> Ruling | None:
    """Zett's form learns with the auxiliary loss, and without it stays behind no training."""
    rows = {row["variant"]: row["bits_per_byte"] for row in evidence.rows}
    names = ZETT, "zett's form without auxiliary loss", UNTRAINED
    if not set(names) <= rows.keys():
        return None
    with_loss, without, untrained = (rows[name] for name in names)
    text = f"{with_loss:.2f} with, {without:.2f} without, untrained {untrained:.2f} bits/byte"
    if with_loss >= untrained - evidence.margin:
        return Ruling(NOT_SHOWN, f"{text}; zett's form is not past no training")
    verdict = graded(without - with_loss, evidence.margin)
    if verdict == SHOWN and without <= untrained + evidence.margin:
        verdict = DIRECTION
    return Ruling(verdict, text)
