"""Splits share no document, whatever the source."""

from hypothesis import given, settings
from hypothesis import strategies as st

from research.corpora import splits
from research.testing.tiny import corpus_of

documents = st.lists(st.binary(min_size=1, max_size=3), max_size=12)


@settings(max_examples=50, deadline=None, derandomize=True)
@given(train=documents, valid=documents, test=documents)
def test_duplicates_stay_in_the_strongest_split_only(train, valid, test):
    corpus = corpus_of(train=train, valid=valid, test=test)
    read = {split: list(corpus.documents(split)) for split in splits.SPLITS}
    expected = {
        "test": test,
        "valid": [text for text in valid if text not in test],
        "train": [text for text in train if text not in valid + test],
    }
    assert read == {name: sorted(t, key=splits.document_digest) for name, t in expected.items()}


def test_split_by_hash_has_the_shares_it_says():
    counts = {split: 0 for split in splits.SPLITS}
    for i in range(20_000):
        counts[splits.split_by_hash(b"document %d" % i)] += 1
    # Standard deviation of a share of 5 % in 20,000 draws: 31 documents.
    assert abs(counts["valid"] - 1000) < 160 and abs(counts["test"] - 1000) < 160
    assert sum(counts.values()) == 20_000


def test_split_by_hash_is_the_same_for_ever():
    # Moving a document between splits would make held-out text of one run training text of the
    # next, so these stand for the rule.
    found = [splits.split_by_hash(b"%d" % i) for i in range(40)]
    assert [i for i in range(40) if found[i] == "valid"] == [18, 22, 31, 38]
    assert [i for i in range(40) if found[i] == "test"] == [0, 16, 36]
