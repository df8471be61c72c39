"""What rows of moves without training say of the third paper's claims, and what they cost."""

import math
from collections.abc import Sequence

from experiments.shared.tables import pick
from experiments.tokenizer_transfer.accuracy import CHANCE, MOVED, ORIGINAL, lost_of
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
from research.reporting.tables import Row
from research.transfer.methods import HYPERNETWORK


def _by_target(rows: Sequence[Row], *methods: str) -> dict[str, dict[str, Row]]:
    """Target -> method -> row, for the targets that have all of the methods."""
    by_target: dict[str, dict[str, Row]] = {}
    for row in rows:
        by_target.setdefault(row["target"], {})[row["method"]] = row
    return {target: of for target, of in by_target.items() if set(methods) <= of.keys()}


def order(evidence: Evidence) -> Ruling | None:
    """Hypernetwork before FOCUS before random rows, on every target, near ones too."""
    targets = _by_target(evidence.rows, HYPERNETWORK, "focus", "random")
    own = pick(evidence.rows, method=ORIGINAL)
    if not targets or own is None:
        return None
    verdicts, bits, saved = [], [], []
    for of in targets.values():
        hyper, focus, random = (
            of[name]["bits_per_byte"] for name in (HYPERNETWORK, "focus", "random")
        )
        verdicts.append(graded(min(focus - hyper, random - focus), evidence.margin))
        bits.append((hyper, focus, random))
        lost = focus - own["bits_per_byte"]
        saved.append((focus - hyper) / lost if lost > 0 else 0.0)
    means = " / ".join(f"{sum(column) / len(bits):.2f}" for column in zip(*bits, strict=True))
    text = f"{means} bits/byte; in this order on {verdicts.count(SHOWN)} of {len(bits)} targets"
    verdict = _most(verdicts)
    if verdict == SHOWN:
        verdict = graded(sum(saved) / len(saved), 0.0, 1 - (76.9 - 73.0) / (76.9 - 55.6))
    return Ruling(verdict, text)


def _most(verdicts: Sequence[str]) -> str:
    """Of one claim on several targets: all of them shown, or most of them, or none."""
    if all(verdict == SHOWN for verdict in verdicts):
        return SHOWN
    for majority, verdict in ((SHOWN, DIRECTION), (OPPOSITE, OPPOSITE)):
        if verdicts.count(majority) > len(verdicts) / 2:
            return verdict
    return NOT_SHOWN


def any_kind(evidence: Evidence) -> Ruling | None:
    """One network is ahead of the mean of pieces on every kind of tokenizer."""
    targets = _by_target(evidence.rows, HYPERNETWORK, "fvt")
    own = pick(evidence.rows, method=ORIGINAL)
    if len({target.split()[0] for target in targets}) < 3 or own is None:
        return None
    verdicts, parts, saved = [], [], []
    for target, of in targets.items():
        hyper, pieces = of[HYPERNETWORK]["bits_per_byte"], of["fvt"]["bits_per_byte"]
        verdicts.append(graded(pieces - hyper, evidence.margin))
        parts.append(f"{target} {hyper:.2f} / {pieces:.2f}")
        lost = pieces - own["bits_per_byte"]
        saved.append((pieces - hyper) / lost if lost > 0 else 0.0)
    verdict = _most(verdicts)
    if verdict == SHOWN and sum(saved) / len(saved) < 0.5:
        verdict = DIRECTION
    return Ruling(verdict, "hypernetwork / mean of pieces: " + ", ".join(parts))


