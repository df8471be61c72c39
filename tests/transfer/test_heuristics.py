"""What every method promises, and what each is: identity, bits, permutations, exact weights."""

import dataclasses
import typing
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from research.cli.transfer import Transfer
from research.codecs.codec_tokenizer import CodecTokenizer
from research.codecs.subword import BPECodec
from research.errors import UsageError
from research.testing.tiny import TinyCodec, tiny_corpus
from research.tokenizers import Pieces
from research.transfer import matching, methods
from research.transfer.methods import similarity
from research.transfer.methods.auxiliary import Auxiliary, Donor
from research.transfer.methods.rows import Inputs
from research.transfer.vectors import SVDConfig, TokenVectors, WordVectors
from research.transfer.vectors import words as word_vectors
from research.vocabularies.protocol import EmbeddingTable

WIDTH = 12
ROOT = Path(__file__).resolve().parent.parent.parent
SVD = SVDConfig(dim=10, min_count=2)
HEURISTICS = [name for name in methods.METHODS if name != methods.HYPERNETWORK]


@dataclasses.dataclass(frozen=True)
class Renumbered:
    """A tokenizer whose id order_V[i] is now i."""

    of: CodecTokenizer
    order_V: np.ndarray
    lossless = True
    name = "renumbered"

    def __getattr__(self, attribute):
        return getattr(self.of, attribute)

    @property
    def place_V(self):
        return np.argsort(self.order_V).astype(np.int32)

    @property
    def special_V(self):
        return self.of.special_V[self.order_V]

    @property
    def roles(self):
        return {role: int(self.place_V[id_]) for role, id_ in self.of.roles.items()}

    def match_bytes(self):
        tokens = self.of.match_bytes()
        return [tokens[i] for i in self.order_V]

    def encode(self, texts):
        return [self.place_V[ids] for ids in self.of.encode(texts)]

    def decompose(self, tokens):
        pieces = self.of.decompose(tokens)
        return Pieces(self.place_V[pieces.ids_N], pieces.start_T)

    def fingerprint(self):
        return f"{self.of.fingerprint()} {self.order_V.tolist()}"


def test_the_registry_is_what_is_documented_and_offered():
    """The table of docs/transfer.md, the command line's choices, the names of auxiliaries."""
    lines = (ROOT / "docs" / "transfer.md").read_text("utf-8").split("\n")
    rows = [line.strip("|").split("|") for line in lines if line.startswith("|")][2:]
    told = {name.strip(): tuple(map(str.strip, cells)) for name, *cells in rows}
    assert told == {
        name: ("copied" if one.copies else "as others", one.help, " or ".join(one.needs))
        for name, one in methods.METHODS.items()
    }
    choices = typing.get_args(typing.get_type_hints(Transfer)["method"])
    assert choices == tuple(methods.METHODS)
    fields = {field.name for field in dataclasses.fields(Auxiliary)}
    for one in methods.METHODS.values():
        assert {*one.needs, *one.may_have} <= fields and callable(one.load())


@pytest.fixture(scope="module")
def texts():
    return list(tiny_corpus(60_000).documents("train"))


@pytest.fixture(scope="module")
def source(texts):
    return CodecTokenizer(BPECodec.train(texts, 420))


@pytest.fixture(scope="module")
def target(texts):
    halves = [text.replace(b"e", b"").upper() + text[::2] for text in texts]
    return CodecTokenizer(BPECodec.train([*texts, *halves], 470))


def table_of(tokenizer, *, seed=0, tied=False, bias=True):
    rng = np.random.default_rng(seed)
    rows = rng.normal(size=(2, tokenizer.vocab_size, WIDTH)).astype(np.float32)
    bias_V = rng.normal(size=tokenizer.vocab_size).astype(np.float32)
    return EmbeddingTable(rows[0] + 1, None if tied else rows[1], bias_V if bias else None)


def words_of(texts):
    return word_vectors.train(texts, SVD)


def auxiliary(name, texts, target):
    needs = methods.METHODS[name].needs
    if "donor" in needs:
        return Auxiliary(donor=Donor(table_of(target, seed=5), target), svd=SVD)
    if "aux_text" in needs:
        return Auxiliary(aux_text=texts, svd=SVD)
    return Auxiliary(vectors=words_of(texts) if needs else None, svd=SVD)


def made(name, texts, source, target, *, table=None, seed=3, **options):
    method = methods.make(name, auxiliary(name, texts, target), **options)
    return method(table or table_of(source), source, target, seed=seed)


def same(one, other):
    return all(a is b or np.array_equal(a, b) for a, b in zip(one, other, strict=True))


