"""What rows of the first paper's tables say of its claims: pure functions for `claims`.

A row that knows only how often each id occurs leaves .91 of a token's bits (a whole window of 12
bits, `compression_ratios`), so nothing counts as learned above .9; and "nothing is learned" is said
of a codec only where a model beside it did learn.
"""

import math
import re
from collections.abc import Mapping, Sequence
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
    null,
    smallest_step,
    worst,
)

Row = dict[str, Any]
LEARNED = 0.1  # of a token's bits: more than frequencies alone give
NOTHING = 0.01  # of a token's bits: as good as uniform
SAME_RATIO = 1.01  # ratios of one text within 1 % are no order
SAME_BITS = 0.03  # bits/byte: the most that the paper calls no difference
ACCURACY = 0.02  # shares of right targets that differ by less are the same


def learned(row: Row) -> float:
    """Share of a token's bits that M2 saves over the uniform distribution."""
    return 1 - row["bits_per_byte"] * row["ratio"] / math.log2(row["vocabulary"])


def uniform(row: Row) -> float:
    """Bits/byte of the uniform distribution over the row's ids."""
    return math.log2(row["vocabulary"]) / row["ratio"]


def widths(rows: Sequence[Row]) -> list[int]:
    """The vocabularies of the rows' tokens, narrow ones first."""
    return sorted({row["vocabulary"] for row in rows})


def windows(rows: Sequence[Row], *, delay: bool = False) -> Row | None:
    """The row of equal-info windows with the widest tokens: the paper's, or point+delay."""
    suffix = r" point\+delay" if delay else ""
    found = [row for row in rows if re.fullmatch(rf"EqualInfo W=\d+{suffix}", row["method"])]
    return max(found, key=lambda row: row["vocabulary"], default=None)


def by_window(rows: Sequence[Row]) -> list[Row]:
    """The paper's windows, short ones first."""
    found = [row for row in rows if re.fullmatch(r"EqualInfo W=\d+", row["method"])]
    return sorted(found, key=lambda row: int(row["method"].partition("=")[2]))


def widest(rows: Sequence[Row], method: str) -> Row | None:
    """A method's row with the widest tokens."""
    found = [row for row in rows if row["method"] == method]
    return max(found, key=lambda row: row["vocabulary"], default=None)


def one_size(rows: Sequence[Row]) -> list[Row]:
    """The rows of the first size of M2."""
    return [row for row in rows if row.get("size") == rows[0].get("size")]


def shown(rows: Sequence[Row], column: str = "bits_per_byte") -> str:
    return ", ".join(f"{row['method']} {row[column]:.3f}" for row in rows)


# Ratios and bits: no training.


def ratios(found: Evidence) -> Ruling | None:
    """StaticAC < short to long windows < AC, in every width of tokens."""
    verdicts, parts = [], []
    for vocabulary in widths(row for row in found.rows if row["method"] == "AC"):
        of = [row for row in found.rows if row["vocabulary"] == vocabulary]
        order = [pick(of, method="StaticAC"), *by_window(of), pick(of, method="AC")]
        if None in order or len(order) < 4:
            return None
        logs = [math.log(row["ratio"]) for row in order]
        step = smallest_step(logs)
        verdict = graded(step, math.log(SAME_RATIO))
        if verdict == SHOWN:
            verdict = graded(logs[-1] - logs[0], 0, math.log(5.49 / 1.73))
        verdicts.append(verdict)
        parts.append(" < ".join(f"{row['ratio']:.2f}" for row in order))
    return Ruling(worst(verdicts), "; ".join(parts)) if verdicts else None


def gzip_between(found: Evidence) -> Ruling | None:
    """StaticAC < GZip < AC."""
    verdicts, parts = [], []
    for vocabulary in widths(row for row in found.rows if row["method"] == "AC"):
        of = [row for row in found.rows if row["vocabulary"] == vocabulary]
        order = [pick(of, method=name) for name in ("StaticAC", "GZip", "AC")]
        if None in order:
            return None
        step = smallest_step([math.log(row["ratio"]) for row in order])
        verdicts.append(graded(step, math.log(SAME_RATIO)))
        parts.append(" < ".join(f"{row['ratio']:.2f}" for row in order))
    return Ruling(worst(verdicts), "; ".join(parts)) if verdicts else None


