"""Every claim has a verdict that could have come out otherwise."""

import functools
import math
import re
from types import SimpleNamespace

import pytest

from experiments.compressed_text import claims as compressed_text
from experiments.lexinvariant import claims as lexinvariant
from experiments.tokenizer_transfer import claims as tokenizer_transfer
from research.cli import catalog
from research.reporting import claims, results
from research.reporting.claims import (
    DIRECTION,
    NOT_RUN,
    NOT_SHOWN,
    OPPOSITE,
    SHOWN,
    Evidence,
    Spread,
)
from tests.experiments import claim_needs, claim_rows

PAPERS = {
    "compressed_text": compressed_text.CLAIMS,
    "lexinvariant": lexinvariant.CLAIMS,
    "tokenizer_transfer": tokenizer_transfer.CLAIMS,
}
DECIDED = [(paper, claim) for paper, of in PAPERS.items() for claim in of if claim.table]
CONFIG = {"m2": {"examples": {"example_bytes": 10_240}}}
# Noise is what these claims say, and it is a wide spread of seeds that must not show them.
NULLS = {"decodable_free", "header_immaterial", "base_rows", "original_no_better"}
# Without any model windows do not decode, codes have several texts, and a row costs a token: that
# is the other sign of what is counted there, and no noise.
COUNTED = {"windows_decodable", "one_text_a_code", "flops_share"}
# Noise has all codes learned alike, which is the opposite of these.
LEARNED_ALIKE = {"ac_unlearnable", "static_ac_unlearnable"}
# Decided by bits/byte of single models, or by a control in bits/byte.
BY_SEEDS = {
    "windows_before_ac", "windows_before_bytes", "subwords_best", "ac_unlearnable",
    "static_ac_unlearnable", "gzip_learnable", "wide_hurts_gzip", "gap_narrows",
    "shorter_learnable", "shortest_best", "wide_tokens", "structural_gain", "memory_hides",
    "reset_best", "decodable_free", "header_immaterial", "falls", "gap_closes", "nearly_standard",
    "code_fastest", "large_vocabularies", "order", "any_kind", "n_shot_before_focus",
    "original_no_better", "original_ahead", "tuned_before_focus", "task_vector", "base_rows",
    "far_languages", "auxiliary_needed", "residual_ahead", "alm_ahead", "omp_before_focus",
}  # fmt: skip


def test_as_many_claims_as_were_counted():
    assert len(compressed_text.CLAIMS) == 33
    assert (len(lexinvariant.OWN), len(lexinvariant.KIN)) == (20, 5)
    assert len(tokenizer_transfer.CLAIMS) == 20


@pytest.mark.parametrize("paper", PAPERS)
def test_claims_are_complete(paper):
    of = PAPERS[paper]
    assert catalog.claims(paper) == of
    assert len({claim.id for claim in of}) == len(of)
    assert sum(claim.headline for claim in of) == 4
    known = {table.path for table in catalog.tables()}
    known |= {f"benchmarks/{p.stem}" for p in (results.COMMITTED / "benchmarks").glob("*.json")}
    for claim in of:
        assert claim.statement and claim.place and claim.paper
        assert claim.scale in claims.SCALES
        assert (claim.table is None) == (claim.decide is None)
        assert claim.table is None or claim.table in known


def test_no_experiment_is_said_and_so_is_no_record():
    for paper, of in PAPERS.items():
        for claim in of:
            judged = claims.judge(paper, claim, {})
            assert judged.verdict == NOT_RUN and judged.scale is None
            assert (judged.command is None) == (claim.table is None)
            assert (judged.ours == "no experiment") == (claim.table is None)


ROWS = {
    (paper, kind): getattr(claim_rows, paper)(kind)
    for paper in PAPERS
    for kind in (*claim_rows.BASELINES[paper], "noise", "paper")
}


def verdict(paper, claim, kind, spread=claim_rows.SPREAD):
    ruling = claims.rule(claim, Evidence(ROWS[paper, kind][claim.table], spread, CONFIG))
    assert ruling is not None and ruling.ours
    return ruling.verdict


