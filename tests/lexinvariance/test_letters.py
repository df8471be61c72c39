"""Letter n-grams: counted, smoothed, saved, and the ones that are shipped."""

import hashlib
import itertools
import json
import struct
from collections import Counter

import numpy as np
import pytest

from research.errors import FreevocabError, UsageError
from research.lexinvariance.ciphers import ciphers, letters, letters_file

TEXTS = ["the cat sat on the mat", "A rat! That's it.", "", "at", "the hat and the cat " * 3]
SPACED = ciphers.LETTERS + " "


@pytest.mark.parametrize("alphabet", [SPACED, ciphers.LETTERS, "atch .!A"])
@pytest.mark.parametrize("order", [1, 3])
def test_counting_equals_counting_by_hand(alphabet, order):
    counts = letters.tally(TEXTS, alphabet, order)
    expected: Counter[str] = Counter()
    for text in TEXTS:
        if alphabet.startswith("abc"):
            text = ciphers.normalise(text, spaces=" " in alphabet)
        else:
            text = "".join(each for each in " ".join(text.split()) if each in alphabet)
        expected.update(text[i : i + order] for i in range(len(text) - order + 1))
    found = {
        "".join(alphabet[i] for i in place): int(counts[tuple(place)])
        for place in np.argwhere(counts)
    }
    assert found == dict(expected)
    pieces = letters.tally([text.encode() for text in TEXTS], alphabet, order)
    np.testing.assert_array_equal(counts, pieces)


def test_counting_in_pieces_changes_nothing(monkeypatch):
    whole = letters.tally(TEXTS, SPACED, 2)
    monkeypatch.setattr(letters, "_PENDING", 5)
    np.testing.assert_array_equal(letters.tally(TEXTS, SPACED, 2), whole)


@pytest.mark.parametrize("smoothing", letters.SMOOTHINGS)
@pytest.mark.parametrize("texts", [TEXTS, [], ["zz"]])
def test_every_context_has_a_distribution_without_zeros(smoothing, texts):
    model = letters.count(texts, SPACED, 4, smoothing)
    for order, table in enumerate((*model.lower, model.log_p), 1):
        assert table.shape == (27,) * order and table.dtype == np.float32
        assert np.isfinite(table).all() and not table.flags.writeable
        np.testing.assert_allclose(np.exp(table.astype(np.float64)).sum(axis=-1), 1, rtol=2e-6)


def interpolated(counts_of, letter, context, alphabet, smoothing):
    """One probability by the textbook, recursively; counts_of(k) are those of order k."""
    top, order = True, len(context) + 1

    def discounts(counts):
        n = Counter(counts.values())
        if not (n[1] and n[2] and n[3]):
            return 0.5, 0.5, 0.5
        y = n[1] / (n[1] + 2 * n[2])
        raw = (1 - 2 * y * n[2] / n[1], 2 - 3 * y * n[3] / n[2], 3 - 4 * y * n[4] / n[3])
        return [min(max(d, 0.1), m) for d, m in zip(raw, (0.95, 1.9, 2.85), strict=True)]

    def p(k, history, top):
        if k == 0:
            return 1 / len(alphabet)
        counts = counts_of(k)
        if smoothing == "kneser-ney" and not top:
            counts = Counter(gram[1:] for gram in counts_of(k + 1))
        here = {a: counts[history + a] for a in alphabet}
        below = p(k - 1, history[1:], False)
        total = sum(here.values())
        if not total:
            return below
        if smoothing == "witten-bell":
            types = sum(value > 0 for value in here.values())
            return (here[letter] + types * below) / (total + types)
        taken = discounts(counts)
        lost = {a: taken[min(v, 3) - 1] if v else 0.0 for a, v in here.items()}
        return (here[letter] - lost[letter] + sum(lost.values()) * below) / total

    return p(order, context, top)


@pytest.mark.parametrize("smoothing", letters.SMOOTHINGS)
def test_probabilities_are_those_of_the_definition(smoothing):
    rng = np.random.default_rng(0)
    # Skewed, so that every discount is estimated and not the fixed one.
    counts = np.minimum(rng.zipf(1.6, (5, 5, 5)), 40) * (rng.random((5, 5, 5)) < 0.5)
    counts[2, 3] = 0
    alphabet = "abcde"
    model = letters.smooth(counts, alphabet, smoothing)

    def counts_of(order):
        margin = counts.sum(axis=tuple(range(3 - order)))
        return Counter(
            {"".join(alphabet[i] for i in at): int(margin[tuple(at)]) for at in np.argwhere(margin)}
        )

    for order, table in enumerate((*model.lower, model.log_p), 1):
        for place in itertools.product(range(5), repeat=order):
            *context, letter = (alphabet[i] for i in place)
            p = interpolated(counts_of, letter, "".join(context), alphabet, smoothing)
            np.testing.assert_allclose(np.exp(table[place]), p, rtol=1e-5)


