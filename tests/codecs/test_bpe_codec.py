import json
import pydoc_data.topics

import numpy as np
import pytest
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers

from research.codecs.subword import BPECodec
from research.errors import FreevocabError, UsageError
from research.evaluation.per_byte import unrecoverable_share
from research.tokenizers.tokenizer_json import byte_alphabet

TOPICS = "".join(text for _, text in sorted(pydoc_data.topics.topics.items()))[:60_000]
HOSTILE = b"  a\tb  \xff\xe2\x96\x81\xc2\xbd\n\0\xf0\x9f\xa6\x8a \xed\xa0\x80"
LEVEL = pre_tokenizers.ByteLevel(add_prefix_space=False)


@pytest.fixture(scope="module")
def inside():
    """Tokens stay inside words."""
    return BPECodec.train([TOPICS], 600)


@pytest.fixture(scope="module")
def across():
    """Tokens may cross words."""
    return BPECodec.train([TOPICS], 600, pre_tokenize=False)


def as_codec(tokenizer):
    return BPECodec(tokenizer.to_str().encode())


def trained(pre_tokenizer, decoder, *, byte_fallback=False, normalizer=None, alphabet=()):
    """A tokenizer of someone else's, trained on a little text."""
    tokenizer = Tokenizer(models.BPE(byte_fallback=byte_fallback, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizer
    tokenizer.decoder = decoder
    if normalizer is not None:
        tokenizer.normalizer = normalizer
    specials = ["<unk>", *(f"<0x{byte:02X}>" for byte in range(256) if byte_fallback)]
    trainer = trainers.BpeTrainer(
        vocab_size=700, special_tokens=specials, initial_alphabet=alphabet, show_progress=False
    )
    tokenizer.train_from_iterator([TOPICS], trainer)
    # Trainers know only special tokens; in the files of real models the bytes are plain ones.
    spec = json.loads(tokenizer.to_str())
    spec["added_tokens"] = [token for token in spec["added_tokens"] if token["id"] == 0]
    return Tokenizer.from_str(json.dumps(spec))


def byte_level(**changes):
    tokenizer = trained(LEVEL, decoders.ByteLevel(), alphabet=LEVEL.alphabet())
    for name, value in changes.items():
        setattr(tokenizer, name, value)
    return tokenizer


def metaspace(scheme):
    space = {"replacement": "\u2581", "prepend_scheme": scheme}
    steps = [decoders.ByteFallback(), decoders.Metaspace(**space)]
    pre_tokenizer = pre_tokenizers.Metaspace(**space)
    return trained(pre_tokenizer, decoders.Sequence(steps), byte_fallback=True)


def test_the_alphabet_is_the_librarys():
    alphabet = byte_alphabet()
    assert set(alphabet) == set(LEVEL.alphabet())
    assert sorted(alphabet.values()) == list(range(256))
    for character in map(chr, [*range(128), *range(0x80, 0x800, 7), 0x2581, 0x1F98A]):
        ((shown, _),) = pre_tokenizers.ByteLevel(
            add_prefix_space=False, use_regex=False
        ).pre_tokenize_str(character)
        assert bytes(alphabet[c] for c in shown) == character.encode()


def test_training_is_deterministic_and_as_large_as_asked(inside):
    assert BPECodec.train([TOPICS], 600).token_bytes() == inside.token_bytes()
    assert inside.vocab_size == len(set(inside.token_bytes())) == 600
    assert inside.lossless
    assert inside.name == "bpe-600"


def test_pre_tokenization_decides_whether_tokens_cross_words(inside, across):
    assert not any(b" " in token.strip() for token in inside.token_bytes())
    assert any(b" " in token.strip() for token in across.token_bytes())


def test_ids_and_lengths_describe_the_text(inside, across):
    text = TOPICS[:3000].encode()
    for codec in (inside, across):
        (ids,) = codec.encode([text])
        tokens = codec.token_bytes()
        assert ids.dtype == np.int32
        assert b"".join(tokens[id_] for id_ in ids) == text
        assert codec.byte_lengths(ids).sum() == len(text)
        assert len(text) / len(ids) > 2


def test_only_what_is_not_text_goes_by_byte_ids(inside):
    (text_ids,) = inside.encode([b"the object"])
    (ids,) = inside.encode([b"the object\xff\xfethe object"])
    byte_ids = [inside.token_bytes().index(b) for b in (b"\xff", b"\xfe")]
    assert ids.tolist() == [*text_ids, *byte_ids, *text_ids]


def test_few_texts_give_a_small_vocabulary_and_none_gives_bytes():
    assert BPECodec.train([], 600).vocab_size == 256
    assert BPECodec.train([b"aaaa"], 600).vocab_size < 600
    with pytest.raises(UsageError, match="vocab_size >= 256"):
        BPECodec.train([TOPICS], 255)


def test_ids_of_a_tokenizer_json_are_the_librarys_own(tmp_path):
    tokenizer = byte_level()
    tokenizer.save(str(tmp_path / "tokenizer.json"))
    codec = BPECodec.from_file(tmp_path / "tokenizer.json", name="theirs")
    assert codec.name == "theirs"
    assert codec.lossless
    assert codec.encode([TOPICS])[0].tolist() == tokenizer.encode(TOPICS).ids


def test_special_tokens_in_a_text_are_text():
    tokenizer = byte_level()
    tokenizer.add_special_tokens(["<|endoftext|>"])
    codec = as_codec(tokenizer)
    (ids,) = codec.encode(["a<|endoftext|>b"])
    assert codec.lossless
    assert tokenizer.token_to_id("<|endoftext|>") not in ids
    assert codec.decode([ids]) == [b"a<|endoftext|>b"]
    assert codec.token_bytes()[tokenizer.token_to_id("<|endoftext|>")] == b""


def test_added_tokens_that_are_not_special_stand_for_their_text():
    tokenizer = byte_level()
    tokenizer.add_tokens(["naïve cat"])
    codec = as_codec(tokenizer)
    (ids,) = codec.encode(["a naïve cat\u00e9"])
    assert tokenizer.token_to_id("naïve cat") in ids
    assert codec.decode([ids]) == ["a naïve cat\u00e9".encode()]


def test_truncation_and_padding_of_the_file_are_not_applied():
    tokenizer = byte_level()
    tokenizer.enable_truncation(4)
    tokenizer.enable_padding(length=9)
    codec = as_codec(tokenizer)
    long, short = codec.encode([TOPICS, "a"])
    assert codec.decode([long, short]) == [TOPICS.encode(), b"a"]
    assert len(short) == 1


def word_split(behavior):
    from tokenizers import Regex

    split = pre_tokenizers.Split(Regex(r"\s+|\w+"), behavior)
    return pre_tokenizers.Sequence([split, pre_tokenizers.ByteLevel(False, use_regex=False)])


TOKENIZERS = {
    "byte-level": (byte_level, True),
    "its own regular expression": (lambda: byte_level(pre_tokenizer=word_split("isolated")), True),
    "white space removed": (lambda: byte_level(pre_tokenizer=word_split("removed")), False),
    "prefix space": (lambda: byte_level(pre_tokenizer=pre_tokenizers.ByteLevel(True)), False),
    "lower case": (lambda: byte_level(normalizer=normalizers.Lowercase()), False),
    "metaspace": (lambda: metaspace("never"), True),
    "metaspace with prefix": (lambda: metaspace("always"), False),
    "words": (lambda: trained(pre_tokenizers.Whitespace(), decoders.WordPiece()), False),
}


@pytest.mark.parametrize("kind", TOKENIZERS)
def test_lossless_is_read_from_the_file(kind):
    make, lossless = TOKENIZERS[kind]
    codec = as_codec(make())
    assert codec.lossless == lossless
    texts = [HOSTILE, b"Word word", b" \xe2\x96\x81 <0x41>", b""]
    assert (codec.decode(codec.encode(texts)) == texts) == lossless
    assert (unrecoverable_share(codec, texts) == 0) == lossless or kind == "prefix space"


def test_the_prefix_of_metaspace_is_taken_off_again():
    codec = as_codec(metaspace("always"))
    assert codec.decode(codec.encode(["the object", "x"])) == [b"the object", b"x"]


def test_dropout_is_switched_off():
    tokenizer = byte_level()
    tokenizer.model.dropout = 0.5
    assert as_codec(tokenizer).lossless


def test_tokens_that_take_white_space_are_lossy():
    spec = json.loads(byte_level().to_str())
    spec["added_tokens"].append(
        {**spec["added_tokens"][0], "id": 700, "content": "<m>", "lstrip": True, "special": False}
    )
    codec = BPECodec(json.dumps(spec).encode())
    assert not codec.lossless
    assert codec.decode(codec.encode(["a  <m>"])) == [b"a<m>"]


@pytest.mark.parametrize("content", [b"", b"{}", b"\xff", b"[1]", b'{"model": {}}'])
def test_a_file_that_is_no_tokenizer_is_one_line(content, tmp_path):
    (tmp_path / "tokenizer.json").write_bytes(content)
    with pytest.raises(FreevocabError, match="not a tokenizer.json") as caught:
        BPECodec.from_file(tmp_path / "tokenizer.json")
    assert "\n" not in str(caught.value)
    with pytest.raises(FreevocabError, match="cannot read"):
        BPECodec.from_file(tmp_path / "absent.json")


def test_a_unigram_file_is_refused():
    tokenizer = Tokenizer(models.Unigram([("<unk>", 0.0), ("a", -1.0)], 0))
    with pytest.raises(FreevocabError, match="only BPE"):
        as_codec(tokenizer)


@pytest.mark.parametrize("piece", [0, -1, False, 1.5, "9"])
def test_a_piece_of_no_length_is_refused_at_opening(inside, piece, tmp_path):
    """Cutting a text into such pieces would never end."""
    inside.save(tmp_path / "codec")
    meta = json.loads((tmp_path / "codec" / "codec.json").read_text())
    with pytest.raises(FreevocabError, match="piece is .*, not a number from 1 or null"):
        BPECodec.from_directory(tmp_path / "codec", meta | {"piece": piece})