@pytest.mark.parametrize(("paper", "claim"), DECIDED, ids=lambda each: getattr(each, "id", each))
def test_a_trivial_baseline_is_not_enough(paper, claim):
    for kind in claim_rows.BASELINES[paper]:
        expected = OPPOSITE if claim.id in COUNTED else NOT_SHOWN
        assert verdict(paper, claim, kind) == expected, kind


@pytest.mark.parametrize(("paper", "claim"), DECIDED, ids=lambda each: getattr(each, "id", each))
def test_noise_is_not_enough(paper, claim):
    spread = Spread(1.0) if claim.id in NULLS else claim_rows.SPREAD
    expected = OPPOSITE if claim.id in LEARNED_ALIKE else NOT_SHOWN
    assert verdict(paper, claim, "noise", spread) == expected


@pytest.mark.parametrize(("paper", "claim"), DECIDED, ids=lambda each: getattr(each, "id", each))
def test_the_papers_own_figures_show_it(paper, claim):
    assert verdict(paper, claim, "paper") == claim.most


@pytest.mark.parametrize(("paper", "claim"), DECIDED, ids=lambda each: getattr(each, "id", each))
def test_the_best_verdict_needs_a_known_spread_where_models_are_compared(paper, claim):
    """Nothing but rows of single models in bits/byte depends on it."""
    known = verdict(paper, claim, "paper")
    unknown = verdict(paper, claim, "paper", Spread())
    assert unknown == (NOT_SHOWN if claim.id in BY_SEEDS else known)


def by_id(paper, name):
    return next(claim for claim in PAPERS[paper] if claim.id == name)


@functools.cache
def committed():
    return results.load_all(results.COMMITTED)


def test_a_null_without_a_control_is_not_shown():
    """AC learns nothing, but neither does anything else, or no more than counts give."""
    rows = [
        {"method": "AC", "vocabulary": 4096, "ratio": 6.0, "bits_per_byte": 2.0},
        {"method": "GZip", "vocabulary": 4096, "ratio": 4.0, "bits_per_byte": 3.0},
        {"method": "EqualInfo W=12", "vocabulary": 4096, "ratio": 4.0, "bits_per_byte": 2.0},
    ]
    claim = by_id("compressed_text", "ac_unlearnable")

    def found():
        return claim.decide(Evidence(rows, claim_rows.SPREAD, CONFIG)).verdict

    assert found() == NOT_SHOWN  # nobody has counted
    rows[2]["by_position"] = 8.0  # all that its M2 has learned
    assert found() == NOT_SHOWN
    rows[2]["by_position"] = 10.9
    assert found() == SHOWN
    rows[2]["bits_per_byte"] = 3.0
    assert found() == NOT_SHOWN
    rows[1] |= {"bits_per_byte": 2.0, "by_position": 11.0}  # GZip is learned
    assert found() == SHOWN
    rows[0]["bits_per_byte"] = 1.5
    assert found() == OPPOSITE


def test_what_passes_without_a_model_is_not_shown():
    """Gzip comes nearer to the standard model with context, frequencies read some of a key."""
    rows = claim_rows._positions(2)
    better = [
        row | {"start 413": 0.5} if row["model"].startswith("n-gram") else row for row in rows
    ]
    for name in ("falls", "gap_closes", "nearly_standard"):
        claim = by_id("lexinvariant", name)
        assert claim.decide(Evidence(rows, claim_rows.SPREAD)).verdict == SHOWN
        assert claim.decide(Evidence(better, claim_rows.SPREAD)).verdict == NOT_SHOWN


def test_grades():
    assert claims.graded(0.3, 0.1) == SHOWN
    assert claims.graded(0.3, 0.1, size=0.5) == SHOWN
    assert claims.graded(0.3, 0.1, size=0.7) == DIRECTION
    assert claims.graded(0.1, 0.1) == claims.graded(-0.1, 0.1) == NOT_SHOWN
    assert claims.graded(-0.2, 0.1) == OPPOSITE
    assert claims.graded(1e9, math.inf) == claims.graded(-1e9, math.inf) == NOT_SHOWN
    assert claims.null(0.01, 0.03, 0.02) == SHOWN
    assert claims.null(0.01, 0.03, 0.2) == claims.null(0.1, 0.03, math.inf) == NOT_SHOWN
    assert claims.null(0.1, 0.03, 0.02) == OPPOSITE
    assert claims.worst([SHOWN, NOT_SHOWN, DIRECTION]) == NOT_SHOWN


