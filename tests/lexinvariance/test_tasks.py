"""LookUp and Permutation are as they are defined, and can be solved from the prompt alone."""

import itertools

import numpy as np
import pytest
from scipy import stats

from research import codecs
from research.codecs.basic import BytesCodec
from research.codecs.subword import SentencePieceCodec
from research.errors import UsageError
from research.lexinvariance.tasks import tasks
from research.lexinvariance.tasks.tasks import Separators, Symbols
from research.tokenizers.static_vocabulary import StaticVocabulary

MARKS = Separators(bos=60, arrow=(50, 51), space=(52,))
SKEWED = Symbols(np.array([3, 7, 8, 20, 41], np.int32), np.array([0.5, 0.2, 0.15, 0.1, 0.05]))
WORDS = ["bird", "table", "cloud", "river", "stone"]
UNIFORM = Symbols(np.arange(40, dtype=np.int32), np.full(40, 1 / 40))


def solve_lookup(row, at):
    """The value of the asked key, from the ids before `at`."""
    text = [id_ for id_ in row[1:at] if id_ not in (50, 51, 52)]
    pairs = dict(zip(text[:-1:2], text[1:-1:2], strict=True))
    return pairs[text[-1]]


def solve_permutation(row, at, last):
    """The symbol at `at`, from the ids before it."""
    text = [id_ for id_ in row[1:at] if id_ not in (50, 51, 52)]
    first, second = text[:3].index(text[3]), text[:3].index(text[4])
    group = len(text) // 5 * 5
    triple = text[group : group + 3]
    return triple[second if at == last else first]


def oracle(task, prompts):
    last = prompts.ids_NxL.shape[1] - 1
    if task == "LookUp":
        return lambda ids_NxL, at: np.array([solve_lookup(row, at) for row in ids_NxL.tolist()])
    return lambda ids_NxL, at: np.array(
        [solve_permutation(row, at, last) for row in ids_NxL.tolist()]
    )


@pytest.mark.parametrize("symbols", [UNIFORM, SKEWED], ids=["uniform", "skewed"])
@pytest.mark.parametrize("n", [1, 2, 4])
@pytest.mark.parametrize("task", tasks.TASKS)
def test_who_reads_the_prompt_solves_it(task, n, symbols):
    prompts = tasks.prompts(task, 0, symbols, MARKS, count=100, n=n)
    assert prompts.ids_NxL.shape == (100, tasks.length(task, MARKS, n))
    right = tasks.right(oracle(task, prompts), prompts, MARKS)
    assert right.shape == (100, 1 if task == "LookUp" else 2) and right.all()


def test_lookup_prompts_have_distinct_keys_and_independent_values():
    ids_NxL = tasks.prompts("LookUp", 0, SKEWED, MARKS, count=500, n=4).ids_NxL
    pairs_NxPx5 = ids_NxL[:, 1:21].reshape(500, 4, 5)
    assert (pairs_NxPx5[..., [1, 2, 4]] == [50, 51, 52]).all()
    keys_NxP, values_NxP = pairs_NxPx5[..., 0], pairs_NxPx5[..., 3]
    assert all(len(set(keys)) == 4 for keys in keys_NxP.tolist())
    assert any(len(set(values)) < 4 for values in values_NxP.tolist())
    asked_N, answer_N = ids_NxL[:, 21], ids_NxL[:, 24]
    places_N = np.argmax(keys_NxP == asked_N[:, None], axis=1)
    assert (values_NxP[np.arange(500), places_N] == answer_N).all()
    assert np.bincount(places_N).min() > 80  # each place is asked for
    shares = np.bincount(values_NxP.ravel(), minlength=60)[SKEWED.ids_A] / 2000
    assert stats.chisquare(shares * 2000, SKEWED.shares_A * 2000).pvalue > 1e-3


def test_permutation_prompts_have_fresh_triples_and_one_rule_each():
    ids_NxL = tasks.prompts("Permutation", 0, UNIFORM, MARKS, count=600, n=4).ids_NxL
    groups_NxGx11 = np.concatenate([ids_NxL[:, 1:], np.full((600, 1), 52)], 1).reshape(600, 5, 11)
    assert (groups_NxGx11[..., [1, 3, 5, 6, 8, 10]] == [52, 52, 50, 51, 52, 52]).all()
    triples, outputs = groups_NxGx11[..., [0, 2, 4]], groups_NxGx11[..., [7, 9]]
    assert all(len(set(triple)) == 3 for triple in triples.reshape(-1, 3).tolist())
    places = np.argmax(triples[:, :, None, :] == outputs[..., None], axis=-1)
    assert (np.take_along_axis(triples, places, axis=2) == outputs).all()
    assert (places == places[:, :1]).all()  # the rule holds through a prompt
    rules = [tuple(rule) for rule in places[:, 0].tolist()]
    counts = [rules.count(pair) for pair in itertools.permutations(range(3), 2)]
    assert sum(counts) == 600 and stats.chisquare(counts).pvalue > 1e-3
    assert len({tuple(triple) for triple in triples[0].tolist()}) == 5


