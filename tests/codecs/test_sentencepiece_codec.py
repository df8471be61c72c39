import io
import pydoc_data.topics

import numpy as np
import pytest
import sentencepiece
from hypothesis import given, settings
from hypothesis import strategies as st

from research.codecs.subword import PIECE, SentencePieceCodec
from research.errors import FreevocabError, UsageError
from research.evaluation.per_byte import unrecoverable_share
from research.tokenizers import sentencepiece_model
from research.tokenizers.text_spans import cut, spans, training_pieces

TOPICS = "".join(text for _, text in sorted(pydoc_data.topics.topics.items()))[:60_000]
ANY = settings(max_examples=60, deadline=None, derandomize=True)


@pytest.fixture(scope="module")
def inside():
    """Pieces stay inside words."""
    return SentencePieceCodec.train([TOPICS], 500)


@pytest.fixture(scope="module")
def across():
    """Pieces may cross words."""
    return SentencePieceCodec.train([TOPICS], 500, pre_tokenize=False)


def plain_model(**options):
    """A model as sentencepiece makes it when it is not asked to keep everything."""
    model = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(TOPICS.split("\n")),
        model_writer=model,
        vocab_size=400,
        minloglevel=3,
        **options,
    )
    return model.getvalue()


@pytest.fixture(scope="module")
def lossy():
    return SentencePieceCodec(plain_model())


def test_training_is_deterministic_and_as_large_as_asked(inside):
    again = SentencePieceCodec.train([TOPICS], 500)
    assert again.fingerprint() == inside.fingerprint()
    assert inside.vocab_size == len(inside.token_bytes()) == 500
    assert inside.lossless
    assert inside.name == "sentencepiece-500"


def test_all_bytes_are_tokens_and_unk_is_nothing(inside):
    tokens = inside.token_bytes()
    assert {bytes([byte]) for byte in range(256)} <= set(tokens)
    assert tokens[0] == b""
    assert tokens.count(b"") == 1


def test_pre_tokenization_decides_whether_pieces_cross_words(inside, across):
    assert not any(b" " in token.lstrip(b" ") for token in inside.token_bytes())
    assert any(b" " in token[1:].rstrip() for token in across.token_bytes())


def test_runs_of_spaces_are_tokens():
    code = "if a:\n" + "".join(f"        x{n} = {n}\n            y = x{n}\n" for n in range(200))
    codec = SentencePieceCodec.train([TOPICS + code], 500)
    (ids,) = codec.encode([code])
    tokens = codec.token_bytes()
    assert any(len(token) > 4 and not token.strip(b" ") for token in tokens)
    assert np.mean([tokens[id_] == b" " for id_ in ids]) < 0.1
    assert codec.decode([ids]) == [code.encode()]


def test_newlines_are_learned(inside, across):
    assert b"\n" in inside.token_bytes()
    assert any(token.startswith(b"\n") and len(token) > 2 for token in across.token_bytes())


def test_ids_and_lengths_describe_the_text(inside):
    text = TOPICS[:3000].encode()
    (ids,) = inside.encode([text])
    tokens = inside.token_bytes()
    assert ids.dtype == np.int32
    assert b"".join(tokens[id_] for id_ in ids) == text
    assert inside.byte_lengths(ids).sum() == len(text)
    assert len(text) / len(ids) > 1.5


def test_text_goes_through_sentencepiece_itself(inside):
    processor = sentencepiece.SentencePieceProcessor(model_proto=inside.content)
    text = TOPICS[:2000]
    (ids,) = inside.encode([text])
    assert ids.tolist() == processor.encode(text)


def test_only_what_is_not_text_goes_by_byte_ids(inside):
    (text_ids,) = inside.encode([b"the object"])
    (ids,) = inside.encode([b"the object\xff\xfethe object"])
    byte_ids = [inside.token_bytes().index(b) for b in (b"\xff", b"\xfe")]
    assert ids.tolist() == [*text_ids, *byte_ids, *text_ids]