def _unigram_gain(row: Row) -> float:
    return row["uniform_bpb"] - row["unigram_bpb"]


def _narrow(rows: Sequence[Row]) -> tuple[Row, Row, Row] | None:
    """AC, the shortest windows, and bytes, in the narrowest tokens: their counts are surest."""
    coded = widths(row for row in rows if row["method"] == "AC")
    of = [row for row in rows if coded and row["vocabulary"] == coded[0]]
    found = pick(of, method="AC"), next(iter(by_window(of)), None), pick(rows, method="Bytes")
    return None if None in found else found


def no_unigram_structure(found: Evidence) -> Ruling | None:
    """Frequencies of AC's ids save nothing, where those of bytes save much."""
    rows = _narrow(found.rows)
    if rows is None:
        return None
    ac, _, control = map(_unigram_gain, rows)
    text = f"{ac:+.4f} bits/byte (bytes {control:+.2f})"
    if control < 0.5:
        return Ruling(NOT_SHOWN, text)
    return Ruling(SHOWN if abs(ac) <= 0.01 else OPPOSITE, text)


def little_unigram_structure(found: Evidence) -> Ruling | None:
    """Frequencies of the shortest windows' ids save a little; what AC's save is the noise."""
    rows = _narrow(found.rows)
    if rows is None:
        return None
    ac, short, _ = map(_unigram_gain, rows)
    verdict = graded(short - ac, 0.005 + 2 * abs(ac), 0.032)
    return Ruling(verdict, f"{rows[1]['method']} {short:.4f} bits/byte, AC {ac:.4f}")


def delay_costs(found: Evidence) -> Ruling | None:
    """Delay takes a sixth of the ratio."""
    row = pick(found.rows, closing="point+delay")
    if row is None:
        return None
    cost, paper = 1 - row["ratio_to_greedy"], 1 - 4.40 / 5.31
    verdict = graded(cost, 0.02, paper)
    if cost > 1.5 * paper:
        verdict = worst((verdict, DIRECTION))
    return Ruling(verdict, f"{100 * cost:.0f} %")


def windows_decodable(found: Evidence) -> Ruling | None:
    """The paper's decoder on its greedy windows, under the better of two readings of "fits"."""
    rows = {row["closing"]: row for row in found.rows}
    if not {"point", "dyadic", "point+delay"} <= rows.keys():
        return None
    greedy = {name: rows[name]["right_as_described"] for name in ("point", "dyadic")}
    lost = 1 - max(greedy.values())
    text = (
        f"{greedy['point']:.0%} of windows (point), {greedy['dyadic']:.0%} (dyadic); our"
        f" point+delay {rows['point+delay']['right_first_match']:.0%}"
    )
    return Ruling(SHOWN if lost <= 0.012 else OPPOSITE if lost > 0.05 else NOT_SHOWN, text)


def one_text_a_code(found: Evidence) -> Ruling | None:
    """Codes seen twice or more that always stood for one text, under the paper's rule."""
    share = {row["item"]: row["share"] for row in found.rows if row["part"] == "code"}
    if None in (share.get("point"), share.get("point+delay")):
        return None
    text = f"{share['point']:.0%} of codes; our point+delay {share['point+delay']:.0%}"
    several = 1 - share["point"]
    return Ruling(SHOWN if several <= 0.01 else OPPOSITE if several > 0.05 else NOT_SHOWN, text)


def _divergences(rows: Sequence[Row]) -> tuple[dict[str, Row], str, float] | None:
    """Corrected rows by method, the n-gram column, and three standard errors of an estimate."""
    of = {
        row["method"]: row for row in rows
        if row["unit"] == "n-gram" and row["estimate"] == "Miller-Madow"
    }
    length = next((n for n in (8, 4) if all(f"n={n}" in row for row in of.values())), None)
    if length is None or not {"AC", "StaticAC", "GZip", "random"} <= of.keys():
        return None
    fewest = min(row["bits"] for row in of.values())
    # The plug-in estimate of uniform bits is chi-squared, over 2 N ln 2.
    error = 3 * math.sqrt(2 * (2**length - 1)) / (2 * fewest * math.log(2))
    return of, f"n={length}", error