@pytest.mark.parametrize("name", HEURISTICS)
def test_every_method(name, texts, source, target):
    """Shapes, finiteness, special rows, overlap to the bit or not, seeds, input left alone."""
    table = table_of(source)
    before = EmbeddingTable(*map(np.copy, table))
    out = made(name, texts, source, target, table=table)
    assert same(before, table)
    match = matching.match(source, target)
    assert len(match.new_target_M) > 50 and len(match.overlap_target_N) > 300
    copied = methods.METHODS[name].copies
    for one, of in zip(out, table, strict=True):
        assert one.dtype == np.float32 and one.shape == (target.vocab_size, *of.shape[1:])
        assert np.isfinite(one).all() and np.all(one.reshape(len(one), -1).any(1))
        assert np.array_equal(one[match.special_target_S], of[match.special_source_S])
        kept = np.array_equal(one[match.overlap_target_N], of[match.overlap_source_N])
        assert kept == copied
    assert same(out, made(name, texts, source, target))
    drawn = not same(out, made(name, texts, source, target, seed=4))
    assert drawn == methods.METHODS[name].draws


@pytest.mark.parametrize("name", HEURISTICS)
def test_identical_tokenizers_return_the_source_table(name, texts, source):
    table = table_of(source)
    out = made(name, texts, source, source, table=table)
    assert same(out, table) == methods.METHODS[name].copies


@pytest.mark.parametrize("name", HEURISTICS)
def test_permuting_ids_permutes_rows(name, texts, source, target):
    rng = np.random.default_rng(1)
    mixed_target = Renumbered(target, rng.permutation(target.vocab_size))
    mixed_source = Renumbered(source, rng.permutation(source.vocab_size))
    table = table_of(source)
    moved = EmbeddingTable(*(one[mixed_source.order_V] for one in table))
    given = auxiliary(name, texts, target)
    if given.donor:  # the donor keeps its ids: it is matched by entries
        assert given.donor.tokenizer is target
    elif name in ("focus", "omp-aux"):  # the solver's sums depend on the order of ids
        given = Auxiliary(vectors=words_of(texts))
    method = methods.make(name, given)
    plain = method(table, source, target, seed=3)
    other = method(moved, mixed_source, mixed_target, seed=3)
    for one, of in zip(other, plain, strict=True):
        np.testing.assert_allclose(one, of[mixed_target.order_V], rtol=2e-4, atol=2e-5)


@pytest.mark.parametrize("name", HEURISTICS)
def test_tied_tables_stay_tied(name, texts, source, target):
    table = table_of(source, tied=True, bias=False)
    out = made(name, texts, source, target, table=table)
    assert out.output_VxD is None and out.bias_V is None
    assert out.input_VxD.shape == (target.vocab_size, WIDTH)


def test_what_is_missing_or_useless_is_named():
    words = WordVectors(["a"], np.ones((1, 2), np.float32), np.ones(1, np.float32))
    cases = [
        ("focus", {}, "focus needs --vectors or --aux-text"),
        ("omp", {}, "omp needs --donor .with --vectors or --aux-text it is omp-aux"),
        ("ofa", {"aux_text": ["a"]}, "ofa needs --vectors .with --aux-text it is ofa-aux"),
        ("fvt", {"aux_text": ["a"]}, "fvt has no use for --aux-text"),
        ("focus", {"aux_text": ["a"], "vectors": words}, "not both"),
        ("wechsel", {"vectors": words, "dictionary": [("a", "b")]}, "needs --source-vectors"),
        ("wechsel", {"vectors": words, "source_vectors": words}, "needs --dictionary"),
    ]
    for name, given_, message in cases:
        with pytest.raises(UsageError, match=message):
            methods.make(name, Auxiliary(**given_))
    with pytest.raises(UsageError, match="unknown method 'lexical'"):
        methods.make("lexical")
    with pytest.raises(UsageError, match="omp-aux has no option atoms; it has k"):
        methods.make("omp-aux", Auxiliary(aux_text=["a"]), atoms=3)


def test_random_rows_have_the_source_rows_mean_and_variance(source, target):
    table = EmbeddingTable(np.tile(np.array([[3.0], [5.0]], np.float32), (211, 40)))
    out = methods.make("random")(table, source, target).input_VxD
    ordinary = out[~target.special_V]
    assert abs(ordinary.mean() - 4) < 0.05 and abs(ordinary.std() - 1) < 0.05


def test_fvt_is_the_mean_of_the_pieces():
    source = CodecTokenizer(TinyCodec())
    target = CodecTokenizer(TinyCodec((b"the sea", b"ing")))
    table = table_of(source)
    out = methods.make("fvt")(table, source, target)
    tokens = source.match_bytes()
    pieces = [tokens.index(piece) for piece in (b"the ", b"s", b"e", b"a")]
    for one, of in zip(out, table, strict=True):
        expected = of[pieces].mean(0, dtype=np.float64)
        np.testing.assert_allclose(one[256], expected, rtol=1e-6)
        assert np.array_equal(one[257], of[tokens.index(b"ing")])
    by_bytes = methods.make("byte-fvt")(table, source, target).input_VxD
    expected = table.input_VxD[list(b"the sea")].mean(0, dtype=np.float64)
    np.testing.assert_allclose(by_bytes[256], expected, rtol=1e-6)
    assert np.array_equal(by_bytes[97], table.input_VxD[97])


