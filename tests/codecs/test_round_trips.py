"""decode(encode(x)) == x, for a codec of every kind that claims to be lossless."""

import functools
import pydoc_data.topics

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from research import codecs
from research.codecs.arithmetic import ArithmeticCodec
from research.codecs.basic import GZipCodec
from research.codecs.byte_models.ngram import UnigramModel
from research.codecs.codebook.build import compile_codebook
from research.codecs.subword import BPECodec, SentencePieceCodec
from research.codecs.windows import EqualInfoCodec
from research.errors import FreevocabError, UsageError
from research.testing.tiny import TinyCodec

TOPICS = "".join(text for _, text in sorted(pydoc_data.topics.topics.items()))
MEGABYTE = (TOPICS * 3).encode()[:1_000_000]
SAMPLE = TOPICS[:50_000]



@functools.cache
def unigram():
    return UnigramModel.train([SAMPLE], beta=12)


MAKERS = {
    **{
        name: functools.partial(codecs.load, name)
        for name in codecs.names()
        if codecs.load(name).lossless
    },
    "tiny": TinyCodec,
    "gzip, 16 bits, raw": lambda: GZipCodec(16, header=False),
    "gzip, 5 bits": lambda: GZipCodec(5),
    "sentencepiece": lambda: SentencePieceCodec.train([SAMPLE], 500),
    "sentencepiece across words": lambda: SentencePieceCodec.train(
        [SAMPLE], 500, pre_tokenize=False
    ),
    "bpe": lambda: BPECodec.train([SAMPLE], 500),
    "bpe across words": lambda: BPECodec.train([SAMPLE], 500, pre_tokenize=False),
    "codebook": lambda: compile_codebook(unigram(), 12),
    "arithmetic": lambda: ArithmeticCodec(unigram(), 8),
    "arithmetic, 16 bits": lambda: ArithmeticCodec(unigram(), 16),
    "equal info, 32 bits": lambda: EqualInfoCodec(unigram(), 32, 8),
    "equal info, 24 bits": lambda: EqualInfoCodec(unigram(), 24, 16),
}

HOSTILE = {
    "empty": b"",
    "one byte": b"x",
    "zero": b"\0",
    "space": b" ",
    "newline": b"\n",
    "high byte": b"\xff",
    "all zero": bytes(5_000),
    "all spaces": b" " * 5_000,
    "all newlines": b"\n" * 5_000,
    "one letter": b"a" * 20_000,
    "every byte": bytes(range(256)) * 4,
    "line ends": b"\r\n\t\n\r \n \r\n\x0b\x0c\x1c\x85",
    "half a character": b"\xe2\x96",
    "sentencepiece's space": "\u2581a\u2581\u2581 \u2581".encode(),
    "its halves": b"\x81\xe2\x96 \xe2\x96\x81\xe2",
    "its reserved characters": "\u2585 \u2047 \0\t".encode(),
    "surrogates": b"\xed\xa0\x80\xed\xbf\xbf",
    "overlong": b"\xc0\x80\xe0\x80\xaf\xf0\x80\x80\x80",
    "beyond Unicode": b"\xf4\x90\x80\x80\xf8\x88\x80\x80\x80",
    "byte order marks": "\ufeff\ufffe\uffff".encode() + b"\xff\xfe\xfe\xff",
    "replacement": "\ufffd".encode() + b"\x80",
    "what normalisers change": "ﬁ ½ Å Å A\u030a ﷺ １２ \u00a0\u3000\u200b\u200d".encode(),
    "private and last": "\ue000\uf8ff\U0010ffff".encode(),
    "emoji": "👩‍👩‍👧‍👦🇩🇪🏴󠁧󠁢󠁥󠁮󠁧󠁿".encode(),
    "marks of tokenizers": b"<s></s><unk><pad><0x00><0x41>[MASK]<|endoftext|>\xc4\xa0\xc4\x8a",
    "scripts": "日本語のテキスト العربية עברית ไทย हिन्दी".encode(),
    "text cut anywhere": "naïve café".encode()[:3] + "日本".encode()[1:],
}


@functools.cache
def made(name):
    return MAKERS[name]()