@pytest.mark.parametrize(
    "text",
    ["<s></s><unk><0x41>", "\u2581a \u2581\u2581", "\u2585", "\0a\0", "\ufeff\ufffd", "½ ﬁ"],
)
def test_text_that_looks_like_the_librarys_own_marks(inside, across, text):
    for codec in (inside, across):
        assert codec.decode(codec.encode([text])) == [text.encode()]


def test_a_long_text_is_cut_as_well_as_its_parts(inside):
    part = "\n" + TOPICS[:1500].replace("\n", " ").strip()
    (short,) = inside.encode([part])
    (long,) = inside.encode([part * 300])
    # A run of spaces may be halved in several ways of equal probability.
    assert len(long) == 300 * len(short)
    part = "\n" + " ".join(part.split())
    (short,) = inside.encode([part])
    (long,) = inside.encode([part * 300])
    np.testing.assert_array_equal(long, np.tile(short, 300))


def test_documents_longer_than_the_trainers_limit_are_used():
    # sentencepiece silently passes over a sentence of more than 4,192 bytes.
    document = TOPICS[:20_000].replace("\n", " ")
    codec = SentencePieceCodec.train([document], 400)
    assert len(document) / len(codec.encode([document])[0]) > 1.4


def test_characters_that_the_trainer_shuns_do_not_cost_their_lines():
    hostile = TOPICS[:20_000].replace(" ", " \u2585\u2581\0\xff\t")
    codec = SentencePieceCodec.train([hostile], 400)
    assert any(len(token) > 3 for token in codec.token_bytes())
    assert codec.decode(codec.encode([hostile])) == [hostile.encode()]


def test_max_bytes_stops_the_reading():
    taken = []

    def texts():
        for number in range(1000):
            taken.append(number)
            yield TOPICS[:10_000]

    codec = SentencePieceCodec.train(texts(), 400, max_bytes=15_000)
    assert taken == [0, 1]
    assert codec.lossless


@pytest.mark.parametrize("texts", [[], [b""], [b"\xff\xff"]])
def test_no_text_to_train_on_is_one_line(texts):
    with pytest.raises(FreevocabError, match="texts are empty"):
        SentencePieceCodec.train(texts, 500)


def test_too_many_pieces_for_the_text_is_one_line():
    with pytest.raises(FreevocabError, match="cannot train: Vocabulary size too high"):
        SentencePieceCodec.train([b"a short text"], 5000)
    with pytest.raises(UsageError, match="vocab_size >= 300"):
        SentencePieceCodec.train([TOPICS], 256)


def test_a_normalising_model_is_lossy_and_its_loss_is_measured(lossy, inside):
    assert not lossy.lossless
    text = "one line\nand  two\tspaces"
    assert lossy.decode(lossy.encode([text])) == [b"one line and two spaces"]
    # Lost: the newline, one of two spaces, the tab (spaces stand where two of them were).
    assert unrecoverable_share(lossy, [text]) == pytest.approx(3 / len(text))
    assert unrecoverable_share(lossy, [b"\xff" * 10]) == 1.0
    assert unrecoverable_share(inside, [text, b"\xff" * 10]) == 0.0
    assert unrecoverable_share(lossy, []) == 0.0


def test_a_models_ids_are_sentencepieces_own(lossy, tmp_path):
    (tmp_path / "a.model").write_bytes(lossy.content)
    codec = SentencePieceCodec.from_file(tmp_path / "a.model", name="plain")
    processor = sentencepiece.SentencePieceProcessor(model_file=str(tmp_path / "a.model"))
    (ids,) = codec.encode([TOPICS])
    assert ids.tolist() == processor.encode(TOPICS)
    assert codec.name == "plain"
    known = ids[ids != processor.unk_id()]
    assert codec.decode([known])[0].decode() == processor.decode(known.tolist())