def looks_random(found: Evidence) -> Ruling | None:
    """AC's bits are as near to uniform as random ones, and GZip's are told from these."""
    made = _divergences(found.rows)
    if made is None:
        return None
    of, column, error = made
    ac, gzip, random = (of[name][column] for name in ("AC", "GZip", "random"))
    text = f"KL at {column}: AC {ac:.1e}, random {random:.1e}, GZip {gzip:.1e} bits"
    if gzip - random <= error:
        return Ruling(NOT_SHOWN, text)
    return Ruling(SHOWN if abs(ac - random) <= error else OPPOSITE, text)


def uniformity(found: Evidence) -> Ruling | None:
    """StaticAC, windows and GZip are ever further from uniform."""
    made = _divergences(found.rows)
    row = made and next(iter(by_window(list(made[0].values()))), None)
    if not row:
        return None
    of, column, error = made
    order = [of["StaticAC"], row, of["GZip"]]
    text = ", ".join(f"{each['method']} {each[column]:.1e}" for each in order)
    verdict = graded(smallest_step([each[column] for each in order]), error)
    return Ruling(verdict, f"KL at {column}: {text} bits")


def stability(found: Evidence) -> Ruling | None:
    """SentencePiece's tokens change least under another first word, AC's most."""
    order = [
        pick(found.rows, method="SentencePiece"), windows(found.rows), pick(found.rows, method="AC")
    ]  # fmt: skip
    if None in order:
        return None
    verdict = graded(smallest_step([row["share_changed"] for row in order]), ACCURACY)
    return Ruling(verdict, f"share changed: {shown(order, 'share_changed')}")


def token_meaning(found: Evidence) -> Ruling | None:
    """The first token of a window tells how it begins, the second nothing."""
    share = {row["item"]: row["share"] for row in found.rows if row["part"] == "position"}
    if not {"any", "position 1", "position 2"} <= share.keys():
        return None
    base, first, second = share["any"], share["position 1"], share["position 2"]
    text = f"first {first:.2f}, second {second:.2f}, any token {base:.3f}"
    verdict = graded(min(first - second, first - 2 * base), 0.05)
    if verdict == SHOWN and second > 2 * base:
        verdict = DIRECTION
    return Ruling(verdict, text)


# One trained model a row.


def wide_tokens(found: Evidence) -> Ruling | None:
    """Tokens that hold a whole window, against narrow ones."""
    rows = {row["matched"]: row for row in found.rows}
    if not {"-", "tokens"} <= rows.keys():
        return None
    narrow, wide = rows["-"], rows["tokens"]
    text = f"{narrow['bits_per_byte']:.2f} -> {wide['bits_per_byte']:.2f}"
    if learned(wide) < LEARNED:
        return Ruling(NOT_SHOWN, text)
    effect = narrow["bits_per_byte"] - wide["bits_per_byte"]
    return Ruling(graded(effect, found.margin, 1.472 - 1.251), text)


def structural_gain(found: Evidence) -> Ruling | None:
    """How much of the wide token's gain is there with the same text."""
    rows = {row["matched"]: row for row in found.rows}
    if not {"-", "bytes", "tokens"} <= rows.keys():
        return None
    bits = {name: row["bits_per_byte"] for name, row in rows.items()}
    gain, same = bits["-"] - bits["tokens"], bits["-"] - bits["bytes"]
    if learned(rows["tokens"]) < LEARNED or gain <= found.margin:
        return Ruling(NOT_SHOWN, f"the gain is {gain:.3f} bits/byte")
    verdict = graded(same, found.margin, 0.84 * gain)
    return Ruling(verdict, f"{same / gain:.0%} of {gain:.2f} bits/byte")


def _resets(rows: Sequence[Row]) -> list[Row] | None:
    """The widest tokens' rows: M1 reset at every window, at every other, never."""
    of = [row for row in rows if row["vocabulary"] == max(widths(rows))]
    found = {row["method"].partition("reset=")[2] or "every": row for row in of}
    order = [found.get(name) for name in ("every", "every-other", "never")]
    return None if None in order else order


def memory_compresses(found: Evidence) -> Ruling | None:
    """The longer M1 remembers, the better the ratio."""
    order = _resets(found.rows)
    if order is None:
        return None
    logs = [math.log(row["ratio"]) for row in order]
    verdict = graded(smallest_step(logs), math.log(SAME_RATIO))
    if verdict == SHOWN:
        verdict = graded(logs[-1] - logs[0], 0, math.log(5.33 / 2.66))
    return Ruling(verdict, " < ".join(f"{row['ratio']:.2f}" for row in order))