def record(*rows):
    return SimpleNamespace(rows=list(rows), config={})


def test_the_spread_is_measured_and_the_nearest_measurement_wins():
    seeds = (*claims.TWO_SEEDS, "cpu")
    two = record(
        *({"measure": "model", "p": 0.0, "bits_per_byte": bits} for bits in (3.0, 3.2)),
        {"measure": "model", "p": 0.2, "bits_per_byte": 9.0},
    )
    assert claims.spread_of({}, "cpu") == Spread() and Spread().margin == math.inf
    assert claims.spread_of({seeds: two}, "hours").bits == pytest.approx(0.2 / math.sqrt(2))
    both = {
        seeds: two,
        (*claims.SEED_SPREAD, "cpu"): record({"spread": 0.02}, {"spread": 0.03}),
        (*claims.SEED_SPREAD, "hours"): record({"spread": 0.01}),
    }
    assert claims.spread_of(both, "cpu").margin == 0.06
    assert claims.spread_of(both, "hours").bits == 0.01
    assert claims.spread_of(both, "gpu").bits == 0.01


def test_the_best_record_decides_and_one_without_the_rows_does_not():
    claim = by_id("tokenizer_transfer", "flops_share")
    keys = {scale: ("tokenizer_transfer", "amortization", scale) for scale in claims.BEST_FIRST}
    rows = {
        keys["cpu"]: record({"model": "mistral-7b", "share": 0.9}),
        keys["hours"]: record({"model": "another", "share": 50.0}),
    }
    judged = claims.judge("tokenizer_transfer", claim, rows)
    assert (judged.verdict, judged.scale) == (SHOWN, "cpu")
    assert judged.command.endswith("tokenizer_transfer/amortization --scale cpu")
    rows[keys["hours"]] = record({"model": "mistral-7b", "share": 50.0})
    judged = claims.judge("tokenizer_transfer", claim, rows)
    assert (judged.verdict, judged.scale) == (OPPOSITE, "hours")
    rows[keys["gpu"]] = record({"model": "mistral-7b", "share": 2.0})
    judged = claims.judge("tokenizer_transfer", claim, rows)
    assert (judged.verdict, judged.scale) == (NOT_SHOWN, "gpu")
    assert claims.BEST_FIRST == tuple(reversed(catalog.SCALES))


def test_every_committed_record_can_be_judged():
    found = [claims.judge(paper, claim, committed()) for paper, claim in DECIDED]
    assert {each.verdict for each in found} <= set(claims.VERDICTS)
    assert sum(claims.count(found).values()) == len(found)
    assert all("\n" not in claims.line(each) for each in found)


@pytest.mark.parametrize(("paper", "claim"), DECIDED, ids=lambda each: getattr(each, "id", each))
def test_rows_that_are_not_there_decide_nothing(paper, claim):
    """A record may lack any of its rows: those whose weights nobody has trained."""
    rows = ROWS[paper, "paper"][claim.table]
    some = [rows[:n] for n in range(len(rows))] + [rows[n:] for n in range(1, len(rows))]
    some += [rows[:n] + rows[n + 1 :] for n in range(len(rows))]
    for few in some:
        ruling = claims.rule(claim, Evidence(few, claim_rows.SPREAD, CONFIG))
        assert ruling is None or ruling.verdict in claims.VERDICTS
    assert claims.rule(claim, Evidence([], claim_rows.SPREAD, CONFIG)) is None
    for column, pattern in claim_needs.NEEDS[claim.id]:
        others = [
            row for row in rows if column not in row or not re.fullmatch(pattern, str(row[column]))
        ]
        assert 0 <= len(others) < len(rows)
        assert claims.rule(claim, Evidence(others, claim_rows.SPREAD, CONFIG)) is None, pattern


def decided(paper, name, rows, bits=0.047):
    return by_id(paper, name).decide(Evidence(rows, Spread(bits), CONFIG)).verdict


