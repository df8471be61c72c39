"""What is sampled: the best substrings under noise, trained Unigrams, and which a step gets."""

import itertools
from collections import Counter

import numpy as np
import pytest

from research import codecs, corpora
from research.errors import UsageError
from research.transfer.sampling import (
    BPE,
    Candidates,
    Codebook,
    Pretokens,
    Queue,
    Sampling,
    Seen,
    Substrings,
    UnigramEM,
    WordPiece,
    kinds,
    lattice,
    mixture,
    pretokens,
    sample,
)
from research.transfer.sampling.counting import Counts
from research.transfer.sampling.sampled_tokenizer import LongestMatch, SampledTokenizer

CUT = Pretokens()
BYTES = [bytes((byte,)) for byte in range(256)]
SILENT = Substrings(noise_median=0.0)
DOCUMENTS = list(itertools.islice(corpora.load("builtin:topics").documents("train"), 44))


def texts(number):
    return [document[:800] for document in DOCUMENTS[number * 4 % 40 :][:4]]


def counted(*texts, candidates=None):
    counts = Counts(candidates or Candidates())
    counts.add(counts.batch(pretokens.split(CUT, texts)))
    return counts


def test_without_noise_entries_are_the_best_by_count_times_length():
    text = DOCUMENTS[0] + " café café été".encode()
    found = pretokens.split(CUT, [text])
    every = Counter()
    for a, b in itertools.pairwise(found.start_W.tolist()):
        word = found.data[a:b].tobytes().decode()
        for i, j in itertools.combinations(range(len(word) + 1), 2):
            if j - i <= 16:
                every[word[i:j]] += j - i
    counts = counted(text)
    for pieces in (256, 300, 500):
        tokens, unigram = kinds.sample_substrings(SILENT, counts, pieces, np.random.default_rng(0))
        assert tokens[:256] == BYTES and len(tokens) == len(set(tokens)) == pieces
        assert unigram.score_V.shape == (pieces,)
        np.testing.assert_allclose(np.exp(unigram.score_V).sum(), 1)
        chosen = [token.decode() for token in tokens[256:]]
        weight_V = np.exp(unigram.score_V - unigram.score_V[ord("e")]) * every["e"]
        np.testing.assert_allclose(weight_V[256:], [every[token] for token in chosen])
        others = {s: n for s, n in every.items() if s not in chosen and len(s.encode()) > 1}
        if chosen:
            assert min(every[token] for token in chosen) >= max(others.values())


def test_strong_noise_leaves_probabilities():
    kind = Substrings(noise_median=10.0, noise_spread=0.0)
    rng = np.random.default_rng(0)
    tokens, unigram = kinds.sample_substrings(kind, counted(*DOCUMENTS), 3000, rng)
    assert len(tokens) == 3000 and (unigram.score_V < 0).all()
    np.testing.assert_allclose(np.exp(unigram.score_V).sum(), 1)


def test_more_entries_than_strings_are_left_out():
    tokens, _ = kinds.sample_substrings(SILENT, counted(b"abab"), 1000, np.random.default_rng(0))
    assert set(tokens[256:]) == {b"ab", b"ba", b"aba", b"bab", b"abab"}


def test_length_in_bytes_favours_other_scripts():
    counts = counted("語語語語語 abcde abcde abcde".encode())
    by = {
        length: kinds.sample_substrings(
            Substrings(noise_median=0.0, length=length), counts, 262, np.random.default_rng(0)
        )[0][256:]
        for length in ("characters", "bytes")
    }
    others = {length: sum(token[0] > 127 for token in tokens) for length, tokens in by.items()}
    assert others["bytes"] > others["characters"]
    with pytest.raises(UsageError, match="characters or bytes"):
        wrong = Substrings(length="tokens")
        kinds.sample_substrings(wrong, counts, 300, np.random.default_rng(0))


def test_entries_are_made_of_whole_characters_unless_asked():
    text = "Это пример текста о достопримечательностях на русском языке. ".encode()
    for aligned in (True, False):
        kind = Substrings(candidates=Candidates(aligned=aligned))
        counts = counted(text, candidates=kind.candidates)
        tokens, _ = kinds.sample_substrings(kind, counts, 1000, np.random.default_rng(0))
        whole = [token.decode("utf-8", "ignore").encode() == token for token in tokens[256:]]
        assert all(whole) == aligned
        if aligned:  # no limit of 15 bytes
            assert max(map(len, tokens)) > 15


