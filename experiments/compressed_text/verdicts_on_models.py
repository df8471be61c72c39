"""What models trained on ids say of the first paper's claims."""

import math
from collections.abc import Sequence

from experiments.compressed_text.rows import (
    ACCURACY,
    LEARNED,
    NOTHING,
    SAME_RATIO,
    Row,
    beyond_counts,
    by_window,
    figures,
    has_learned,
    learned,
    one_size,
    passes_counts,
    uniform,
    widest,
    widths,
    windows,
)
from experiments.shared.tables import SAME_BITS, pick
from research.reporting.claims import (
    DIRECTION,
    NOT_SHOWN,
    OPPOSITE,
    SHOWN,
    Evidence,
    Ruling,
    graded,
    null,
    smallest_step,
    worst,
)


def wide_tokens(evidence: Evidence) -> Ruling | None:
    """Tokens that hold a whole window, against narrow ones."""
    rows = {row["matched"]: row for row in evidence.rows}
    if not {"-", "tokens"} <= rows.keys():
        return None
    narrow, wide = rows["-"], rows["tokens"]
    text = f"{narrow['bits_per_byte']:.2f} -> {wide['bits_per_byte']:.2f}"
    if not has_learned(wide, evidence.margin):
        return Ruling(NOT_SHOWN, text)
    effect = narrow["bits_per_byte"] - wide["bits_per_byte"]
    return Ruling(graded(effect, evidence.margin, 1.472 - 1.251), text)


def structural_gain(evidence: Evidence) -> Ruling | None:
    """How much of the wide token's gain is there with the same text."""
    rows = {row["matched"]: row for row in evidence.rows}
    if not {"-", "bytes", "tokens"} <= rows.keys():
        return None
    bits = {name: row["bits_per_byte"] for name, row in rows.items()}
    gain, same = bits["-"] - bits["tokens"], bits["-"] - bits["bytes"]
    if not has_learned(rows["tokens"], evidence.margin) or gain <= evidence.margin:
        return Ruling(NOT_SHOWN, f"the gain is {gain:.3f} bits/byte")
    verdict = graded(same, evidence.margin, 0.84 * gain)
    return Ruling(verdict, f"{100 * (same / gain):.0f} % of {gain:.2f} bits/byte")


def _widest_tokens(rows: Sequence[Row]) -> list[Row]:
    return [row for row in rows if row["vocabulary"] == max(widths(rows))]


def _resets(rows: Sequence[Row]) -> list[Row] | None:
    """The widest tokens' rows: M1 reset at every window, at every other, never."""
    of = _widest_tokens(rows)
    by_reset = {row["method"].partition("reset=")[2] or "every": row for row in of}
    names = "every", "every-other", "never"
    return [by_reset[name] for name in names] if set(names) <= by_reset.keys() else None


def memory_compresses(evidence: Evidence) -> Ruling | None:
    """The longer M1 remembers, the better the ratio."""
    order = _resets(evidence.rows)
    if order is None:
        return None
    logs = [math.log(row["ratio"]) for row in order]
    verdict = graded(smallest_step(logs), math.log(SAME_RATIO))
    if verdict == SHOWN:
        verdict = graded(logs[-1] - logs[0], 0, math.log(5.33 / 2.66))
    return Ruling(verdict, " < ".join(f"{row['ratio']:.2f}" for row in order))


def memory_hides(evidence: Evidence) -> Ruling | None:
    """The longer M1 remembers, the less M2 learns."""
    order = _resets(evidence.rows)
    if order is None:
        return None
    left = [1 - learned(row) for row in order]
    text = " < ".join(f"{share:.2f}" for share in left) + " of a token's bits left"
    if not has_learned(order[0], evidence.margin):
        return Ruling(NOT_SHOWN, text)
    margin = max(evidence.margin / uniform(row) for row in order)
    # Nothing is left to lose above 1.
    steps = smallest_step([left[0], left[1], min(left[2], 1.0)])
    return Ruling(graded(steps, margin), text)


def reset_best(evidence: Evidence) -> Ruling | None:
    """A reset at every window has the fewest bits/byte."""
    order = _resets(evidence.rows)
    if order is None:
        return None
    bits = [row["bits_per_byte"] for row in order]
    text = "every {:.2f}, every other {:.2f}, never {:.2f}".format(*bits)
    if not has_learned(order[0], evidence.margin):
        return Ruling(NOT_SHOWN, text)
    return Ruling(graded(min(bits[1:]) - bits[0], evidence.margin, 1.501 - 1.015), text)