def test_the_symbols_of_a_text():
    codec = BytesCodec()
    marks = tasks.separators(codec)
    assert marks == Separators(256, (ord("-"), ord(">")), (ord(" "),))
    text = np.array([*b"a - b > a a", 257], np.int32)
    uniform = tasks.symbols(text, marks, by_frequency=False)
    frequent = tasks.symbols(text, marks, by_frequency=True)
    assert uniform.ids_A.tolist() == frequent.ids_A.tolist() == [*b"ab"]
    assert uniform.shares_A.tolist() == [0.5, 0.5] and frequent.shares_A.tolist() == [0.75, 0.25]
    prompt = tasks.prompts("LookUp", 0, uniform, marks, count=1, n=2).ids_NxL[0]
    assert prompt[0] == 256 and bytes(prompt[1:].astype("u1").tolist()).count(b"->") == 3
    with pytest.raises(UsageError, match="no symbol"):
        tasks.symbols(np.array([*b"->"]), marks, by_frequency=True)
    with pytest.raises(UsageError, match="3 different symbols are wanted"):
        tasks.prompts("Permutation", 0, uniform, marks, count=1, n=1)


def test_letters_have_z_for_an_arrow():
    codec = codecs.load("letters")
    marks = tasks.separators(codec)
    assert marks == Separators(27, (25,), (26,))
    symbols = tasks.symbols(np.arange(29), marks, by_frequency=False)
    prompts = tasks.prompts("LookUp", 0, symbols, marks, count=1, n=2)
    (text,) = codec.decode([prompts.ids_NxL[0, 1:]])
    assert text[1:2] == b"z" and text[3:4] == b" " and text.count(b"z") == 3


class Pieces(StaticVocabulary):
    """A codec of some strings, none of which an arrow is made of."""

    name, lossless = "pieces", False

    def encode(self, texts):
        return [np.zeros(0, np.int32) for _ in texts]


@pytest.mark.parametrize("strings", [[b"a", b"z"], [b"a", b" "], [b"zz", b" "]])
def test_without_an_arrow_or_letters_there_is_no_lookup(strings):
    assert tasks.separators(Pieces([b"a", b" ", b"z"])) == Separators(3, (2,), (1,))
    with pytest.raises(UsageError, match="codec pieces has no ids for '->'"):
        tasks.separators(Pieces(strings))


def test_symbols_of_a_unigram_vocabulary_are_single_pieces():
    """Nothing is merged across a border: the ids are those of the parts, one after the other."""
    text = " ".join(f"the {word} of a {word}->{i}" for i, word in enumerate(WORDS * 40))
    codec = SentencePieceCodec.train([text.encode()], 300)
    marks = tasks.separators(codec)
    pieces = codec.token_bytes()
    assert [b"".join(pieces[id_] for id_ in ids) for ids in marks[1:]] == [b"->", b" "]
    train_ids = codec.encode([text.encode()])[0]
    symbols = tasks.symbols(train_ids, marks, by_frequency=True)
    assert any(len(pieces[id_]) > 1 for id_ in symbols.ids_A)
    assert not set(symbols.ids_A.tolist()) & {*marks.arrow, *marks.space}
    assert set(symbols.ids_A.tolist()) <= set(train_ids.tolist())
    prompts = tasks.prompts("LookUp", 0, symbols, marks, count=50, n=2)
    assert prompts.ids_NxL.shape[1] == tasks.length("LookUp", marks, 2)
    row = prompts.ids_NxL[0].tolist()
    arrow, space = len(marks.arrow), len(marks.space)
    assert b"".join(pieces[id_] for id_ in row[1:]) == b"".join(
        (pieces[row[1]], b"->", pieces[row[2 + arrow]], b" ", pieces[row[3 + arrow + space]])
        + (b"->", pieces[row[4 + 2 * arrow + space]], b" ", pieces[row[-2 - arrow]])
        + (b"->", pieces[row[-1]])
    )


