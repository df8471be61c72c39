import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from research.errors import UsageError
from research.tokenizers import Pieces
from research.training.compile import matmul_flops
from research.vocabularies import hypernetwork
from research.vocabularies.hypernetwork import HypernetworkConfig, network, packing
from research.vocabularies.protocol import EmbeddingTable

D, SOURCE, SLOTS = 16, 50, 3


def source(tied=False, bias=False):
    rng = np.random.default_rng(0)
    rows = [(0.3 + rng.standard_normal((SOURCE, D)) / 4).astype(np.float32) for _ in range(2)]
    bias_V = rng.standard_normal(SOURCE).astype(np.float32) if bias else None
    return EmbeddingTable(rows[0], None if tied else rows[1], bias_V)


def some_pieces(counts, seed=0):
    rng = np.random.default_rng(seed)
    return Pieces.of([rng.integers(0, SOURCE, count) for count in counts])


COUNTS = [1, 3, 2, 1, 9, 2, 4, 3, 2, 13, 1, 2, 6, 2, 2]


def config_of(tied=False, **changes):
    return HypernetworkConfig(
        D, tied, **{"num_heads": 2, "num_layers": 1, "max_slots": SLOTS, **changes}
    )


def trained(config, table, seed=1):
    """Parameters with every entry moved, as training would: nothing is zero."""
    params = jax.tree.map(np.asarray, hypernetwork.init(jax.random.key(0), config, table))
    rng = np.random.default_rng(seed)
    moved = jax.tree.map(
        lambda leaf: leaf + rng.normal(0, 0.1, leaf.shape).astype(np.float32), params
    )
    fixed = {name: leaf for name, leaf in params.items() if name.endswith(("_I", "_scale_D"))}
    return {**moved, **fixed}


def means(rows, pieces):
    parts = np.split(pieces.ids_N, pieces.start_T[1:-1])
    return np.stack([rows[part].mean(axis=0) for part in parts])


@pytest.mark.parametrize(
    "variant", [{}, {"tied": True}, {"bias": True}], ids=["untied", "tied", "bias"]
)
def test_untrained_the_residual_form_is_the_mean_of_the_pieces(variant):
    """FVT, also of tokens with more pieces than slots; float rounding apart."""
    table, config = source(**variant), config_of(**variant)
    pieces = some_pieces(COUNTS)
    params = hypernetwork.init(jax.random.key(0), config, table)
    made = hypernetwork.predict(params, config, table, pieces)
    for name in EmbeddingTable._fields:
        theirs, ours = getattr(table, name), getattr(made, name)
        assert (theirs is None) == (ours is None)
        if theirs is not None:
            np.testing.assert_allclose(ours, means(theirs, pieces), rtol=1e-6, atol=1e-6)
            assert ours.dtype == np.float32


def test_the_residual_may_be_the_first_piece():
    config = config_of(residual="first")
    pieces = some_pieces(COUNTS)
    params = hypernetwork.init(jax.random.key(0), config, source())
    made = hypernetwork.predict(params, config, source(), pieces)
    first = pieces.ids_N[pieces.start_T[:-1]]
    np.testing.assert_array_equal(made.input_VxD, source().input_VxD[first])
    np.testing.assert_array_equal(made.output_VxD, source().output_VxD[first])


@pytest.mark.parametrize(
    ("form", "variant"),
    [("residual", {"tied": True, "bias": True}), ("zett", {"languages": 3, "num_layers": 2})],
)
def test_packed_tokens_are_what_padded_ones_are(form, variant):
    """And so they are in whatever order, in whatever bucket, and in however many groups."""
    bias, tied = variant.get("bias", False), variant.get("tied", False)
    table = source(tied, bias)
    config = config_of(form=form, **variant)
    params = trained(config, table)
    pieces = some_pieces(COUNTS)
    counts = pieces.counts_T
    results = []
    for groups, widths, early in ((1, None, True), (1, [SLOTS], False), (4, None, True)):
        layout = hypernetwork.layout_for(
            [counts], rows=len(counts) + 3, max_slots=SLOTS, groups=groups, widths=widths
        )
        packed, row_T = hypernetwork.pack(pieces, layout)
        language = jnp.full(groups, 2) if config.languages else None
        apply = jax.jit(hypernetwork.apply, static_argnums=(1, 4), static_argnames="pool_early")
        made = apply(params, config, table, packed, layout, language, pool_early=early)
        results.append(jax.tree.map(lambda rows, row_T=row_T: rows[row_T], made))
        assert all(len(rows) == layout.rows for rows in jax.tree.leaves(made))
    base, *others = results
    for other in others:
        jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, atol=1e-5), base, other)
    chunked = hypernetwork.predict(params, config, table, pieces, chunk=4, language=2)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, atol=1e-5), base, chunked)
    spread = np.asarray(base.input_VxD).std(axis=0)
    assert np.median(spread) > 1e-2  # the rows differ at all