def test_score_is_the_sum_over_letters():
    model = letters.count(TEXTS, SPACED, 3)
    every = (*model.lower, model.log_p)
    for text in ("", "t", "th", "the cat", "xyzzy"):
        ids = letters.ids(text, SPACED)
        expected = 0.0
        for place in range(len(ids)):
            order = min(place + 1, 3)
            expected -= float(every[order - 1][tuple(ids[place + 1 - order : place + 1])])
        assert letters.score(model, ids) == pytest.approx(expected, rel=1e-12)
        two = letters.score(model.shorter(2), ids)
        assert two == pytest.approx(letters.score(letters.count(TEXTS, SPACED, 3).shorter(2), ids))
    with pytest.raises(UsageError, match=r"0\.\.26"):
        letters.score(model, np.array([0, 27]))
    with pytest.raises(UsageError, match=r"1\.\.3"):
        model.shorter(4)


def test_other_alphabets_keep_what_they_have():
    def kept(text, alphabet=letters.ASCII):
        return "".join(alphabet[i] for i in letters.ids(text, alphabet))

    assert kept("It’s\n\t“a — Café”  №") == "It's \"a - Cafe\" No"
    assert kept("äöa b", "äaö") == "äöa"
    with pytest.raises(UsageError, match="all different"):
        letters.ids("a", "aa")
    with pytest.raises(UsageError, match="too much"):
        letters.tally([], letters.ASCII, 5)
    with pytest.raises(UsageError, match="kneser-ney, witten-bell"):
        letters.count([], SPACED, 1, "none")


def test_saved_counts_come_back_within_the_stated_error(tmp_path):
    rng = np.random.default_rng(0)
    counts = np.exp(rng.uniform(0, 18, (27, 27, 27))).astype(np.int64)
    counts[rng.random(counts.shape) < 0.3] = 0
    path = tmp_path / "letters.bin"
    letters_file.write(path, counts, SPACED, "kneser-ney", {"from": "nowhere"})
    saved = letters_file.read(path)
    assert (saved.alphabet, saved.smoothing) == (SPACED, "kneser-ney")
    assert saved.notes == {"from": "nowhere"}
    small = counts <= letters_file.EXACT
    np.testing.assert_array_equal(saved.counts[small], counts[small])
    ratio = saved.counts[~small] / counts[~small]
    rounding = 0.5 / letters_file.EXACT
    assert np.abs(np.log(ratio)).max() <= np.log(letters_file.RATIO) / 2 + rounding
    # What is saved is a fixed point.
    np.testing.assert_array_equal(letters_file.levels(saved.counts), letters_file.levels(counts))
    with pytest.raises(FreevocabError, match="must lie in"):
        letters_file.levels(np.array([1 << 40]))


def test_a_wrong_file_is_one_clear_line(tmp_path):
    good = letters_file.pack(letters.tally(TEXTS, SPACED, 2), SPACED, "witten-bell")
    newer = good[:4] + struct.pack("<H", letters_file.VERSION + 1) + good[6:]
    flipped = good[:20] + bytes([good[20] ^ 1]) + good[21:]
    wrong = {
        "begin with FVLN": b"something else" * 9,
        "upgrade": newer,
        "wrong digest": flipped,
        "cut short": good[:-20],
        "damaged": good[:60] + b"\0" * 40 + good[100:],
    }
    for message, data in wrong.items():
        path = tmp_path / "x.bin"
        path.write_bytes(data)
        with pytest.raises(FreevocabError, match=message) as caught:
            letters_file.read(path)
        assert str(path) in str(caught.value) and "\n" not in str(caught.value)
    with pytest.raises(FreevocabError, match="cannot read"):
        letters_file.read(tmp_path / "missing.bin")
    with pytest.raises(UsageError, match="no letter model 'french'"):
        letters.load("french")


@pytest.fixture(scope="module")
def held_out():
    """English of which nothing was counted: this project's own words."""
    return " ".join(module.__doc__ for module in (letters, letters_file, ciphers))


@pytest.mark.parametrize("name", ["clear", "none", "ascii"])
def test_shipped_models_are_english_and_better_with_every_order(name, held_out):
    model = letters.load(name)
    assert model is letters.load(name) and len(model.digest) == 64
    if name == "clear":
        assert letters.load("enciphered") is model
    assert {"enwiki", "novels"} <= set(model.notes["trained_on"])
    sums = np.exp(model.log_p.astype(np.float64)).sum(axis=-1)
    np.testing.assert_allclose(sums, 1, rtol=2e-6)
    assert np.isfinite(model.log_p).all()
    ids = letters.ids(held_out, model.alphabet)
    costs = [letters.score(model.shorter(n), ids) for n in range(1, model.order + 1)]
    assert costs == sorted(costs, reverse=True)
    shuffled = np.random.default_rng(0).permutation(ids)
    assert letters.score(model, shuffled) > costs[0] > 1.3 * costs[-1]


def test_shipped_files_are_small_and_their_digest_is_that_of_the_content():
    files = sorted(letters.SHIPPED.glob("english-*.bin"))
    files = [path for path in files if path.read_bytes().startswith(letters_file.MAGIC)]
    assert len(files) == 3 and sum(path.stat().st_size for path in files) < 4e6
    for path in files:
        saved = letters_file.read(path)
        about = {"alphabet": saved.alphabet, "order": saved.counts.ndim}
        about |= {"smoothing": saved.smoothing, "notes": saved.notes}
        content = json.dumps(about).encode() + b"\n" + letters_file.levels(saved.counts).tobytes()
        assert hashlib.sha256(content).hexdigest() == saved.digest
