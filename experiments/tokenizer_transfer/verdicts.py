"""What rows of the third paper's tables say of its claims: pure functions for `claims`.

The paper measures accuracy on tasks. Where ours have one too (which of four continuations is the
text's own), it decides what a move keeps, above chance; bits/byte alone give a direction at most.
"""

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

from experiments.compressed_text.verdict_parts import SAME_BITS
from experiments.compressed_text.wording import pick
from research.reporting.claims import (
    DIRECTION,
    NOT_SHOWN,
    OPPOSITE,
    SHOWN,
    Evidence,
    Ruling,
    ends,
    graded,
    null,
    worst,
)

Row = dict[str, Any]
HYPERNETWORK, TOGETHER = "hypernetwork", "hypernetwork, itself trained on"
ORIGINAL = "original"
ZETT, UNTRAINED = "zett's form, identity first", "fvt (no training)"
CHANCE = 25.0  # % right, of four continuations
MOVED = 10.0  # points above chance that a model surely has before anything can be kept


def _by_target(rows: Sequence[Row], *methods: str) -> dict[str, dict[str, Row]]:
    """Target -> method -> row, for the targets that have all of the methods."""
    found: dict[str, dict[str, Row]] = {}
    for row in rows:
        found.setdefault(row["target"], {})[row["method"]] = row
    return {target: of for target, of in found.items() if set(methods) <= of.keys()}


class _Lost(NamedTuple):
    """What a move loses of a model's quality.

    Attributes:
      share: of the accuracy above chance; where it was not measured, of bits/byte.
      at_most: the same at the worse end of the interval of what is kept; None where there is none,
        as of bits/byte, which give a direction at most.
      text: in words.
    """

    share: float
    at_most: float | None
    text: str

    def verdict(self, limit: float) -> str:
        """Shown where surely no more than `limit` is lost; up to twice that is the direction."""
        if self.at_most is not None and self.at_most <= limit:
            return SHOWN
        most = limit if self.at_most is None else 2 * limit
        return DIRECTION if self.share <= most else NOT_SHOWN


def _lost(row: Row, original: Row) -> _Lost | None:
    """What is lost from one row to another.

    None: the original's accuracy is not surely above chance by MOVED, so that there is nothing to
    keep.
    """
    text = f"{original['bits_per_byte']:.2f} -> {row['bits_per_byte']:.2f} bits/byte"
    if row.get("accuracy") is None or original.get("accuracy") is None:
        return _Lost(row["bits_per_byte"] / original["bits_per_byte"] - 1, None, text)
    own, sure = original["accuracy"], ends(original, "accuracy_interval")
    if (sure[0] if sure else own) < CHANCE + MOVED:
        return None

    def share(accuracy: float) -> float:
        return 1 - (accuracy - CHANCE) / (own - CHANCE)

    kept = ends(row, "kept_interval")  # in % of the original's accuracy
    at_most = share(kept[0] / 100 * own) if kept else None
    return _Lost(
        share(row["accuracy"]), at_most, f"{own:.1f} -> {row['accuracy']:.1f} % right, {text}"
    )


def order(found: Evidence) -> Ruling | None:
    """Hypernetwork before FOCUS before random rows, on every target, near ones too."""
    targets = _by_target(found.rows, HYPERNETWORK, "focus", "random")
    own = pick(found.rows, method=ORIGINAL)
    if not targets or own is None:
        return None
    verdicts, bits, saved = [], [], []
    for of in targets.values():
        hyper, focus, random = (
            of[name]["bits_per_byte"] for name in (HYPERNETWORK, "focus", "random")
        )
        verdicts.append(graded(min(focus - hyper, random - focus), found.margin))
        bits.append((hyper, focus, random))
        lost = focus - own["bits_per_byte"]
        saved.append((focus - hyper) / lost if lost > 0 else 0.0)
    means = " / ".join(f"{sum(column) / len(bits):.2f}" for column in zip(*bits, strict=True))
    text = f"{means} bits/byte, so on {verdicts.count(SHOWN)} of {len(bits)} targets"
    verdict = _most(verdicts)
    if verdict == SHOWN:
        verdict = graded(sum(saved) / len(saved), 0.0, 1 - (76.9 - 73.0) / (76.9 - 55.6))
    return Ruling(verdict, text)


def _most(verdicts: Sequence[str]) -> str:
    """Of one claim on several targets: all of them shown, or most of them, or none."""
    if all(verdict == SHOWN for verdict in verdicts):
        return SHOWN
    for wanted, verdict in ((SHOWN, DIRECTION), (OPPOSITE, OPPOSITE)):
        if verdicts.count(wanted) > len(verdicts) / 2:
            return verdict
    return NOT_SHOWN