def successive(symbols, distinct):
    """Probability of each ordered draw without replacement."""
    shares = dict(zip(symbols.ids_A.tolist(), symbols.shares_A.tolist(), strict=True))
    found = {}
    for row in itertools.permutations(shares, distinct):
        left, probability = 1.0, 1.0
        for symbol in row:
            probability *= shares[symbol] / left
            left -= shares[symbol]
        found[row] = probability
    return found


def test_distinct_symbols_are_drawn_one_after_the_other_by_frequency():
    """And the test can tell: draws for another distribution fail it."""
    expected = successive(SKEWED, 3)
    assert sum(expected.values()) == pytest.approx(1.0)

    def p_value(symbols):
        rows = tasks.draw(np.random.default_rng(0), symbols, 6000, distinct=3)
        drawn = [tuple(row) for row in rows.tolist()]
        observed = np.array([drawn.count(row) for row in expected])
        assert observed.sum() == 6000
        return stats.chisquare(observed, np.array(list(expected.values())) * 6000).pvalue

    assert p_value(SKEWED) > 1e-3
    near = Symbols(SKEWED.ids_A, np.array([0.46, 0.22, 0.16, 0.1, 0.06]))
    assert p_value(near) < 1e-6


@pytest.mark.parametrize("task", tasks.TASKS)
def test_renaming_the_symbols_renames_prompts_and_answers(task):
    renaming = np.arange(61)
    renaming[:40] = np.random.default_rng(1).permutation(40)
    renamed = Symbols(renaming[UNIFORM.ids_A].astype(np.int32), UNIFORM.shares_A)
    first = tasks.prompts(task, 0, UNIFORM, MARKS, count=20, n=4)
    second = tasks.prompts(task, 0, renamed, MARKS, count=20, n=4)
    assert (renaming[first.ids_NxL] == second.ids_NxL).all()
    assert first.answers == second.answers
    other = tasks.prompts(task, 1, UNIFORM, MARKS, count=20, n=4)
    assert (first.ids_NxL != other.ids_NxL).any()


def test_a_model_never_sees_an_answer_before_it_gives_it():
    prompts = tasks.prompts("Permutation", 0, UNIFORM, MARKS, count=8, n=1)
    seen = []

    def predict(ids_NxL, at):
        seen.append((at, ids_NxL.copy()))
        return np.full(len(ids_NxL), 39)

    right = tasks.right(predict, prompts, MARKS)
    first, second = prompts.answers
    assert [at for at, _ in seen] == [first, second]
    assert (seen[0][1][:, [first, second]] == MARKS.bos).all()
    assert (seen[1][1][:, first] == 39).all()  # its own symbol, right or wrong
    assert (right == (prompts.ids_NxL[:, [first, second]] == 39)).all()


@pytest.mark.parametrize("task", tasks.TASKS)
def test_guesses_score_their_chance(task):
    """A guess over all ids, and one among what may be copied."""
    prompts = tasks.prompts(task, 0, SKEWED, MARKS, count=20_000, n=2)
    rng = np.random.default_rng(2)
    found = tasks.right(lambda ids, at: rng.integers(61, size=len(ids)), prompts, MARKS)
    p = tasks.chance(61)
    assert stats.binomtest(int(found.sum()), found.size, p).pvalue > 1e-3
    assert stats.binomtest(int(found.sum()), found.size, 1.3 * p).pvalue < 1e-3
    columns = (4, 9) if task == "LookUp" else tuple(tasks.length(task, MARKS, 1) + np.array(
        [1, 3, 5]))

    def copied(ids_NxL, at):
        each = np.arange(len(ids_NxL))
        return ids_NxL[each, rng.choice(columns, size=len(ids_NxL))]

    found = tasks.right(copied, prompts, MARKS)
    p = tasks.copying_chance(task, SKEWED, 2)
    assert stats.binomtest(int(found.sum()), found.size, p).pvalue > 1e-3
    assert stats.binomtest(int(found.sum()), found.size, 0.95 * p).pvalue < 1e-3


def test_the_chance_of_copying_is_its_enumeration():
    """LookUp with two pairs of three symbols: every prompt and every guess, weighted."""
    symbols = Symbols(np.arange(3, dtype=np.int32), np.array([0.6, 0.3, 0.1]))
    total = 0.0
    for values in itertools.product(range(3), repeat=2):
        weight = float(np.prod(symbols.shares_A[list(values)]))
        for asked, guessed in itertools.product(range(2), repeat=2):
            total += weight / 4 * (values[asked] == values[guessed])
    assert tasks.copying_chance("LookUp", symbols, 2) == pytest.approx(total)
