"""Pairing the entries of two tokenizers, and the rows that every method treats alike."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from research.codecs.codec_tokenizer import CodecTokenizer
from research.errors import FreevocabError, UsageError
from research.testing.tiny import TinyCodec
from research.tokenizers import Pieces
from research.transfer import matching
from research.vocabularies.protocol import EmbeddingTable


class Listed:
    """A tokenizer given by its entries; special tokens by name and role; longest match."""

    lossless = True

    def __init__(self, entries, *, names=None, roles=None, own=None):
        self.entries, self.special_names, self.roles = entries, names or {}, roles or {}
        self.name, self.vocab_size = "listed", len(entries)
        self.special_V = np.array([not entry for entry in entries])
        self.own = own or {}

    def match_bytes(self):
        return list(self.entries)

    def decompose(self, tokens):
        return Pieces.of([[self.own.get(token, self.entries.index(token))] for token in tokens])

    def fingerprint(self):
        return repr((self.entries, self.special_names, self.roles))


def permuted(tokenizer, order_V):
    """The same tokenizer, its id order_V[i] now being i."""
    place = {int(old): new for new, old in enumerate(order_V)}
    return Listed(
        [tokenizer.entries[i] for i in order_V],
        names={place[i]: name for i, name in tokenizer.special_names.items()},
        roles={role: place[i] for role, i in tokenizer.roles.items()},
    )


def tables(size, *, seed=0, width=3):
    rng = np.random.default_rng(seed)
    rows = rng.normal(size=(2, size, width)).astype(np.float32)
    return EmbeddingTable(rows[0], rows[1], rng.normal(size=size).astype(np.float32))


@given(st.permutations(range(9)))
@settings(max_examples=30, deadline=None)
def test_identical_tokenizers_match_entirely_in_whatever_order(order):
    entries = [b"", b"a", b"b", b"a", b"ab", b"", b"", b"a", b"c"]
    source = Listed(entries, names={0: "<s>", 5: "<pad>", 6: "[X]"}, roles={"bos": 0, "pad": 5})
    target = permuted(source, order)
    match = matching.match(source, target)
    assert match.unmatched_S.size == 0 and match.new_target_M.size == 0
    pairs = {*zip(match.overlap_target_N, match.overlap_source_N, strict=True)}
    pairs |= {*zip(match.special_target_S, match.special_source_S, strict=True)}
    assert sorted(t for t, _ in pairs) == sorted(s for _, s in pairs) == list(range(9))
    assert all(target.entries[t] == source.entries[s] for t, s in pairs)
    rows = tables(9)
    zeros = EmbeddingTable(*map(np.zeros_like, rows))
    moved = matching.finish(zeros, rows, match, copy_overlap=True)
    as_it_was = matching.match(source, source)
    same = matching.finish(rows, rows, as_it_was, copy_overlap=True)
    assert all(np.array_equal(a, b) for a, b in zip(same, rows, strict=True))
    for out, was in zip(moved, rows, strict=True):
        assert sorted(map(repr, out)) == sorted(map(repr, was))


def test_entries_of_codecs_match_by_bytes():
    source = CodecTokenizer(TinyCodec())
    target = CodecTokenizer(TinyCodec((b"the ", b"zz", b"ing")))
    match = matching.match(source, target)
    tokens, others = source.match_bytes(), target.match_bytes()
    assert len(match.overlap_target_N) == 258
    for t, s in zip(match.overlap_target_N, match.overlap_source_N, strict=True):
        assert others[t] == tokens[s]
    assert [others[t] for t in match.new_target_M] == [b"zz"]
    assert match.special_target_S.tolist() == [259, 260]
    assert match.special_source_S.tolist() == [source.roles["bos"], source.roles["eos"]]


def test_of_equal_entries_the_one_in_use_comes_first():
    source = Listed([b"A", b"B", b"A"], own={b"A": 2})
    one = matching.match(source, Listed([b"A"]))
    assert one.overlap_source_N.tolist() == [2]
    three = matching.match(source, Listed([b"A", b"A", b"A"]))
    assert three.overlap_source_N.tolist() == [2, 0, 2]


def test_specials_go_by_what_is_asked_then_role_then_name():
    source = Listed([b""] * 4, names={0: "<s>", 1: "</s>", 2: "[X]", 3: "[Y]"},
                    roles={"bos": 0, "eos": 1})  # fmt: skip
    target = Listed([b""] * 4, names={0: "<|end|>", 1: "[X]", 2: "[Y]", 3: "[Z]"},
                    roles={"eos": 0, "bos": 0})  # fmt: skip
    match = matching.match(source, target)
    assert match.special_target_S.tolist() == [0, 1, 2]
    assert match.special_source_S.tolist() == [0, 2, 3]
    assert match.unmatched_S.tolist() == [3]
    asked = matching.match(source, target, map_special={1: 0, 2: 3})
    assert asked.special_source_S.tolist() == [1, 2, 3, 2]
    assert asked.unmatched_S.size == 0


def test_one_token_for_both_ends_begins_texts_as_bos_and_ends_them_as_eos():
    source = Listed([b"a", b"", b""], roles={"bos": 1, "eos": 2})
    target = Listed([b"", b"a"], roles={"bos": 0, "eos": 0})
    table = tables(3)
    made = EmbeddingTable(*(np.ones((2, *part.shape[1:]), np.float32) for part in table))
    match = matching.match(source, target)
    found = matching.finish(made, table, match, copy_overlap=True)
    np.testing.assert_array_equal(found.input_VxD[0], table.input_VxD[1])
    np.testing.assert_array_equal(found.output_VxD[0], table.output_VxD[2])
    assert found.bias_V[0] == table.bias_V[2]
    match = matching.match(source, target, map_special={1: 0})
    found = matching.finish(made, table, match, copy_overlap=True)
    np.testing.assert_array_equal(found.output_VxD[0], table.output_VxD[1])


def test_a_wrong_special_is_one_line():
    source, target = Listed([b"", b"a"]), Listed([b"a", b""])
    with pytest.raises(UsageError, match="no id 7"):
        matching.match(source, target, map_special={7: 1})
    with pytest.raises(UsageError, match="0 is no special id"):
        matching.match(source, target, map_special={0: 0})


def test_finish_copies_special_rows_and_leaves_no_row_zero():
    source = Listed([b"a", b"b", b""], roles={"bos": 2})
    target = Listed([b"", b"b", b"c", b"", b"d"], roles={"bos": 3})
    match = matching.match(source, target)
    rows = tables(3)
    made = EmbeddingTable(*(np.ones((5, *x.shape[1:]), np.float32) for x in rows))
    made.input_VxD[4] = 0
    kept = matching.finish(made, rows, match, copy_overlap=False)
    copied = matching.finish(made, rows, match, copy_overlap=True)
    for out, also, of in zip(kept, copied, rows, strict=True):
        mean = np.asarray(of[:2].mean(0, dtype=np.float64), np.float32)
        assert np.array_equal(out[0], mean) and np.array_equal(out[3], of[2])
        assert np.array_equal(also[1], of[1]) and not np.array_equal(out[1], of[1])
        assert np.array_equal(out[2], np.ones_like(of[0])) and out.dtype == np.float32
    assert np.array_equal(kept.input_VxD[4], kept.input_VxD[0])
    assert made.input_VxD[4].any() == np.False_  # what was given is left alone


def test_finish_refuses_what_is_not_finite_or_of_another_shape():
    source = Listed([b"a", b"b"])
    match = matching.match(source, Listed([b"c"]))
    rows = EmbeddingTable(np.ones((2, 3), np.float32))
    with pytest.raises(FreevocabError, match="1 rows are not finite, the first that of id 0"):
        matching.finish(EmbeddingTable(np.full((1, 3), np.nan)), rows, match, copy_overlap=True)
    with pytest.raises(FreevocabError, match=r"expected the shape \(1, 3\)"):
        matching.finish(EmbeddingTable(np.ones((2, 3))), rows, match, copy_overlap=True)
    with pytest.raises(FreevocabError, match="output_VxD"):
        matching.finish(
            EmbeddingTable(np.ones((1, 3)), np.ones((1, 3))), rows, match, copy_overlap=True
        )