scores = arrays.arrays(
    np.float64, st.tuples(st.integers(1, 4), st.integers(1, 300)),
    elements=st.floats(-1, 1, allow_subnormal=False),
)  # fmt: skip


@given(scores)
@settings(max_examples=60, deadline=None)
def test_sparsemax_is_the_projection_onto_the_simplex(scores_TxN):
    """The conditions under which a point is the projection, which hold for no other point."""
    weights_TxN = similarity.sparsemax(scores_TxN)
    np.testing.assert_allclose(weights_TxN.sum(1), 1, atol=1e-9)
    assert (weights_TxN >= 0).all()
    for scores_N, weights_N in zip(scores_TxN, weights_TxN, strict=True):
        gap_N = scores_N - weights_N  # tau inside the support, at most tau outside
        tau = gap_N[weights_N > 0]
        assert np.ptp(tau) < 1e-9 and (gap_N <= tau.max() + 1e-9).all()


def test_sparsemax_agrees_with_a_quadratic_program():
    from scipy.optimize import minimize

    scores_N = np.random.default_rng(0).normal(size=7) * 0.4
    found = minimize(
        lambda p: ((p - scores_N) ** 2).sum(), np.full(7, 1 / 7), method="SLSQP",
        bounds=[(0, 1)] * 7, constraints={"type": "eq", "fun": lambda p: p.sum() - 1},
        options={"ftol": 1e-14},
    )  # fmt: skip
    np.testing.assert_allclose(similarity.sparsemax(scores_N[None])[0], found.x, atol=1e-6)


def test_sparsemax_with_a_wide_support_sorts_the_whole_row():
    many = np.linspace(0, 1e-4, 5 * similarity.SUPPORT)[None]
    np.testing.assert_allclose(similarity.sparsemax(many).sum(1), 1, atol=1e-9)
    assert (similarity.sparsemax(many) > 0).all()


@given(scores, st.integers(1, 12))
@settings(max_examples=40, deadline=None)
def test_softmax_of_the_nearest(scores_TxN, neighbours):
    out = similarity.softmax_of_nearest(scores_TxN, neighbours=neighbours, temperature=0.1)
    count = min(neighbours, scores_TxN.shape[1])
    np.testing.assert_allclose(out.sum(1), 1, atol=1e-9)
    assert ((out > 0).sum(1) == count).all()
    for scores_N, weights_N in zip(scores_TxN, out, strict=True):
        taken = weights_N > 0
        assert scores_N[taken].min() >= np.max(scores_N[~taken], initial=-np.inf)
        top = np.exp((scores_N[taken] - scores_N.max()) / 0.1)
        np.testing.assert_allclose(weights_N[taken], top / top.sum(), rtol=1e-9)


def test_focus_of_a_token_whose_vector_is_an_anchors(source, target):
    """cos = 1 to one anchor and 0 to all others: that anchor's row, to the bit."""
    match = matching.match(source, target)
    size = target.vocab_size
    vectors_VxK = np.eye(size, dtype=np.float32)
    new, anchor = match.new_target_M[0], 7
    vectors_VxK[new] = vectors_VxK[match.overlap_target_N[anchor]]
    known_V = np.ones(size, bool)
    known_V[match.new_target_M[1:]] = False
    inputs = Inputs(table_of(source), source, target, match, seed=0)
    out = similarity.focus(inputs, vectors=TokenVectors(vectors_VxK, known_V))
    row = table_of(source).input_VxD[match.overlap_source_N[anchor]]
    assert np.array_equal(out.input_VxD[new], row)


def test_without_an_anchor_there_is_nothing_to_mix(source, target):
    unknown = TokenVectors(np.zeros((target.vocab_size, 2), np.float32),
                           np.zeros(target.vocab_size, bool))  # fmt: skip
    match = matching.match(source, target)
    unknown.known_V[match.new_target_M] = True
    inputs = Inputs(table_of(source), source, target, match, seed=0)
    with pytest.raises(UsageError, match="no entry that both tokenizers have"):
        similarity.focus(inputs, vectors=unknown)


def test_ofa_with_factors_lies_in_their_span(texts, source, target):
    out = made("ofa-aux", texts, source, target, factors=4)
    match = matching.match(source, target)
    ordinary = np.setdiff1d(np.arange(target.vocab_size), match.special_target_S)
    assert np.linalg.matrix_rank(out.input_VxD[ordinary], tol=1e-3) == 4
    whole = made("ofa-aux", texts, source, target, factors=WIDTH)
    overlap = match.overlap_target_N, match.overlap_source_N
    kept = table_of(source).input_VxD[overlap[1]]
    np.testing.assert_allclose(whole.input_VxD[overlap[0]], kept, atol=1e-5)
    with pytest.raises(UsageError, match="factors must be in 1 .. 12"):
        made("ofa-aux", texts, source, target, factors=13)