def any_kind(found: Evidence) -> Ruling | None:
    """One network is ahead of the mean of pieces on every kind of tokenizer."""
    targets = _by_target(found.rows, HYPERNETWORK, "fvt")
    own = pick(found.rows, method=ORIGINAL)
    if len({target.split()[0] for target in targets}) < 3 or own is None:
        return None
    verdicts, parts, saved = [], [], []
    for target, of in targets.items():
        hyper, pieces = of[HYPERNETWORK]["bits_per_byte"], of["fvt"]["bits_per_byte"]
        verdicts.append(graded(pieces - hyper, found.margin))
        parts.append(f"{target} {hyper:.2f} / {pieces:.2f}")
        lost = pieces - own["bits_per_byte"]
        saved.append((pieces - hyper) / lost if lost > 0 else 0.0)
    verdict = _most(verdicts)
    if verdict == SHOWN and sum(saved) / len(saved) < 0.5:
        verdict = DIRECTION
    return Ruling(verdict, "hypernetwork / mean of pieces: " + ", ".join(parts))


def quality_kept(found: Evidence) -> Ruling | None:
    """Without any training on the target most of the quality is kept (76.9 -> 73.0)."""
    own = pick(found.rows, method=ORIGINAL)
    rows = [of[HYPERNETWORK] for of in _by_target(found.rows, HYPERNETWORK).values()]
    if own is None or not rows:
        return None
    measured = [_lost(row, own) for row in rows]
    if None in measured:
        return Ruling(NOT_SHOWN, f"the model itself has {own['accuracy']:.0f} % right, chance 25")
    middle = sorted(measured, key=lambda lost: lost.share)[len(measured) // 2]
    paper = (76.9 - 73.0) / (76.9 - CHANCE)
    return Ruling(middle.verdict(2 * paper), f"{middle.text} (median target)")


def heuristics_of_donors(found: Evidence) -> Ruling | None:
    """OMP, which a model trained with the target's tokenizer guides, before FOCUS."""
    targets = _by_target(found.rows, "omp", "focus")
    if not targets:
        return None
    parts, effects = [], []
    for target, of in targets.items():
        omp, focus = of["omp"]["bits_per_byte"], of["focus"]["bits_per_byte"]
        effects.append(focus - omp)
        parts.append(f"{target} {omp:.2f} / {focus:.2f}")
    verdict = _most([graded(effect, found.margin) for effect in effects])
    return Ruling(verdict, "OMP / FOCUS: " + ", ".join(parts))


# Continued training.


def _ends(rows: Sequence[Row]) -> dict[str, Row]:
    return {row["start"]: row for row in rows}


def _trains(rows: dict[str, Row], margin: float) -> bool:
    """Did the training of this table teach anything: do random rows come down by far?"""
    row = rows.get("random")
    return row is not None and row["at 0"] - row["bits_per_byte"] > max(margin, 0.5)


def original_no_better(found: Evidence) -> Ruling | None:
    """The original, trained as long, gains nothing by it."""
    rows = _ends(found.rows)
    own = rows.get(ORIGINAL)
    if own is None or own.get("at 0") is None:
        return None
    gain = own["at 0"] - own["bits_per_byte"]
    text = f"{own['at 0']:.2f} -> {own['bits_per_byte']:.2f} bits/byte"
    if not _trains(rows, 0.0):
        return Ruling(NOT_SHOWN, text)
    return Ruling(null(gain, SAME_BITS, found.margin), text)


def original_ahead(found: Evidence) -> Ruling | None:
    """The original, trained as long, stays ahead of every transfer."""
    rows = _ends(found.rows)
    if ORIGINAL not in rows or len(rows) < 2:
        return None
    own = rows[ORIGINAL]["bits_per_byte"]
    best = min(row["bits_per_byte"] for name, row in rows.items() if name != ORIGINAL)
    text = f"{own:.2f} / {best:.2f} bits/byte, the best transfer"
    if not _trains(rows, 0.0):
        return Ruling(NOT_SHOWN, text)
    return Ruling(graded(best - own, found.margin), text)


def n_shot_before_focus(found: Evidence) -> Ruling | None:
    """The hypernetwork, itself trained on, before FOCUS."""
    rows = _ends(found.rows)
    if not {TOGETHER, "focus", ORIGINAL} <= rows.keys():
        return None
    ours, theirs, own = (
        rows[name]["bits_per_byte"] for name in (TOGETHER, "focus", ORIGINAL)
    )
    verdict = graded(theirs - ours, found.margin)
    if verdict == SHOWN and (theirs - ours) / max(theirs - own, 1e-9) < 0.765 / 2:
        verdict = DIRECTION
    return Ruling(verdict, f"{ours:.2f} / {theirs:.2f} bits/byte")


def n_shot_near(found: Evidence) -> Ruling | None:
    """The hypernetwork, itself trained on, comes near to the original."""
    rows = _ends(found.rows)
    if not {TOGETHER, ORIGINAL} <= rows.keys():
        return None
    lost = _lost(rows[TOGETHER], rows[ORIGINAL])
    if lost is None:
        return Ruling(NOT_SHOWN, "the original is near chance")
    if not _trains(rows, 0.0):
        return Ruling(NOT_SHOWN, lost.text)
    paper = (76.8 - 74.9) / (76.8 - CHANCE)
    return Ruling(lost.verdict(2 * paper), lost.text)


# Fine-tuned variants.


def _methods(rows: Sequence[Row]) -> dict[str, Row]:
    return {row["method"]: row for row in rows}


def tuned_before_focus(found: Evidence) -> Ruling | None:
    """The base model's predicted rows serve its fine-tuned variant better than FOCUS's."""
    rows = _methods(found.rows)
    if not {HYPERNETWORK, "focus", ORIGINAL} <= rows.keys():
        return None
    ours, theirs, own = (
        rows[name]["bits_per_byte"] for name in (HYPERNETWORK, "focus", ORIGINAL)
    )
    verdict = graded(theirs - ours, found.margin)
    saved = (theirs - ours) / max(theirs - own, 1e-9)
    if verdict == SHOWN and saved < (1 - (7.33 - 6.56) / (7.33 - 5.03)) / 2:
        verdict = DIRECTION
    return Ruling(verdict, f"{ours:.2f} / {theirs:.2f} bits/byte, the variant itself {own:.2f}")


def tuned_kept(found: Evidence) -> Ruling | None:
    """Moved with its base model's hypernetwork, a variant keeps most of its quality."""
    rows = _methods(found.rows)
    if not {HYPERNETWORK, ORIGINAL} <= rows.keys():
        return None
    lost = _lost(rows[HYPERNETWORK], rows[ORIGINAL])
    if lost is None:
        return Ruling(NOT_SHOWN, "the variant itself is near chance")
    return Ruling(lost.verdict(2 * (1 - 6.56 / 7.33)), lost.text)


def task_vector(found: Evidence) -> Ruling | None:
    """Some of what n-shot training did to the base's trunk helps its variant.

    Among rows that are all far from the original an order says little: a direction at most.
    """
    rows = _methods(found.rows)
    some = [row for name, row in rows.items() if name.startswith("n-shot, lambda 0.")]
    none = rows.get("n-shot, lambda 0")
    if not some or none is None or ORIGINAL not in rows:
        return None
    best, own = min(row["bits_per_byte"] for row in some), rows[ORIGINAL]["bits_per_byte"]
    effect, gap = none["bits_per_byte"] - best, none["bits_per_byte"] - own
    text = f"{none['bits_per_byte']:.2f} -> {best:.2f} bits/byte, the variant itself {own:.2f}"
    verdict = graded(effect, found.margin)
    size = (6.82 - 6.59) / (7.33 - 6.59)
    if verdict == SHOWN and (effect / max(gap, 1e-9) < size / 2 or best > 1.25 * own):
        verdict = DIRECTION
    return Ruling(verdict, text)


def base_rows(found: Evidence) -> Ruling | None:
    """With the rows of its base a variant is no worse."""
    rows = _methods(found.rows)
    own, swapped = rows.get(ORIGINAL), rows.get("original, rows of the base model")
    if own is None or swapped is None or own.get("before") is None:
        return None
    text = f"{swapped['bits_per_byte']:.2f} / {own['bits_per_byte']:.2f} bits/byte"
    if own["before"] - own["bits_per_byte"] <= max(found.margin, 0.1):
        return Ruling(NOT_SHOWN, f"{text}; fine-tuning changed too little")
    cost = swapped["bits_per_byte"] - own["bits_per_byte"]
    return Ruling(null(cost, SAME_BITS, found.margin), text)


# The others.


def alm_ahead(found: Evidence) -> Ruling | None:
    """Trained by matching likelihoods, the network is ahead of one trained on text."""
    rows = {row["variant"]: row["bits_per_byte"] for row in found.rows}
    if not {"residual", "residual, distillation"} <= rows.keys():
        return None
    effect = rows["residual"] - rows["residual, distillation"]
    return Ruling(graded(effect, found.margin), f"{-effect:+.3f} bits/byte")


def residual_ahead(found: Evidence) -> Ruling | None:
    """The residual form with the auxiliary loss before zett's, once that has learned something."""
    rows = {row["variant"]: row["bits_per_byte"] for row in found.rows}
    names = "residual, auxiliary loss", ZETT, UNTRAINED
    if not set(names) <= rows.keys():
        return None
    ours, zetts, untrained = (rows[name] for name in names)
    text = f"{ours:.2f} / {zetts:.2f} bits/byte"
    if zetts >= untrained - found.margin:
        return Ruling(NOT_SHOWN, f"{text}; zett's form is not past no training, {untrained:.2f}")
    return Ruling(graded(zetts - ours, found.margin), text)


def auxiliary_needed(found: Evidence) -> Ruling | None:
    """Zett's form learns with the auxiliary loss, and without it stays behind no training."""
    rows = {row["variant"]: row["bits_per_byte"] for row in found.rows}
    names = ZETT, "zett's form without auxiliary loss", UNTRAINED
    if not set(names) <= rows.keys():
        return None
    kept, without, untrained = (rows[name] for name in names)
    text = f"{kept:.2f} with, {without:.2f} without, untrained {untrained:.2f} bits/byte"
    if kept >= untrained - found.margin:
        return Ruling(NOT_SHOWN, f"{text}; zett's form is not past no training")
    verdict = graded(without - kept, found.margin)
    if verdict == SHOWN and without <= untrained + found.margin:
        verdict = DIRECTION
    return Ruling(verdict, text)


def shorter_hardly_worse(found: Evidence) -> Ruling | None:
    """A language's own tokenizer: shorter text, hardly a loss (14 % and 1.4 of 72.6 points)."""
    verdicts, parts = [], []
    for language in dict.fromkeys(row["language"] for row in found.rows):
        own = pick(found.rows, language=language, method=ORIGINAL)
        row = pick(found.rows, language=language, method=HYPERNETWORK)
        if own is None or row is None:
            continue
        lost = _lost(row, own)
        kept = lost.text if lost else "near chance"
        parts.append(f"{language} {row['shorter']:.0f} % shorter, {kept}")
        if lost is None or row["shorter"] <= 0:
            verdicts.append(NOT_SHOWN)
            continue
        verdict = lost.verdict(2 * 1.4 / (72.6 - 100 / 3))
        verdicts.append(worst((verdict, DIRECTION)) if row["shorter"] < 7 else verdict)
    return Ruling(worst(verdicts), "; ".join(parts)) if verdicts else None


NOT_LANGUAGES = ("documentation", "code", "novels", "python")


def far_languages(found: Evidence) -> Ruling | None:
    """Languages far from English keep their accuracy, where FOCUS falls to chance."""
    rows = [row for row in found.rows if row["language"] not in NOT_LANGUAGES]
    names = list(dict.fromkeys(row["language"] for row in rows))
    verdicts, parts = [], []
    for language in names:
        own, hyper, focus = (
            pick(rows, language=language, method=name)
            for name in (ORIGINAL, HYPERNETWORK, "focus")
        )
        if None in (own, hyper, focus):
            continue
        verdict = graded(focus["bits_per_byte"] - hyper["bits_per_byte"], found.margin)
        lost = _lost(hyper, own)
        if lost is None:
            verdict = worst((verdict, NOT_SHOWN))
        elif verdict == SHOWN:  # that is, before FOCUS
            fallen = focus.get("accuracy") is not None and focus["accuracy"] <= CHANCE + MOVED
            kept = lost.verdict(0.3) == SHOWN
            verdict = SHOWN if kept and fallen else DIRECTION
        verdicts.append(verdict)
        parts.append(f"{language} {hyper['bits_per_byte']:.2f} / {focus['bits_per_byte']:.2f}")
    return Ruling(worst(verdicts), "; ".join(parts) + " bits/byte") if verdicts else None


def flops_share(found: Evidence) -> Ruling | None:
    """A predicted row costs under a hundredth of a token of the model."""
    shares = [row["share"] for row in found.rows if row["model"] == "mistral-7b"]
    if not shares:
        return None
    least, most = min(shares), max(shares)
    text = f"{least:.1f} % a row packed, {most:.1f} % padded"
    limit = 2 * 0.9
    return Ruling(SHOWN if least <= limit else OPPOSITE if least > 5 else NOT_SHOWN, text)


def unigramify(found: Evidence) -> Ruling | None:
    """A Unigram splits as GPT-2's BPE does: at most twice the paper's disagreements, held out."""
    row = pick(found.rows, tokenizer="GPT-2")
    if row is None:
        return None
    wrong, prior = 1 - row["held_out_agreement"], 1 - row["prior_agreement"]
    text = f"{100 * row['held_out_agreement']:.2f} % held out (prior {100 - 100 * prior:.1f} %)"
    verdict = graded(math.log(max(prior, 1e-9) / max(wrong, 1e-9)), math.log(1.5))
    if verdict == SHOWN and wrong > 2 * (1 - 0.9902):
        verdict = DIRECTION
    return Ruling(verdict, text)