def quality_kept(evidence: Evidence) -> Ruling | None:
    """Without any training on the target most of the quality is kept (76.9 -> 73.0)."""
    own = pick(evidence.rows, method=ORIGINAL)
    rows = [of[HYPERNETWORK] for of in _by_target(evidence.rows, HYPERNETWORK).values()]
    if own is None or not rows:
        return None
    measured = [lost for lost in (lost_of(row, own) for row in rows) if lost is not None]
    if len(measured) < len(rows):
        return Ruling(NOT_SHOWN, f"the model itself has {own['accuracy']:.0f} % right, chance 25")
    middle = sorted(measured, key=lambda lost: lost.share)[len(measured) // 2]
    paper = (76.9 - 73.0) / (76.9 - CHANCE)
    return Ruling(middle.verdict(2 * paper), f"{middle.text} (median target)")


def heuristics_of_donors(evidence: Evidence) -> Ruling | None:
    """OMP, which a model trained with the target's tokenizer guides, before FOCUS."""
    targets = _by_target(evidence.rows, "omp", "focus")
    if not targets:
        return None
    parts, effects = [], []
    for target, of in targets.items():
        omp, focus = of["omp"]["bits_per_byte"], of["focus"]["bits_per_byte"]
        effects.append(focus - omp)
        parts.append(f"{target} {omp:.2f} / {focus:.2f}")
    verdict = _most([graded(effect, evidence.margin) for effect in effects])
    return Ruling(verdict, "OMP / FOCUS: " + ", ".join(parts))


def shorter_hardly_worse(evidence: Evidence) -> Ruling | None:
    """A language's own tokenizer: shorter text, hardly a loss (14 % and 1.4 of 72.6 points)."""
    verdicts, parts = [], []
    for language in dict.fromkeys(row["language"] for row in evidence.rows):
        own = pick(evidence.rows, language=language, method=ORIGINAL)
        row = pick(evidence.rows, language=language, method=HYPERNETWORK)
        if own is None or row is None:
            continue
        lost = lost_of(row, own)
        loss = lost.text if lost else "near chance"
        parts.append(f"{language} {row['shorter']:.0f} % shorter, {loss}")
        if lost is None or row["shorter"] <= 0:
            verdicts.append(NOT_SHOWN)
            continue
        verdict = lost.verdict(2 * 1.4 / (72.6 - 100 / 3))
        verdicts.append(worst((verdict, DIRECTION)) if row["shorter"] < 7 else verdict)
    return Ruling(worst(verdicts), "; ".join(parts)) if verdicts else None


NOT_LANGUAGES = ("documentation", "code", "novels", "python")


def far_languages(evidence: Evidence) -> Ruling | None:
    """Languages far from English keep their accuracy, where FOCUS falls to chance."""
    rows = [row for row in evidence.rows if row["language"] not in NOT_LANGUAGES]
    names = list(dict.fromkeys(row["language"] for row in rows))
    verdicts, parts = [], []
    for language in names:
        own, hyper, focus = (
            pick(rows, language=language, method=name) for name in (ORIGINAL, HYPERNETWORK, "focus")
        )
        if not (own and hyper and focus):
            continue
        verdict = graded(focus["bits_per_byte"] - hyper["bits_per_byte"], evidence.margin)
        lost = lost_of(hyper, own)
        if lost is None:
            verdict = worst((verdict, NOT_SHOWN))
        elif verdict == SHOWN:  # that is, before FOCUS
            fallen = focus.get("accuracy") is not None and focus["accuracy"] <= CHANCE + MOVED
            verdict = SHOWN if fallen and lost.verdict(0.3) == SHOWN else DIRECTION
        verdicts.append(verdict)
        parts.append(f"{language} {hyper['bits_per_byte']:.2f} / {focus['bits_per_byte']:.2f}")
    return Ruling(worst(verdicts), "; ".join(parts) + " bits/byte") if verdicts else None


def flops_share(evidence: Evidence) -> Ruling | None:
    """A predicted row costs under a hundredth of a token of the model."""
    shares = [row["share"] for row in evidence.rows if row["model"] == "mistral-7b"]
    if not shares:
        return None
    least, most = min(shares), max(shares)
    text = f"{least:.1f} % a row packed, {most:.1f} % padded"
    limit = 2 * 0.9
    return Ruling(SHOWN if least <= limit else OPPOSITE if least > 5 else NOT_SHOWN, text)


def unigramify(evidence: Evidence) -> Ruling | None:
    """A Unigram splits as GPT-2's BPE does: at most twice the paper's disagreements, held out."""
    row = pick(evidence.rows, tokenizer="GPT-2")
    if row is None:
        return None
    wrong, prior = 1 - row["held_out_agreement"], 1 - row["prior_agreement"]
    text = f"{100 * row['held_out_agreement']:.2f} % held out (prior {100 - 100 * prior:.1f} %)"
    verdict = graded(math.log(max(prior, 1e-9) / max(wrong, 1e-9)), math.log(1.5))
    if verdict == SHOWN and wrong > 2 * (1 - 0.9902):
        verdict = DIRECTION
    return Ruling(verdict, text)
