"""What ratios and bits say of the first paper's claims, without any training."""

import math
from collections.abc import Sequence

from experiments.compressed_text.rows import (
    ACCURACY,
    SAME_RATIO,
    Row,
    by_window,
    figures,
    widths,
    windows,
)
from experiments.shared.tables import pick
from research.reporting.claims import (
    DIRECTION,
    NOT_SHOWN,
    OPPOSITE,
    SHOWN,
    Evidence,
    Ruling,
    graded,
    smallest_step,
    worst,
)

SEQUENCE = 512  # windows that M2 reads of an example, one token each


def _present(*rows: Row | None) -> list[Row] | None:
    """The rows, or None where one is missing."""
    known = [row for row in rows if row is not None]
    return known if len(known) == len(rows) else None


def ratios(evidence: Evidence) -> Ruling | None:
    """StaticAC < short to long windows < AC, in every width of tokens."""
    verdicts, parts = [], []
    for vocabulary in widths(row for row in evidence.rows if row["method"] == "AC"):
        of = [row for row in evidence.rows if row["vocabulary"] == vocabulary]
        order = _present(pick(of, method="StaticAC"), *by_window(of), pick(of, method="AC"))
        if order is None or len(order) < 4:
            return None
        logs = [math.log(row["ratio"]) for row in order]
        step = smallest_step(logs)
        verdict = graded(step, math.log(SAME_RATIO))
        if verdict == SHOWN:
            verdict = graded(logs[-1] - logs[0], 0, math.log(5.49 / 1.73))
        verdicts.append(verdict)
        parts.append(" < ".join(f"{row['ratio']:.2f}" for row in order))
    return Ruling(worst(verdicts), "; ".join(parts)) if verdicts else None


def gzip_between(evidence: Evidence) -> Ruling | None:
    """StaticAC < GZip < AC."""
    verdicts, parts = [], []
    for vocabulary in widths(row for row in evidence.rows if row["method"] == "AC"):
        of = [row for row in evidence.rows if row["vocabulary"] == vocabulary]
        order = _present(*(pick(of, method=name) for name in ("StaticAC", "GZip", "AC")))
        if order is None:
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
    three = _present(
        pick(of, method="AC"), next(iter(by_window(of)), None), pick(rows, method="Bytes")
    )
    if three is None or any(row.get("unigram_bpb") is None for row in three):
        return None
    return three[0], three[1], three[2]


def no_unigram_structure(evidence: Evidence) -> Ruling | None:
    """Frequencies of AC's ids save nothing, where those of bytes save much."""
    rows = _narrow(evidence.rows)
    if rows is None:
        return None
    ac, _, control = map(_unigram_gain, rows)
    text = f"{ac:+.4f} bits/byte (bytes {control:+.2f})"
    if control < 0.5 or ac < -0.01:  # too few ids were counted
        return Ruling(NOT_SHOWN, text)
    return Ruling(SHOWN if ac <= 0.01 else OPPOSITE, text)


def little_unigram_structure(evidence: Evidence) -> Ruling | None:
    """Frequencies of the shortest windows' ids save a little; what AC's save is the noise."""
    rows = _narrow(evidence.rows)
    if rows is None:
        return None
    ac, short, _ = map(_unigram_gain, rows)
    verdict = graded(short - ac, 0.005 + 2 * abs(ac), 0.032)
    return Ruling(verdict, f"{rows[1]['method']} {short:.4f} bits/byte, AC {ac:.4f}")


def delay_costs(evidence: Evidence) -> Ruling | None:
    """Delay takes a sixth of the ratio."""
    row = pick(evidence.rows, closing="point+delay")
    if row is None:
        return None
    cost, paper = 1 - row["ratio_to_greedy"], 1 - 4.40 / 5.31
    verdict = graded(cost, 0.02, paper)
    if cost > 1.5 * paper:
        verdict = worst((verdict, DIRECTION))
    return Ruling(verdict, f"{100 * cost:.0f} %")


def windows_decodable(evidence: Evidence) -> Ruling | None:
    """The paper's decoder on its greedy windows, under the better of two readings of "fits": are
    at most twice as many sequences lost as the paper says?"""
    rows = {row["closing"]: row for row in evidence.rows}
    if not {"point", "dyadic", "point+delay"} <= rows.keys():
        return None
    greedy = {name: rows[name]["right_as_described"] for name in ("point", "dyadic")}
    # The paper counts sequences of 512 windows; it is enough that one of them is lost.
    whole = max(greedy.values()) ** SEQUENCE
    delay = rows["point+delay"]["right_first_match"]
    text = (
        f"{100 * greedy['point']:.0f} % of windows (point), {100 * greedy['dyadic']:.0f} %"
        f" (dyadic), so {100 * whole:.1f} % of sequences; our point+delay {100 * delay:.0f} % of"
        " windows"
    )
    if whole >= 1 - 2 * (1 - 0.994):
        return Ruling(SHOWN, text)
    return Ruling(OPPOSITE if whole < 0.5 else NOT_SHOWN, text)