def shorter_learnable(evidence: Evidence) -> Ruling | None:
    """Shorter windows leave a smaller share of a token's bits; rows aside that are not below what
    counting gives: frequencies alone are in this order too."""
    order = by_window(_widest_tokens(evidence.rows))
    if len(order) < 3:
        return None
    left = [1 - learned(row) for row in order]
    text = ", ".join(
        f"W={row['method'].partition('=')[2]} {share:.2f}"
        for row, share in zip(order, left, strict=True)
    )
    passed = [(beyond_counts(row) or 0.0) > NOTHING for row in order]
    first = passed.index(False) if False in passed else len(passed)
    if not has_learned(order[0], evidence.margin) or first < 2 or any(passed[first:]):
        return Ruling(NOT_SHOWN, text)
    margin = max(evidence.margin / uniform(row) for row in order)
    verdict = graded(smallest_step(left[:first]), margin)
    return Ruling(worst((verdict, DIRECTION)) if first == 2 else verdict, text)


def shortest_best(evidence: Evidence) -> Ruling | None:
    """The shortest window has the fewest bits/byte."""
    order = by_window(_widest_tokens(evidence.rows))
    if len(order) < 3:
        return None
    best = min(order[1:], key=lambda row: row["bits_per_byte"])
    text = figures([order[0], best])
    if not has_learned(order[0], evidence.margin):
        return Ruling(NOT_SHOWN, text)
    effect = best["bits_per_byte"] - order[0]["bits_per_byte"]
    return Ruling(graded(effect, evidence.margin, 1.70 - 1.25), text)


def windows_before_ac(evidence: Evidence) -> Ruling | None:
    """M2 on windows is below AC, which stands for M1 itself."""
    rows = one_size(evidence.rows)
    own, ac = windows(rows), widest(rows, "AC")
    if own is None or ac is None:
        return None
    m1 = min(ac["bits_per_byte"], uniform(ac))
    text = f"{own['method']} {own['bits_per_byte']:.2f}, AC {m1:.2f}"
    if not has_learned(own, evidence.margin):
        return Ruling(NOT_SHOWN, text)
    return Ruling(graded(m1 - own["bits_per_byte"], evidence.margin, 1.46 - 1.25), text)


def windows_before_bytes(evidence: Evidence) -> Ruling | None:
    """Windows are below bytes, at fewer FLOPs; shown only if the model of bytes passes M1."""
    rows = one_size(evidence.rows)
    own, raw, ac = windows(rows), widest(rows, "Bytes"), widest(rows, "AC")
    if not (own and raw and ac):
        return None
    text = f"{own['bits_per_byte']:.2f} / {raw['bits_per_byte']:.2f} bits/byte"
    if not has_learned(own, evidence.margin):
        return Ruling(NOT_SHOWN, text)
    verdict = graded(raw["bits_per_byte"] - own["bits_per_byte"], evidence.margin, 1.29 - 1.25)
    if verdict == SHOWN and not own["mflops_per_byte"] < raw["mflops_per_byte"]:
        verdict = NOT_SHOWN
    if verdict == SHOWN and raw["bits_per_byte"] > min(ac["bits_per_byte"], uniform(ac)):
        return Ruling(DIRECTION, f"{text}; the model of bytes has not reached M1")
    return Ruling(verdict, text)


def _subwords(rows: Sequence[Row]) -> Row | None:
    """SentencePiece's Unigram: the paper's of 32k entries, or one as large as the windows' code."""
    return widest(rows, "SentencePiece") or widest(rows, "Unigram")


def subwords_best(evidence: Evidence) -> Ruling | None:
    """SentencePiece has the fewest bits/byte of what the paper compares."""
    rows = one_size(evidence.rows)
    subwords, own, ac = _subwords(rows), windows(rows), widest(rows, "AC")
    if not (subwords and own and ac):
        return None
    others = [own, *(widest(rows, name) for name in ("Bytes", "GZip"))]
    next_best = min(filter(None, others), key=lambda row: row["bits_per_byte"])
    text = f"{figures([subwords, next_best])}, AC {ac['bits_per_byte']:.3f}"
    if not has_learned(own, evidence.margin):
        return Ruling(NOT_SHOWN, text)
    effect = next_best["bits_per_byte"] - subwords["bits_per_byte"]
    verdict = graded(effect, evidence.margin, 1.25 - 1.12)
    if verdict == SHOWN and ac["bits_per_byte"] < subwords["bits_per_byte"]:
        verdict = DIRECTION
    return Ruling(verdict, text)