def test_verdicts_that_were_wrong_do_not_come_back():
    """Rows as they once were recorded, where a line said "reproduced" that should not have."""
    variants = {
        "fvt (no training)": 2.964, "residual": 2.845, "residual, auxiliary loss": 2.837,
        "zett's form, identity first": 3.108,
    }  # fmt: skip
    rows = [{"variant": name, "bits_per_byte": bits} for name, bits in variants.items()]
    assert decided("tokenizer_transfer", "residual_ahead", rows) == NOT_SHOWN  # 25 steps
    curves = {"gaussian": (42.2, 28.0), "learned": (9.7, 10.9), "n-gram, order 2": (45.6, 19.0)}
    rows = [
        {"kind": "general English, characters", "model": name, "start 1": first, "start 150": last}
        for name, (first, last) in curves.items()
    ]
    assert decided("lexinvariant", "gap_closes", rows) == NOT_SHOWN  # 3.3 -> 1.6 times
    key = {"reading": "majority vote", "model": "gaussian", "spread_last": 0.06, "sequences": 200}
    rows = [key | {"start 0": 0.054, "start 150": 0.09}]
    assert decided("lexinvariant", "key_improves", rows) == NOT_SHOWN  # below frequency ranks
    tasks = [("byte LM only", 0.4089), ("AC", 0.4008), ("EqualInfo W=12", 0.4013)]
    rows = [
        {"method": name, "task": "decompress", "vocabulary": 64, "accuracy": right}
        for name, right in tasks
    ]
    assert decided("compressed_text", "ac_decoder_hidden", rows) == NOT_SHOWN  # nor are windows
    rows = [{"method": "AC", "task": "compress", "accuracy": 0.0231, "nats": 4.160,
             "uniform_nats": 4.159}]  # fmt: skip
    assert decided("compressed_text", "ac_coder_in_part", rows) == NOT_SHOWN  # 2.3 %, no nats
    rows = [
        {"method": f"EqualInfo W={window}", "vocabulary": 4096, "ratio": ratio,
         "bits_per_byte": bits / ratio, "by_position": by_position}
        for window, ratio, bits, by_position in (
            (12, 3.4, 8.67, 10.9), (24, 4.9, 11.8, 12.0), (48, 5.5, 11.97, 12.0),
            (96, 5.7, 12.02, 12.0),
        )
    ]  # fmt: skip
    assert decided("compressed_text", "shorter_learnable", rows) == DIRECTION  # two learned
    shares = {"any": 0.018, "position 1": 0.339, "position 2": 0.168}
    rows = [{"part": "position", "item": item, "share": share} for item, share in shares.items()]
    assert decided("compressed_text", "token_meaning", rows) == DIRECTION  # the second has some


def test_a_trunk_with_n_gram_heads_gives_the_direction_at_most():
    """Of the second paper: its drawn rows on a trunk of ours, where its own model shows nothing."""
    heads = "gaussian + n-gram heads"
    paper, baseline = (claim_rows.lexinvariant(kind) for kind in ("paper", "baseline"))
    for claim in (each for each in lexinvariant.OWN if each.decide):
        rows = paper[claim.table]
        evidence = Evidence(rows, claim_rows.SPREAD, CONFIG)
        if not hasattr(claim.decide, "__wrapped__"):
            continue
        for name in (heads, f"{heads}, 4 draws"):
            ours = [{**row, "model": name} if row["model"] == "gaussian" else row for row in rows]
            alone = claim.decide(evidence._replace(rows=ours))
            assert alone.verdict == DIRECTION and alone.ours.startswith(f"{name}, ours: ")
            without = [row for row in baseline[claim.table] if row["model"] == "gaussian"]
            both = claim.decide(evidence._replace(rows=[*without, *ours]))
            assert both == alone
            nothing = [{**row, "model": name} for row in without]
            others = [row for row in rows if row["model"] != "gaussian"]
            assert claim.decide(evidence._replace(rows=[*nothing, *others])).verdict == NOT_SHOWN
        assert claim.decide(evidence._replace(rows=[*rows, *ours])) == claim.decide(evidence)