def test_noise_is_standard_normal_and_belongs_to_the_string():
    from scipy import stats

    hash_N = np.random.default_rng(0).integers(1 << 64, size=20_000, dtype=np.uint64)
    first, second = (kinds.noise(hash_N, np.uint64(key)) for key in (1, 2))
    assert stats.kstest(first, "norm").pvalue > 1e-3
    assert abs(np.corrcoef(first, second)[0, 1]) < 0.03
    np.testing.assert_array_equal(kinds.noise(hash_N[::-1], np.uint64(1)), first[::-1])


def test_the_deviation_of_the_noise_is_log_normal():
    rng = np.random.default_rng(0)
    logs = np.log([kinds.draw_sigma(Substrings(), rng) for _ in range(4000)])
    assert abs(np.mean(logs) - np.log(1e-5)) < 0.2
    assert abs(np.std(logs) - 4) < 0.2


def test_expected_counts_are_those_of_all_segmentations():
    tokens = [*BYTES, b"ab", b"bc", b"abc", b"ca", b"cab"]
    score_V = np.log(np.random.default_rng(0).random(len(tokens)))
    found = pretokens.split(CUT, [b"abcab", b"cabc", b"a"])
    count_P = np.array([3, 1, 7])
    wanted = np.zeros(len(tokens))
    for word, count in zip([b"abcab", b"cabc", b"a"], count_P, strict=True):
        paths = list(segmentations(word, tokens))
        share = np.exp([score_V[path].sum() for path in paths])
        for path, p in zip(paths, share / share.sum(), strict=True):
            np.add.at(wanted, path, count * p)
    got = lattice.expected_counts(found, count_P, lattice.build_trie(tokens), score_V, 3)
    np.testing.assert_allclose(got, wanted, atol=1e-12)


def segmentations(word, tokens):
    if not word:
        yield []
    for id_, token in enumerate(tokens):
        if word.startswith(token):
            for rest in segmentations(word[len(token) :], tokens):
                yield [id_, *rest]


def test_a_trained_unigram_has_exactly_v_entries_and_needs_fewer_tokens():
    counts = counted(*DOCUMENTS)
    words, count_P = counts.words_of([counts.batch(pretokens.split(CUT, DOCUMENTS))])
    seeds, weight_N = kinds.unigram_seeds(counts, 4000)
    needed = {}
    for pieces in (700, 1500):
        tokens, unigram = kinds.train_unigram(UnigramEM(), words, count_P, seeds, weight_N, pieces)
        assert tokens[:256] == BYTES and len(tokens) == len(set(tokens)) == pieces
        np.testing.assert_allclose(np.exp(unigram.score_V).sum(), 1, atol=0.2)
        assert (np.diff(unigram.score_V[256:]) <= 0).all()
        needed[pieces] = len(unigram.segment(pretokens.split(CUT, DOCUMENTS))[0])
    untrained = kinds.sample_substrings(SILENT, counts, 1500, np.random.default_rng(0))[1]
    assert needed[1500] < needed[700]
    assert needed[1500] < len(untrained.segment(pretokens.split(CUT, DOCUMENTS))[0])


KINDS = [Substrings(), UnigramEM(batches=2), BPE(batches=2), WordPiece(batches=2), Codebook()]


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: type(kind).__name__)
def test_a_step_gets_the_same_tokenizer_whatever_came_before(kind):
    config = Sampling(vocab_size=500, queue=3, kinds=((kind, 1.0),))
    queue = Queue(texts, 3)
    made = [sample(config, queue, seed=1, step=step) for step in range(4)]
    for step in (3, 1):
        anew = sample(config, Queue(texts, 3), seed=1, step=step)
        assert anew.fingerprint() == made[step].fingerprint()
        np.testing.assert_array_equal(
            anew.encode([DOCUMENTS[-1]])[0], made[step].encode([DOCUMENTS[-1]])[0]
        )
    assert len({one.fingerprint() for one in made}) == len(made)
    other = sample(config, queue, seed=2, step=3)
    assert other.fingerprint() != made[3].fingerprint()
    for one in made:
        assert one.vocab_size == 502 and one.roles == {"bos": 500, "eos": 501}
        assert one.decode(one.encode(DOCUMENTS[-5:])) == DOCUMENTS[-5:]