def test_every_piece_counts_however_long_the_token():
    """Also those beyond the slots, which are pooled; and the order of those within."""
    table, config = source(), config_of(form="zett")
    params = trained(config, table)
    ids = np.arange(12)
    rows = [ids]
    for place in range(12):
        changed = ids.copy()
        changed[place] = 40
        rows.append(changed)
    rows.append(ids[[1, 0, *range(2, 12)]])
    made = hypernetwork.predict(params, config, table, Pieces.of(rows)).output_VxD
    for other in made[1:]:
        assert np.abs(other - made[0]).max() > 1e-4


def test_tokens_without_pieces_take_the_mean_row():
    table, config = source(tied=True), config_of(tied=True)
    params = trained(config, table)
    made = hypernetwork.predict(params, config, table, Pieces.of([[], [1, 2], []]))
    for row in (0, 2):
        np.testing.assert_allclose(made.input_VxD[row], table.input_VxD.mean(axis=0), rtol=1e-6)
    nothing = hypernetwork.predict(params, config, table, Pieces.of([[]]))
    np.testing.assert_array_equal(nothing.input_VxD[0], made.input_VxD[0])


def test_zett_s_predictions_start_with_the_source_s_mean_and_spread():
    table, config = source(), config_of(form="zett")
    params = hypernetwork.init(jax.random.key(0), config, table)
    single = Pieces.of([[id_] for id_ in range(SOURCE)])
    made = hypernetwork.predict(params, config, table, single)
    for ours, theirs in ((made.input_VxD, table.input_VxD), (made.output_VxD, table.output_VxD)):
        np.testing.assert_allclose(ours.mean(axis=0), theirs.mean(axis=0), atol=1e-5)
        np.testing.assert_allclose(ours.std(axis=0), theirs.std(axis=0), rtol=1e-4)


def test_a_language_changes_every_row():
    table, config = source(), config_of(languages=2)
    params, pieces = trained(config, table), some_pieces(COUNTS)
    one, two = (
        hypernetwork.predict(params, config, table, pieces, language=i).input_VxD for i in range(2)
    )
    assert np.abs(one - two).max(axis=1).min() > 1e-6
    layout = hypernetwork.layout_for([pieces.counts_T], rows=16, max_slots=SLOTS)
    with pytest.raises(ValueError, match="language"):
        hypernetwork.apply(params, config, table, hypernetwork.pack(pieces, layout)[0], layout)


def test_remat_and_narrow_activations_change_little():
    table, pieces = source(), some_pieces(COUNTS)
    config = config_of()
    params = trained(config, table)
    base = hypernetwork.predict(params, config, table, pieces)
    again = hypernetwork.predict(params, dataclasses.replace(config, remat=True), table, pieces)
    np.testing.assert_allclose(again.input_VxD, base.input_VxD, atol=1e-6)
    narrow = hypernetwork.predict(
        params, dataclasses.replace(config, dtype="bfloat16"), table, pieces
    )
    assert narrow.input_VxD.dtype == np.float32
    np.testing.assert_allclose(narrow.input_VxD, base.input_VxD, atol=0.05)


counts_lists = st.lists(st.integers(0, 20), min_size=1, max_size=60)


