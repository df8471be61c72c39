"""Text is cut as `tokenizers` cuts it by the stated regular expression."""

import itertools
import unicodedata

import numpy as np
import pytest
import tokenizers
from hypothesis import given, settings
from hypothesis import strategies as st

from research import corpora
from research.errors import UsageError
from research.transfer.sampling import pretokens
from research.transfer.sampling.config import Pretokens

CUTS = [
    Pretokens(digits=digits, marks=marks)
    for digits, marks in itertools.product(pretokens.DIGITS, (True, False))
]
WHOLE = Pretokens(whole=True)
# Characters that have had the same class in every version of Unicode that anyone still uses.
_PLAIN = st.sampled_from("aZ é 's 'll 're 'S019٣½ \t\n\r\x0b\xa0\u2028\u3000._-!'\"中文日नमस्तेمُحَ́😀")
_OTHERS = st.characters(codec="utf-8").filter(
    lambda c: unicodedata.ucd_3_2_0.category(c) == unicodedata.category(c) != "Cn"
)
TEXTS = st.lists(st.one_of(_PLAIN, _PLAIN, _OTHERS), max_size=30).map("".join)


def words(cut, texts):
    found = pretokens.split(cut, texts)
    data, start = found.data.tobytes(), found.start_W.tolist()
    every = [data[a:b] for a, b in zip(start[:-1], start[1:], strict=True)]
    first = found.first_T.tolist()
    return [every[a:b] for a, b in zip(first[:-1], first[1:], strict=True)]


def library_words(cut, text):
    split = tokenizers.pre_tokenizers.Split(tokenizers.Regex(pretokens.pattern(cut)), "isolated")
    return [word.encode() for word, _ in split.pre_tokenize_str(text)]


@pytest.mark.parametrize("cut", CUTS, ids=str)
def test_the_loop_and_the_regular_expression_agree(cut):
    @settings(max_examples=150, deadline=None)
    @given(TEXTS)
    def check(text):
        assert words(cut, [text.encode()]) == [library_words(cut, text)]

    check()


def test_the_loop_and_the_regular_expression_agree_on_real_text():
    documents = itertools.islice(corpora.load("builtin:topics").documents("train"), 20)
    texts = [document[:4000].decode("utf-8", "ignore").encode() for document in documents]
    for cut in CUTS:
        for text, found in zip(texts, words(cut, texts), strict=True):
            assert found == library_words(cut, text.decode("utf-8"))


def test_without_marks_and_with_digits_together_it_is_gpt2s():
    gpt2 = tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True)
    text = "It's 2024,  and they'll\n\n  say: नमस्ते!"
    found = words(Pretokens(marks=False), [text.encode()])[0]
    assert len(found) == len(gpt2.pre_tokenize_str(text))


def test_digits():
    text = b"in 1234567 or 12"
    spaced = {
        "together": [b"in", b" 1234567", b" or", b" 12"],
        "single": [b"in", b" ", *(bytes([c]) for c in b"1234567"), b" or", b" ", b"1", b"2"],
        "left": [b"in", b" ", b"123", b"456", b"7", b" or", b" ", b"12"],
        "right": [b"in", b" ", b"1", b"234", b"567", b" or", b" ", b"12"],
    }
    for digits, expected in spaced.items():
        assert words(Pretokens(digits=digits), [text]) == [expected]
    with pytest.raises(UsageError, match="together, single, left, right"):
        pretokens.split(Pretokens(digits="pairs"), [text])


@settings(max_examples=100, deadline=None)
@given(st.lists(st.binary(max_size=40), max_size=5), st.sampled_from([*CUTS, WHOLE]))
def test_words_are_the_texts_whatever_their_bytes(texts, cut):
    found = words(cut, texts)
    assert [b"".join(one) for one in found] == texts
    assert all(all(one) for one in found)


def test_compiled_and_not_are_the_same(monkeypatch):
    texts = [b"It's 12 o'clock,  said \xff\xfe he\n\n", "नमस्ते 123456".encode(), b""]
    fast = [pretokens.split(cut, texts) for cut in CUTS]
    monkeypatch.setattr(pretokens, "compiled", lambda function: function)
    for cut, expected in zip(CUTS, fast, strict=True):
        for one, other in zip(pretokens.split(cut, texts), expected, strict=True):
            np.testing.assert_array_equal(one, other)