def memory_hides(found: Evidence) -> Ruling | None:
    """The longer M1 remembers, the less M2 learns."""
    order = _resets(found.rows)
    if order is None:
        return None
    left = [1 - learned(row) for row in order]
    text = " < ".join(f"{share:.2f}" for share in left) + " of a token's bits left"
    if learned(order[0]) < LEARNED:
        return Ruling(NOT_SHOWN, text)
    margin = max(found.margin / uniform(row) for row in order)
    # Nothing is left to lose above 1.
    steps = smallest_step([left[0], left[1], min(left[2], 1.0)])
    return Ruling(graded(steps, margin), text)


def reset_best(found: Evidence) -> Ruling | None:
    """A reset at every window has the fewest bits/byte."""
    order = _resets(found.rows)
    if order is None:
        return None
    bits = [row["bits_per_byte"] for row in order]
    text = "every {:.2f}, every other {:.2f}, never {:.2f}".format(*bits)
    if learned(order[0]) < LEARNED:
        return Ruling(NOT_SHOWN, text)
    return Ruling(graded(min(bits[1:]) - bits[0], found.margin, 1.501 - 1.015), text)


def shorter_learnable(found: Evidence) -> Ruling | None:
    """Shorter windows leave a smaller share of a token's bits; rows without learning aside."""
    order = by_window([row for row in found.rows if row["vocabulary"] == max(widths(found.rows))])
    if len(order) < 3:
        return None
    left = [1 - learned(row) for row in order]
    text = ", ".join(
        f"W={row['method'].partition('=')[2]} {share:.2f}"
        for row, share in zip(order, left, strict=True)
    )
    kept = [share for share in left if share < 1 - NOTHING]
    if learned(order[0]) < LEARNED or len(kept) < 2 or kept != left[: len(kept)]:
        return Ruling(NOT_SHOWN, text)
    margin = max(found.margin / uniform(row) for row in order)
    verdict = graded(smallest_step(kept), margin)
    return Ruling(worst((verdict, DIRECTION)) if len(kept) == 2 else verdict, text)


def shortest_best(found: Evidence) -> Ruling | None:
    """The shortest window has the fewest bits/byte."""
    order = by_window([row for row in found.rows if row["vocabulary"] == max(widths(found.rows))])
    if len(order) < 3:
        return None
    best = min(order[1:], key=lambda row: row["bits_per_byte"])
    text = shown([order[0], best])
    if learned(order[0]) < LEARNED:
        return Ruling(NOT_SHOWN, text)
    effect = best["bits_per_byte"] - order[0]["bits_per_byte"]
    return Ruling(graded(effect, found.margin, 1.70 - 1.25), text)


def windows_before_ac(found: Evidence) -> Ruling | None:
    """M2 on windows is below AC, which stands for M1 itself."""
    rows = one_size(found.rows)
    own, ac = windows(rows), widest(rows, "AC")
    if own is None or ac is None:
        return None
    m1 = min(ac["bits_per_byte"], uniform(ac))
    text = f"{own['method']} {own['bits_per_byte']:.2f}, AC {m1:.2f}"
    if learned(own) < LEARNED:
        return Ruling(NOT_SHOWN, text)
    return Ruling(graded(m1 - own["bits_per_byte"], found.margin, 1.46 - 1.25), text)


def windows_before_bytes(found: Evidence) -> Ruling | None:
    """Windows are below bytes, at fewer FLOPs; shown only if the model of bytes passes M1."""
    rows = one_size(found.rows)
    own, raw, ac = windows(rows), widest(rows, "Bytes"), widest(rows, "AC")
    if None in (own, raw, ac):
        return None
    text = f"{own['bits_per_byte']:.2f} / {raw['bits_per_byte']:.2f} bits/byte"
    if learned(own) < LEARNED:
        return Ruling(NOT_SHOWN, text)
    verdict = graded(raw["bits_per_byte"] - own["bits_per_byte"], found.margin, 1.29 - 1.25)
    if verdict == SHOWN and not own["mflops_per_byte"] < raw["mflops_per_byte"]:
        verdict = NOT_SHOWN
    if verdict == SHOWN and raw["bits_per_byte"] > min(ac["bits_per_byte"], uniform(ac)):
        return Ruling(DIRECTION, f"{text}; the model of bytes has not reached M1")
    return Ruling(verdict, text)