def test_kinds_and_digits_are_drawn_by_their_weights():
    config = Sampling(
        vocab_size=300,
        queue=1,
        kinds=((Substrings(), 3.0), (Codebook(), 1.0), (BPE(), 0.0)),
        digits=(("single", 1.0), ("right", 1.0)),
    )
    queue = Queue(lambda number: [b"there are 1234 of them, 12 and 123456"], 1)
    made = [sample(config, queue, seed=0, step=step) for step in range(60)]
    names = Counter(one.name for one in made)
    assert set(names) == {"sampled Substrings", "sampled Codebook"}
    assert names["sampled Substrings"] > names["sampled Codebook"]
    digits = Counter(one.pretokens.digits for one in made if not one.pretokens.whole)
    assert set(digits) == {"single", "right"}
    for one in made:
        longest = max((len(token) for token in one.token_bytes() if token.isdigit()), default=1)
        if not one.pretokens.whole:
            assert longest <= (1 if one.pretokens.digits == "single" else 3)


def test_a_codebook_of_all_its_strings():
    config = Sampling(vocab_size=70_000, kinds=((Codebook(), 1.0),))
    made = sample(config, Queue(texts, 3), seed=0, step=0)
    assert made.special_V.sum() == 70_002 - 65_536


def test_coarser_windows_make_longer_tokens_than_strings_drawn_one_by_one():
    config = Sampling(vocab_size=2048, kinds=((Codebook(), 1.0),))
    made = sample(config, Queue(texts, 3), seed=0, step=0)
    strings = set(codecs.load("english-b16").token_bytes())
    prefixes = {string[:end] for string in strings for end in range(1, len(string) + 1)}
    own = {string for string in made.match_bytes() if string}
    assert len(own) == 2048 and own <= prefixes
    assert own != {s for s in sample(config, Queue(texts, 3), seed=0, step=1).match_bytes() if s}
    text = b" ".join(texts(0))[:2000]
    longer = sorted(string for string in strings if len(string) > 1)
    drawn = np.random.default_rng(0).choice(len(longer), 1792, replace=False)
    tokens = BYTES + [longer[number] for number in drawn.tolist()]
    whole = Pretokens(whole=True)
    single = SampledTokenizer(tokens, LongestMatch(tokens), whole, pieces=len(tokens))
    length, single_length = (len(one.encode([text])[0]) for one in (made, single))
    assert length < 0.9 * single_length


def test_kinds_by_name():
    assert mixture("substrings") == ((Substrings(), 1.0),)
    assert mixture("unigram=2, bpe=.5") == ((UnigramEM(), 2.0), (BPE(), 0.5))
    for wrong in ("", "substring", "bpe=many", "bpe=-1"):
        with pytest.raises(UsageError, match="substrings, unigram, bpe, wordpiece, codebook"):
            mixture(wrong)


def test_what_training_has_contained():
    seen = Seen([b"a", b" the", b"never seen", b""])
    made = sample(Sampling(vocab_size=300, queue=2), Queue(texts, 2), seed=0, step=0)
    assert seen.share([b"a", b"never seen"]) == 0
    seen.add(made)
    assert seen.share([b"a", b"never seen", b""]) == 0.5
    assert seen.share([b""]) == 0
    later = Seen([b"a", b" the", b"never seen"])
    later.restore(seen.missing)
    assert later.share([b"a", b"never seen"]) == 0.5


def test_what_cannot_be_sampled_is_refused():
    queue = Queue(texts, 3)
    with pytest.raises(UsageError, match="all 256 bytes, not 100"):
        sample(Sampling(vocab_size=100), queue, seed=0, step=0)
    for mixed in ((), ((Substrings(), 0.0),), ((Substrings(), -1.0), (BPE(), 2.0))):
        with pytest.raises(UsageError, match="kinds to sample need weights"):
            sample(Sampling(kinds=mixed), queue, seed=0, step=0)


def test_compiled_and_not_are_the_same(monkeypatch):
    counts = counted(b"the cat and the hat sat in the mat; the cats sat")
    words = pretokens.split(CUT, [b"the cat and the hat sat"])
    seeds, weight_N = kinds.unigram_seeds(counts, 60)
    count_P = np.arange(1, len(words.start_W))
    fast = kinds.train_unigram(UnigramEM(), words, count_P, seeds, weight_N, 270)
    monkeypatch.setattr(lattice, "compiled", lambda function: function)
    slow = kinds.train_unigram(UnigramEM(), words, count_P, seeds, weight_N, 270)
    assert fast[0] == slow[0]
    np.testing.assert_allclose(fast[1].score_V, slow[1].score_V, rtol=1e-9)