def decodable_free(evidence: Evidence) -> Ruling | None:
    """Windows under Delay cost M2 nothing."""
    rows = one_size(evidence.rows)
    own = windows(rows)
    same = [row for row in rows if own and row["vocabulary"] == own["vocabulary"]]
    ours = windows(same, delay=True)
    if own is None or ours is None:
        return None
    text = f"{ours['bits_per_byte']:.2f} / {own['bits_per_byte']:.2f}"
    if not (has_learned(own, evidence.margin) and has_learned(ours, evidence.margin)):
        return Ruling(NOT_SHOWN, text)
    cost = ours["bits_per_byte"] - own["bits_per_byte"]
    return Ruling(null(cost, SAME_BITS, evidence.margin), text)


def _control(evidence: Evidence) -> bool:
    """Did M2 learn anything of coded ids whose sequences begin as AC's do?"""
    rows = one_size(evidence.rows)
    own = windows(rows)
    others = [row for row in rows if row["method"] == "GZip"] + ([own] if own else [])
    return any(has_learned(row, evidence.margin) for row in others)


def unlearnable(method: str):
    """Nothing is learned of a method's ids, where something is learned of another's."""

    def decide(evidence: Evidence) -> Ruling | None:
        rows = [row for row in one_size(evidence.rows) if row["method"] == method]
        if not rows:
            return None
        most = max(map(learned, rows))
        text = f"{100 * max(most, 0.0):.1f} % of a token's bits learned"
        if not _control(evidence):
            return Ruling(NOT_SHOWN, f"{text}, but no control has learned either")
        return Ruling(SHOWN if most <= NOTHING else OPPOSITE, text)

    return decide


def gzip_learnable(evidence: Evidence) -> Ruling | None:
    """Part of GZip's ids is learned: .35 of 8 bits, .19 of 16 in the paper.

    Its examples begin with a header and a Huffman table, of which counts by place know something.
    """
    rows = [row for row in one_size(evidence.rows) if row["method"] == "GZip"]
    if not rows:
        return None
    counted = [(beyond_counts(row), row) for row in rows]
    counted = [(beyond, row) for beyond, row in counted if beyond is not None]
    if not counted:
        share = max(map(learned, rows))
        text = f"{100 * max(share, 0.0):.1f} % of a token's bits learned"
        return Ruling(NOT_SHOWN, f"{text}, and nobody has counted what ids tell by their place")
    beyond, best = max(counted, key=lambda pair: pair[0])
    share = learned(best)
    text = f"{100 * max(share, 0.0):.1f} % of a token's bits learned"
    text += f" (counts by place: {100 * (share - beyond):.1f} %)"
    if not passes_counts(best, evidence.margin):
        return Ruling(NOT_SHOWN, text)
    return Ruling(SHOWN if share >= 0.186 / 2 else DIRECTION, text)


def wide_hurts_gzip(evidence: Evidence) -> Ruling | None:
    """Wider tokens make GZip harder to learn."""
    rows = sorted(
        (row for row in evidence.rows if row["method"] == "GZip"), key=lambda row: row["vocabulary"]
    )
    if len(rows) < 2:
        return None
    narrow, wide = rows[0], rows[-1]
    text = f"{narrow['bits_per_byte']:.2f} -> {wide['bits_per_byte']:.2f}"
    if not has_learned(narrow, evidence.margin):
        return Ruling(NOT_SHOWN, f"{text}, nothing learned that counts do not give")
    effect = wide["bits_per_byte"] - narrow["bits_per_byte"]
    return Ruling(graded(effect, evidence.margin, 2.92 - 2.34), text)