def subwords_best(found: Evidence) -> Ruling | None:
    """SentencePiece has the fewest bits/byte of what the paper compares."""
    rows = one_size(found.rows)
    subwords, own, ac = widest(rows, "SentencePiece"), windows(rows), widest(rows, "AC")
    if None in (subwords, own, ac):
        return None
    others = [own, *(widest(rows, name) for name in ("Bytes", "GZip"))]
    next_best = min(filter(None, others), key=lambda row: row["bits_per_byte"])
    text = f"{shown([subwords, next_best])}, AC {ac['bits_per_byte']:.3f}"
    if learned(own) < LEARNED:
        return Ruling(NOT_SHOWN, text)
    effect = next_best["bits_per_byte"] - subwords["bits_per_byte"]
    verdict = graded(effect, found.margin, 1.25 - 1.12)
    if verdict == SHOWN and ac["bits_per_byte"] < subwords["bits_per_byte"]:
        verdict = DIRECTION
    return Ruling(verdict, text)


def decodable_free(found: Evidence) -> Ruling | None:
    """Windows under Delay cost M2 nothing."""
    rows = one_size(found.rows)
    own = windows(rows)
    same = [row for row in rows if own and row["vocabulary"] == own["vocabulary"]]
    ours = windows(same, delay=True)
    if own is None or ours is None:
        return None
    text = f"{ours['bits_per_byte']:.2f} / {own['bits_per_byte']:.2f}"
    if min(learned(own), learned(ours)) < LEARNED:
        return Ruling(NOT_SHOWN, text)
    cost = ours["bits_per_byte"] - own["bits_per_byte"]
    return Ruling(null(cost, SAME_BITS, found.margin), text)


def _control(found: Evidence) -> bool:
    """Did M2 learn anything of coded ids whose sequences begin as AC's do?

    Where the store cuts examples, all begin with their message. Where it does not (older records),
    a row of windows that are one token each is no control, and GZip is.
    """
    names = ["GZip"]
    if _cuts_examples(found.config):
        own = windows(one_size(found.rows))
        names += [own["method"]] if own else []
    return any(
        learned(row) > LEARNED for row in one_size(found.rows) if row["method"] in names
    )


def _cuts_examples(config: Any) -> bool:
    """Does a record's configuration say, anywhere, how many bytes an example has?"""
    if isinstance(config, Mapping):
        return bool(config.get("example_bytes")) or any(map(_cuts_examples, config.values()))
    return isinstance(config, list | tuple) and any(map(_cuts_examples, config))


def unlearnable(method: str):
    """Nothing is learned of a method's ids, where something is learned of another's."""

    def decide(found: Evidence) -> Ruling | None:
        rows = [row for row in one_size(found.rows) if row["method"] == method]
        if not rows:
            return None
        most = max(map(learned, rows))
        text = f"{100 * most:.1f} % of a token's bits learned"
        if not _control(found):
            return Ruling(NOT_SHOWN, f"{text}, but no control has learned either")
        return Ruling(SHOWN if most <= NOTHING else OPPOSITE, text)

    return decide


def gzip_learnable(found: Evidence) -> Ruling | None:
    """Part of GZip's ids is learned: .35 of 8 bits, .19 of 16 in the paper."""
    rows = [row for row in one_size(found.rows) if row["method"] == "GZip"]
    if not rows:
        return None
    best = max(rows, key=learned)
    margin = max(NOTHING, found.margin / uniform(best))
    verdict = graded(max(learned(best), 0.0), margin, 0.186)
    return Ruling(verdict, f"{100 * learned(best):.1f} % of a token's bits learned")


def wide_hurts_gzip(found: Evidence) -> Ruling | None:
    """Wider tokens make GZip harder to learn."""
    rows = sorted(
        (row for row in found.rows if row["method"] == "GZip"), key=lambda row: row["vocabulary"]
    )
    if len(rows) < 2:
        return None
    narrow, wide = rows[0], rows[-1]
    text = f"{narrow['bits_per_byte']:.2f} -> {wide['bits_per_byte']:.2f}"
    if learned(narrow) < LEARNED:
        return Ruling(NOT_SHOWN, f"{text}, nothing learned")
    effect = wide["bits_per_byte"] - narrow["bits_per_byte"]
    return Ruling(graded(effect, found.margin, 2.92 - 2.34), text)