def one_text_a_code(evidence: Evidence) -> Ruling | None:
    """Codes seen twice or more that always stood for one text, under the paper's rule."""
    share = {row["item"]: row["share"] for row in evidence.rows if row["part"] == "code"}
    if None in (share.get("point"), share.get("point+delay")):
        return None
    greedy, delay = (100 * share[rule] for rule in ("point", "point+delay"))
    text = f"{greedy:.0f} % of codes; our point+delay {delay:.0f} %"
    several = 1 - share["point"]
    return Ruling(SHOWN if several <= 0.01 else OPPOSITE if several > 0.05 else NOT_SHOWN, text)


def _divergences(rows: Sequence[Row]) -> tuple[dict[str, Row], str, float] | None:
    """Corrected rows by method, the column of a length, and three standard errors of a difference.

    Of n-grams that do not overlap, whose estimates are chi-squared; those of 8 bits that overlap
    scatter 1.6 times as far as if they did not.
    """
    of = {
        row["method"]: row for row in rows
        if row["unit"] == "token" and row["estimate"] == "Miller-Madow"
    }
    length = next((n for n in (8, 4) if all(f"n={n}" in row for row in of.values())), None)
    if length is None or not {"AC", "StaticAC", "GZip", "random"} <= of.keys():
        return None
    fewest = min(row["bits"] for row in of.values()) // length
    # An estimate for uniform bits is chi-squared over 2 N ln 2, less its mean; two are compared.
    error = 3 * math.sqrt(2) * math.sqrt(2 * (2**length - 1)) / (2 * fewest * math.log(2))
    return of, f"n={length}", error


def looks_random(evidence: Evidence) -> Ruling | None:
    """AC's bits are as near to uniform as random ones, and GZip's are told from these."""
    if (divergences := _divergences(evidence.rows)) is None:
        return None
    of, column, error = divergences
    ac, gzip, random = (of[name][column] for name in ("AC", "GZip", "random"))
    text = f"KL at {column}: AC {ac:.1e}, random {random:.1e}, GZip {gzip:.1e} bits"
    if gzip - random <= error:
        return Ruling(NOT_SHOWN, text)
    return Ruling(SHOWN if abs(ac - random) <= error else OPPOSITE, text)


def uniformity(evidence: Evidence) -> Ruling | None:
    """StaticAC, windows and GZip are ever further from uniform."""
    if (divergences := _divergences(evidence.rows)) is None:
        return None
    of, column, error = divergences
    row = next(iter(by_window(list(of.values()))), None)
    if row is None:
        return None
    order = [of["StaticAC"], row, of["GZip"]]
    text = ", ".join(f"{each['method']} {each[column]:.1e}" for each in order)
    verdict = graded(smallest_step([each[column] for each in order]), error)
    return Ruling(verdict, f"KL at {column}: {text} bits")


def stability(evidence: Evidence) -> Ruling | None:
    """SentencePiece's tokens change least under another first word, AC's most."""
    rows = evidence.rows
    order = _present(pick(rows, method="SentencePiece"), windows(rows), pick(rows, method="AC"))
    if order is None:
        return None
    verdict = graded(smallest_step([row["share_changed"] for row in order]), ACCURACY)
    return Ruling(verdict, f"share changed: {figures(order, 'share_changed')}")


def token_meaning(evidence: Evidence) -> Ruling | None:
    """Two statements: the first token of a window tells how it begins, the second nothing.

    Each is decided by itself and said; together they are shown, the first alone is a direction.
    """
    share = {row["item"]: row["share"] for row in evidence.rows if row["part"] == "position"}
    if not {"any", "position 1", "position 2"} <= share.keys():
        return None
    base, first, second = share["any"], share["position 1"], share["position 2"]
    tells = graded(min(first - second, first - 2 * base), 0.05)
    nothing = SHOWN if second <= 2 * base else OPPOSITE
    text = f"first {first:.2f}: {tells}; second {second:.2f}: {nothing}; any token {base:.3f}"
    if tells != SHOWN:
        return Ruling(tells, text)
    return Ruling(SHOWN if nothing == SHOWN else DIRECTION, text)
