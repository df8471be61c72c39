"""Made-up text: the same everywhere, and learnable."""

import itertools
import random
import zlib

import pytest

from research import corpora
from research.errors import UsageError
from research.testing.tiny import tiny_corpus


def test_same_text_for_ever():
    # Other values would move every result that was measured on this corpus.
    corpus = corpora.load("synthetic:1000")
    assert corpus.digest == "e55ae74c30336baf66f0cf1ca1f74b57"


@pytest.mark.parametrize("size", [1000, 5000, 60_000])
def test_size_is_about_what_was_asked_for(size):
    corpus = corpora.load(f"synthetic:{size}")
    counts = corpus.describe()["splits"]
    assert size <= sum(split["bytes"] for split in counts.values()) <= 1.1 * size + 40 * 150
    assert min(split["documents"] for split in counts.values()) >= 2


def test_text_is_valid_and_has_structure():
    text = b"".join(tiny_corpus(100_000).documents("train"))
    assert set(text.decode("utf-8")) - set(map(chr, range(128))), "some letters outside ASCII"
    assert len(text) > 3 * len(zlib.compress(text, 9))
    words = text.split()
    shuffled = random.Random(0).sample(words, len(words))
    pairs, by_chance = (set(itertools.pairwise(order)) for order in (words, shuffled))
    assert len(pairs) < 0.8 * len(by_chance)  # words choose their followers


@pytest.mark.parametrize("size", ["0", "999", "1e6", "-5", "many"])
def test_a_wrong_size_is_one_line(size):
    with pytest.raises(UsageError, match="is not a size"):
        corpora.load(f"synthetic:{size}")