def header_immaterial(evidence: Evidence) -> Ruling | None:
    """GZip without header costs as much, where some of it is learned."""
    gaps, moved = [], False
    for vocabulary in widths(evidence.rows):
        whole = pick(evidence.rows, method="GZip", vocabulary=vocabulary)
        bare = pick(evidence.rows, method="GZip no header", vocabulary=vocabulary)
        if whole and bare:
            gaps.append(bare["bits_per_byte"] - whole["bits_per_byte"])
            moved |= has_learned(whole, evidence.margin)
    if not gaps:
        return None
    text = ", ".join(f"{gap:+.3f}" for gap in gaps) + " bits/byte"
    if not moved:
        return Ruling(NOT_SHOWN, f"{text}, but nothing is learned that counts do not give")
    return Ruling(null(max(map(abs, gaps)), SAME_BITS, evidence.margin), text)


def _coder(rows: Sequence[Row]) -> tuple[Row | None, Row | None, Row | None]:
    """The rows that decompress: bytes alone, AC, windows."""
    coded = [row for row in rows if row["task"] == "decompress"]
    alone = next((row for row in coded if row["method"].startswith("byte LM")), None)
    return alone, pick(coded, method="AC"), windows(coded)


def ac_decoder_hidden(evidence: Evidence) -> Ruling | None:
    """AC's ids do not help to predict the text, where those of windows do."""
    alone, ac, own = _coder(evidence.rows)
    if not (alone and ac and own):
        return None
    gain, control = (row["accuracy"] - alone["accuracy"] for row in (ac, own))
    text = f"{100 * ac['accuracy']:.1f} % / {100 * alone['accuracy']:.1f} %"
    if control < 2 * ACCURACY:
        return Ruling(NOT_SHOWN, f"{text}, but windows are not learned either")
    return Ruling(SHOWN if gain <= ACCURACY else OPPOSITE, text)


def window_decoder_learned(evidence: Evidence) -> Ruling | None:
    """The ids of windows help to predict the text."""
    alone, _, own = _coder(evidence.rows)
    if not (alone and own):
        return None
    gain = own["accuracy"] - alone["accuracy"]
    text = f"{100 * own['accuracy']:.1f} % / {100 * alone['accuracy']:.1f} %"
    return Ruling(graded(gain, ACCURACY, 0.9530 - 0.7683), text)


def ac_coder_in_part(evidence: Evidence) -> Ruling | None:
    """Hardly a token of AC is right, but half of its nats are learned; a message's first tokens
    can be told in part from their place."""
    row = pick(evidence.rows, method="AC", task="compress")
    if row is None:
        return None
    saved = 1 - row["nats"] / row["uniform_nats"]
    text = f"{100 * row['accuracy']:.1f} % right, {round(100 * saved)} % of the nats"
    verdict = graded(max(saved, 0.0), LEARNED, 1 - 2.489 / 5.545)
    return Ruling(worst((verdict, DIRECTION)) if row["accuracy"] > 0.05 else verdict, text)


def unlocks(evidence: Evidence) -> Ruling | None:
    """The first three tokens of a window are predicted, the later ones hardly."""
    last = evidence.rows[-1] if evidence.rows else {}
    shares = [last[f"position {k}"] for k in range(1, 9) if last.get(f"position {k}") is not None]
    if len(shares) < 4:
        return None
    text = " ".join(f"{100 * share:.1f}" for share in shares) + " % right"
    least = max(last["guess"], *shares[3:]) + 0.01
    if min(shares[:3]) > least:
        return Ruling(SHOWN, text)
    return Ruling(DIRECTION if min(shares[:2]) > least else NOT_SHOWN, text)


def gap_narrows(evidence: Evidence) -> Ruling | None:
    """Larger M2s on windows come nearer to SentencePiece."""
    gaps, moved = [], True
    for size in dict.fromkeys(row["size"] for row in evidence.rows):
        rows = [row for row in evidence.rows if row["size"] == size]
        own, subwords = windows(rows), _subwords(rows)
        if own and subwords:
            moved &= has_learned(own, evidence.margin)
            gaps.append((size, own["bits_per_byte"] - subwords["bits_per_byte"]))
    if len(gaps) < 2:
        return None
    text = ", ".join(f"{size} {gap:.2f}" for size, gap in gaps)
    if not moved or min(gap for _, gap in gaps) <= 0:
        return Ruling(NOT_SHOWN, text)
    return Ruling(graded(gaps[0][1] - gaps[-1][1], evidence.margin, 0.13 - 0.07), text)
