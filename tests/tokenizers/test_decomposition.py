"""How byte strings fall into a tokenizer's pieces, by its model alone."""

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from research.codecs.codec_tokenizer import CodecTokenizer
from research.codecs.subword import BPECodec, SentencePieceCodec
from research.testing.tokenizers import KINDS, english
from research.tokenizers import file_tokenizer
from research.tokenizers.load import of_json, of_sentencepiece

EXACT = {"byte-level", "byte-fallback", "prefixed"}
ANY = settings(
    max_examples=60,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
HOSTILE = st.binary(max_size=12) | st.text(max_size=8).map(str.encode)


def rows(pieces):
    return [part.tolist() for part in np.split(pieces.ids_N, pieces.start_T[1:-1])]


@pytest.mark.parametrize("kind", KINDS)
def test_every_entry_has_pieces_and_exact_ones_join_to_it(kind, opened):
    strings = [token for other in opened.values() for token in other.match_bytes()]
    pieces = opened[kind].decompose(strings)
    empty = np.array([not token for token in strings])
    assert ((pieces.counts_T == 0) == empty).all()
    assert pieces.ids_N.dtype == np.int32
    if kind in EXACT:
        own = opened[kind].token_bytes()
        assert [b"".join(own[id_] for id_ in row) for row in rows(pieces)] == strings


@ANY
@given(st.lists(HOSTILE, max_size=4))
def test_any_bytes_decompose_and_join_again(opened, strings):
    for kind in KINDS:
        found = rows(opened[kind].decompose(strings)) if strings else []
        own = opened[kind].token_bytes()
        if kind in EXACT:
            assert [b"".join(own[id_] for id_ in row) for row in found] == strings
        assert [not row for row in found] == [not token for token in strings]


@pytest.mark.parametrize("kind", KINDS)
def test_an_entry_is_its_own_piece(kind, opened):
    """A BPE's if its merges lead there (trained ones: all), a Unigram's unless parts score more."""
    tokenizer = opened[kind]
    ordinary = np.flatnonzero(~tokenizer.special_V)
    match = tokenizer.match_bytes()
    found = rows(tokenizer.decompose([match[id_] for id_ in ordinary]))
    same = [row == [id_] for id_, row in zip(ordinary, found, strict=True)]
    # "A" and "<0x41>" are the same string, and one of them is the piece.
    twice = [match.count(match[id_]) > 1 for id_ in ordinary]
    wrong = np.flatnonzero(~np.array(same) & ~np.array(twice))
    assert len(wrong) == 0 or kind == "unigram"
    assert len(wrong) <= 5


def test_words_that_go_on_take_other_entries_of_a_wordpiece(opened):
    tokenizer = opened["wordpiece"]
    match = tokenizer.match_bytes()
    for strings in ([b" ing", b"ing"], [b" sing", b"sing"], [b" the cat", b"the cat"]):
        start, within = rows(tokenizer.decompose(strings))
        assert b"".join(match[id_] for id_ in start) == strings[0]
        assert b"".join(match[id_] for id_ in within) == strings[1]
    unknown = tokenizer.roles["unk"]
    assert rows(tokenizer.decompose([b"\xff", b"  ", "大".encode()])) == [[unknown]] * 3


def test_the_model_alone_sees_no_normaliser_and_no_pre_tokenizer(opened, models):
    joined = b" the object"
    (row,) = rows(opened["byte-level"].decompose([joined]))
    assert len(row) >= 2
    (row,) = rows(opened["unigram"].decompose(["\ufb01".encode()]))  # NFKC would make it "fi"
    assert row == [opened["unigram"].roles["unk"]]
    crossing = of_sentencepiece(models["crossing spaces"], name="x")
    strings = crossing.token_bytes()
    inner = [token for token in strings if b" " in token[1:-1]]
    assert inner
    assert (crossing.decompose(inner).counts_T == 1).mean() > 0.9
    prefix = of_sentencepiece(models["plain bpe"], name="x")
    assert rows(prefix.decompose([b"the"])) != rows(prefix.decompose([b" the"]))


def test_strings_met_before_are_remembered_and_order_does_not_matter(opened, monkeypatch):
    tokenizer = opened["unigram"]
    strings = [b" remembered", b"", b" strings", b" remembered"]
    first = rows(tokenizer.decompose(strings))
    monkeypatch.setattr(tokenizer._engine, "split", None)
    monkeypatch.setattr(tokenizer._decompose, "_split", None)
    assert rows(tokenizer.decompose(strings[::-1])) == first[::-1]
    assert len(tokenizer.decompose([]).ids_N) == 0


def test_forgetting_changes_nothing(files, monkeypatch):
    strings = [b" the", b" of", b"", b" state", b" the", b"ment"]
    expected = rows(of_json(files["unigram"], name="x").decompose(strings))
    monkeypatch.setattr(file_tokenizer, "_REMEMBERED", 4)
    tokenizer = of_json(files["unigram"], name="x")
    for _ in range(3):
        assert rows(tokenizer.decompose(strings)) == expected
        tokenizer.decompose([b" other", b" strings"])


@pytest.mark.parametrize("name", ["lossless unigram", "llama-like"])
def test_pieces_of_sentencepiece_join_too(name, models):
    tokenizer = of_sentencepiece(models[name], name=name)
    assert tokenizer.exact
    own = tokenizer.token_bytes()
    strings = [*own, b"\xff\xfe", "\u2581".encode(), b"  a  b", "大象".encode()]
    found = rows(tokenizer.decompose(strings))
    assert [b"".join(own[id_] for id_ in row) for row in found] == strings


def test_a_codec_with_a_file_decomposes_by_its_model():
    for codec in (BPECodec.train(english(), 500), SentencePieceCodec.train(english(), 500)):
        tokenizer = CodecTokenizer(codec)
        strings = tokenizer.token_bytes()
        pieces = tokenizer.decompose(strings)
        assert pieces.counts_T.max() <= 2
        assert [b"".join(strings[id_] for id_ in row) for row in rows(pieces)] == strings
        assert tokenizer.match_bytes() == strings