def check(codec, texts):
    encoded = codec.encode(texts)
    assert codec.decode(encoded) == texts
    for text, ids in zip(texts, encoded, strict=True):
        assert ids.dtype == np.int32 and ids.ndim == 1
        assert ids.size == 0 or 0 <= ids.min() <= ids.max() < codec.vocab_size
        lengths = codec.byte_lengths(ids)
        assert lengths.dtype == np.int32 and lengths.shape == ids.shape
        assert lengths.sum() == len(text)


@pytest.mark.parametrize("name", MAKERS)
def test_hostile_inputs(name):
    codec = made(name)
    assert codec.lossless
    check(codec, list(HOSTILE.values()))


@pytest.mark.parametrize("name", MAKERS)
@settings(max_examples=50, deadline=None, derandomize=True)
@given(data=st.binary(max_size=300) | st.text(max_size=100).map(str.encode))
def test_drawn_inputs(name, data):
    check(made(name), [data])


@pytest.mark.parametrize("name", MAKERS)
@settings(max_examples=30, deadline=None, derandomize=True)
@given(pieces=st.lists(st.sampled_from([b"the ", *HOSTILE.values()])))
def test_mixtures(name, pieces):
    check(made(name), [b"".join(piece[:40] for piece in pieces)])


@pytest.mark.parametrize("name", MAKERS)
def test_much_text_and_noise(name):
    codec = made(name)
    runs_a_model = codec.token_bytes() is None and not isinstance(codec, GZipCodec)
    size = 64_000 if runs_a_model else 1_000_000
    noise = np.random.default_rng(0).integers(0, 256, size // 10, np.uint8).tobytes()
    check(codec, [MEGABYTE[:size], noise])


@pytest.mark.parametrize("name", MAKERS)
@settings(max_examples=30, deadline=None, derandomize=True)
@given(numbers=st.lists(st.integers(0, 2**20), max_size=40))
def test_any_ids_decode(name, numbers):
    codec = made(name)
    ids = np.array(numbers, np.int64) % codec.vocab_size
    (text,) = codec.decode([ids])
    assert codec.byte_lengths(ids).sum() == len(text)


@pytest.mark.parametrize("name", MAKERS)
def test_a_batch_is_its_members(name):
    codec = made(name)
    texts = [TOPICS[:2000].encode(), b"", b"\xff\xfe", TOPICS[500:700].encode()]
    alone = [codec.encode([text])[0] for text in texts]
    for one, other in zip(codec.encode(texts), alone, strict=True):
        np.testing.assert_array_equal(one, other)
    assert codec.encode([]) == [] and codec.decode([]) == []


@pytest.mark.parametrize("name", MAKERS)
def test_token_bytes_are_what_decoding_gives(name):
    codec = made(name)
    tokens = codec.token_bytes()
    if name.startswith(("gzip", "arithmetic", "equal info")):
        assert tokens is None
    else:
        assert len(tokens) == codec.vocab_size
        assert codec.decode(np.arange(codec.vocab_size).reshape(-1, 1)) == tokens


@pytest.mark.parametrize("name", MAKERS)
def test_what_is_no_list_of_texts_or_of_ids_is_refused(name):
    codec = made(name)
    for single in ("text", b"text", bytearray(b"text")):
        with pytest.raises(UsageError, match=r"write \[text\]"):
            codec.encode(single)
    for other in (None, 5, [1, 2], np.arange(3)):
        with pytest.raises(UsageError, match="bytes or str"):
            codec.encode([other])
    for wrong in ([1.0], ["a"], [None], [[1], [2, 3]], [[1, 2], [3, 4]], 1, [codec.vocab_size]):
        with pytest.raises(FreevocabError, match="id"):
            codec.decode([wrong])


@pytest.mark.parametrize("name", MAKERS)
def test_arrays_that_cannot_be_written_to_or_lie_apart_decode(name):
    codec = made(name)
    (ids,) = codec.encode(["the same text"])
    apart = np.repeat(ids, 2)[::2]
    apart.flags.writeable = False
    assert codec.decode([apart]) == [b"the same text"]


def test_every_kind_of_codec_is_tried():
    tried = {f"{type(made(name)).__module__}:{type(made(name)).__name__}" for name in MAKERS}
    lossy = {"characters", "letters"}  # which is why they are not among them
    assert {path for kind, path in codecs.KINDS.items() if kind not in lossy} <= tried