@pytest.mark.parametrize(
    ("options", "lossless"),
    [
        ({"normalization_rule_name": "identity"}, True),
        ({"normalization_rule_name": "identity", "model_type": "bpe"}, True),
        ({"normalization_rule_name": "identity", "byte_fallback": False}, False),
        ({"normalization_rule_name": "identity", "add_dummy_prefix": True}, False),
        ({"normalization_rule_name": "identity", "remove_extra_whitespaces": True}, False),
        ({"normalization_rule_name": "nfkc"}, False),
    ],
)
def test_lossless_is_read_from_the_model(options, lossless):
    usual = {
        "byte_fallback": True,
        "add_dummy_prefix": False,
        "remove_extra_whitespaces": False,
    }
    codec = SentencePieceCodec(plain_model(**(usual | options)))
    assert codec.lossless == lossless
    hostile = b"  a\tb  \xff\xe2\x96\x81\xc2\xbd\n\0\xf0\x9f\xa6\x8a "
    assert (codec.decode(codec.encode([hostile])) == [hostile]) == lossless


def test_a_file_that_is_no_model_is_one_line(tmp_path, lossy):
    (tmp_path / "text.model").write_bytes(b"")
    for content in (b"", b"hello", b"\xff" * 100, lossy.content[:1000]):
        (tmp_path / "text.model").write_bytes(content)
        with pytest.raises(FreevocabError, match="text.model: not a sentencepiece model"):
            SentencePieceCodec.from_file(tmp_path / "text.model")
    with pytest.raises(FreevocabError, match="cannot read"):
        SentencePieceCodec.from_file(tmp_path / "absent.model")


@ANY
@given(st.binary(max_size=80))
def test_parsing_any_bytes_gives_a_result_or_one_line(data):
    try:
        found = sentencepiece_model.normalization(data)
    except FreevocabError as error:
        assert "\n" not in str(error)
    else:
        assert isinstance(found.is_identity, bool)


@ANY
@given(st.binary(max_size=60) | st.text(max_size=30).map(str.encode), st.sampled_from(["", "a\0"]))
def test_spans_are_the_data_and_text_is_free_of_reserved(data, reserved):
    found = list(spans(data, reserved))
    assert b"".join(s.encode() if isinstance(s, str) else s for s in found) == data
    assert not any(character in s for s in found if isinstance(s, str) for character in reserved)
    kinds = [type(span) for span in found]
    assert all(one is not other for one, other in zip(kinds, kinds[1:], strict=False))


@ANY
@given(st.text(alphabet="ab \n", max_size=60), st.integers(1, 12), st.sampled_from(["\n ", " "]))
def test_cuts_are_short_and_fall_before_white_space_if_they_can(text, size, before):
    pieces = list(cut(text, size, before))
    assert "".join(pieces) == text
    assert all(0 < len(piece) <= size for piece in pieces)
    for piece, following in zip(pieces, pieces[1:], strict=False):
        if following[0] in before:
            assert piece[-1] != following[0] or len(piece) == size
        else:
            # No better place was there, unless inside a run that reaches back to the start.
            rest = piece + following
            starts = [p for p in range(1, size + 1) if rest[p : p + 1] in tuple(before)]
            assert all(rest[0] == rest[p] and not rest[:p].strip(rest[0]) for p in starts)


def test_training_pieces_keep_newlines_in_front():
    pieces = training_pieces(["a\n\nb\nc d"], size=4, max_bytes=None)
    assert list(pieces) == ["a", "\n\nb", "\nc d"]
    assert max(map(len, training_pieces([TOPICS], size=PIECE, max_bytes=None))) <= PIECE


def test_the_share_is_over_all_bytes_of_texts_longer_than_a_part(lossy):
    text = "word  " * 10_000
    # Of two spaces one is lost; sentencepiece drops those at the end of each part too.
    assert unrecoverable_share(lossy, [text]) == pytest.approx(1 / 6, abs=0.001)