@settings(max_examples=30, deadline=None)
@given(counts_lists, counts_lists, st.integers(1, 5), st.integers(1, 3), st.booleans())
def test_packing_loses_nothing(counts, seen, max_slots, groups, exact):
    """Whatever the layout was made for: every piece is in its token's slots, in order; where it
    does not fit, that is said, and what does can be chosen."""
    pieces = some_pieces(counts)
    rows = max(len(counts), len(seen))
    layout = hypernetwork.layout_for(
        [np.array(counts if exact else seen)], rows=rows, max_slots=max_slots, groups=groups
    )
    assert layout.rows >= rows and sum(layout.tokens) * groups == layout.rows
    needed = np.zeros(len(counts), bool)
    kept = packing.fitting(layout, pieces.counts_T, needed)
    if not kept.all():
        assert not exact
        with pytest.raises(UsageError, match="beyond their tokens' slots"):
            hypernetwork.pack(pieces, layout)
        pieces = pieces.take(np.flatnonzero(kept))
    packed, row_T = hypernetwork.pack(pieces, layout)
    assert len(set(row_T.tolist())) == len(row_T) and row_T.max(initial=0) < layout.rows
    starts, per_group = [], layout.rows // groups
    at = 0
    for width, tokens in zip(layout.widths, layout.tokens, strict=True):
        starts += [(at + width * token, width) for token in range(tokens)]
        at += width * tokens
    assert packed.counts_GxN.sum() == len(pieces.ids_N)
    for token, row in enumerate(row_T):
        group, (start, width) = row // per_group, starts[row % per_group]
        own = pieces.ids_N[pieces.start_T[token] : pieces.start_T[token + 1]]
        number = packed.counts_GxN[group, start : start + width]
        filled = min(len(own), width)
        assert number.sum() == len(own) and (number > 0).sum() == filled
        np.testing.assert_array_equal(packed.ids_GxN[group, start : start + filled], own[:filled])
        rest = packed.tail_ids_GxM[group][packed.tail_slots_GxM[group] == start + width - 1]
        np.testing.assert_array_equal(rest, own[width:])


def test_what_is_needed_is_kept():
    layout = hypernetwork.layout_for([np.array([1, 1, 9])], rows=40, max_slots=2)
    counts = np.full(30, 9)
    needed = np.arange(30) % 15 == 0
    kept = packing.fitting(layout, counts, needed)
    assert kept[needed].all() and not kept.all()
    with pytest.raises(UsageError, match="larger margin"):
        packing.fitting(layout, counts, np.ones(30, bool))


def test_little_is_padded():
    """Against two thirds of zett's 7 slots."""
    rng = np.random.default_rng(0)
    counts = rng.choice([1, 2, 3, 4, 5, 9], p=[0.25, 0.4, 0.2, 0.1, 0.04, 0.01], size=32_768)
    layout = hypernetwork.layout_for([counts], rows=32_768, max_slots=8)
    assert counts.sum() / (layout.slots * layout.groups) > 0.9
    config = config_of(num_layers=3)
    padded = hypernetwork.Layout(1, (7,), (32_768,), 1)
    ratio = network.flops(config, padded, pool_early=False) / network.flops(config, layout)
    assert ratio > 2.5


@pytest.mark.parametrize("early", [True, False])
@pytest.mark.parametrize(
    "variant",
    [
        {"num_layers": 3},
        {"tied": True, "bias": True},
        {"form": "zett", "bias": True, "languages": 3, "num_layers": 2, "ffn_factor": 3},
    ],
    ids=["residual", "tied", "zett"],
)
def test_flops_are_those_of_the_traced_network(variant, early):
    config = config_of(**variant)
    table = source(config.tied, config.bias)
    params = jax.eval_shape(
        lambda table: hypernetwork.init(jax.random.key(0), config, table), table
    )
    layout = hypernetwork.Layout(2, (1, 2, 3), (7, 5, 4), tails=2)
    slots, tails = np.zeros((2, layout.slots), np.int32), np.zeros((2, 2), np.int32)
    packed = hypernetwork.Packed(slots, slots, tails, tails)
    languages = np.zeros(2, np.int32) if config.languages else None
    traced = jax.make_jaxpr(
        lambda params: hypernetwork.apply(
            params, config, table, packed, layout, languages, pool_early=early
        )
    )(params)
    assert network.flops(config, layout, pool_early=early) == matmul_flops(traced)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"form": "other"}, "form"),
        ({"residual": "last"}, "residual"),
        ({"dtype": "int8"}, "dtype"),
        ({"num_heads": 3}, "heads"),
        ({"max_slots": 0}, "max_slots"),
    ],
)
def test_wrong_configs_get_one_line(changes, message):
    with pytest.raises(UsageError, match=message):
        HypernetworkConfig(**{"d_model": D, "tied": True, **changes})


def test_a_table_of_another_kind_is_refused():
    with pytest.raises(ValueError, match="untied table of width 16"):
        hypernetwork.init(jax.random.key(0), config_of(tied=True), source())
    with pytest.raises(ValueError, match="no"):
        hypernetwork.init(jax.random.key(0), config_of(bias=True), source())
        hypernetwork.predict({}, config_of(bias=True), source(), some_pieces([1]))