def header_immaterial(found: Evidence) -> Ruling | None:
    """GZip without header costs as much, where some of it is learned."""
    gaps, best = [], 0.0
    for vocabulary in widths(found.rows):
        kept = pick(found.rows, method="GZip", vocabulary=vocabulary)
        bare = pick(found.rows, method="GZip no header", vocabulary=vocabulary)
        if kept and bare:
            gaps.append(bare["bits_per_byte"] - kept["bits_per_byte"])
            best = max(best, learned(kept), learned(bare))
    if not gaps:
        return None
    text = ", ".join(f"{gap:+.3f}" for gap in gaps) + " bits/byte"
    if best < LEARNED:
        return Ruling(NOT_SHOWN, f"{text}, but nothing is learned")
    return Ruling(null(max(map(abs, gaps)), SAME_BITS, found.margin), text)


def _coder(rows: Sequence[Row]) -> tuple[Row | None, Row | None, Row | None]:
    """The rows that decompress: bytes alone, AC, windows."""
    coded = [row for row in rows if row["task"] == "decompress"]
    alone = next((row for row in coded if row["method"].startswith("byte LM")), None)
    return alone, pick(coded, method="AC"), windows(coded)


def ac_decoder_hidden(found: Evidence) -> Ruling | None:
    """AC's ids do not help to predict the text, where those of windows do."""
    alone, ac, own = _coder(found.rows)
    if None in (alone, ac, own):
        return None
    gain, control = (row["accuracy"] - alone["accuracy"] for row in (ac, own))
    text = f"{ac['accuracy']:.1%} / {alone['accuracy']:.1%}"
    if control < 2 * ACCURACY:
        return Ruling(NOT_SHOWN, f"{text}, but windows are not learned either")
    return Ruling(SHOWN if gain <= ACCURACY else OPPOSITE, text)


def window_decoder_learned(found: Evidence) -> Ruling | None:
    """The ids of windows help to predict the text."""
    alone, _, own = _coder(found.rows)
    if None in (alone, own):
        return None
    gain = own["accuracy"] - alone["accuracy"]
    text = f"{own['accuracy']:.1%} / {alone['accuracy']:.1%}"
    return Ruling(graded(gain, ACCURACY, 0.9530 - 0.7683), text)


def ac_coder_in_part(found: Evidence) -> Ruling | None:
    """Hardly a token of AC is right, but half of its nats are learned."""
    row = pick(found.rows, method="AC", task="compress")
    if row is None:
        return None
    saved = 1 - row["nats"] / row["uniform_nats"]
    text = f"{row['accuracy']:.1%} right, {saved:.0%} of the nats"
    verdict = graded(max(saved, 0.0), ACCURACY, 1 - 2.489 / 5.545)
    return Ruling(worst((verdict, DIRECTION)) if row["accuracy"] > 0.05 else verdict, text)


def unlocks(found: Evidence) -> Ruling | None:
    """The first three tokens of a window are predicted, the later ones hardly."""
    last = found.rows[-1]
    shares = [last[f"position {k}"] for k in range(1, 9) if last.get(f"position {k}") is not None]
    if len(shares) < 4:
        return None
    text = " ".join(f"{100 * share:.1f}" for share in shares) + " % right"
    least = max(last["guess"], *shares[3:]) + 0.01
    if min(shares[:3]) > least:
        return Ruling(SHOWN, text)
    return Ruling(DIRECTION if min(shares[:2]) > least else NOT_SHOWN, text)


def gap_narrows(found: Evidence) -> Ruling | None:
    """Larger M2s on windows come nearer to SentencePiece."""
    gaps = []
    for size in dict.fromkeys(row["size"] for row in found.rows):
        rows = [row for row in found.rows if row["size"] == size]
        own, subwords = windows(rows), widest(rows, "SentencePiece")
        if own and subwords:
            gaps.append((size, own["bits_per_byte"] - subwords["bits_per_byte"]))
    if len(gaps) < 2:
        return None
    text = ", ".join(f"{size} {gap:.2f}" for size, gap in gaps)
    if min(gap for _, gap in gaps) <= 0:
        return Ruling(NOT_SHOWN, text)
    return Ruling(graded(gaps[0][1] - gaps[-1][1], found.margin, 0.13 - 0.07), text)
