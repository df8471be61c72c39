import numpy as np
import pytest

from research import corpora
from research.codecs.basic import BytesCodec
from research.codecs.subword import BPECodec
from research.errors import FreevocabError
from research.evaluation import continuations
from research.evaluation.continuations import choices_of, items

CONTEXT, OPTION = 60, 24


@pytest.fixture(scope="module")
def texts():
    return [text for text in corpora.load("builtin:topics").documents("valid")]


@pytest.fixture(scope="module")
def asked(texts):
    return items(texts, count=40, context=CONTEXT, option=OPTION)


def test_items_are_of_the_text_and_cut_at_words(texts, asked):
    assert len(asked) == 40
    for item in asked:
        own = item.options[item.target]
        (text,) = (text for text in texts if item.context + own in text)
        assert CONTEXT - 30 < len(item.context) <= CONTEXT
        assert len(set(item.options)) == 4
        for option in item.options:
            assert len(option) == OPTION and option in text
            assert option[:1] in b" \n"
            ends = [at + OPTION for at in range(len(text)) if text.startswith(option, at)]
            assert any(text[end : end + 1] in (b" ", b"\n", b"") for end in ends)


def test_the_seed_decides_and_every_place_is_taken(texts, asked):
    assert items(texts, count=40, context=CONTEXT, option=OPTION) == asked
    assert items(texts, count=40, context=CONTEXT, option=OPTION, seed=1) != asked
    many = items(texts, count=400, context=CONTEXT, option=OPTION)
    counts = np.bincount([item.target for item in many], minlength=4)
    assert counts.min() > 60
    # Nothing is to be had from an option's first byte alone.
    assert np.mean([item.options[item.target][:1] == b" " for item in many]) == pytest.approx(
        np.mean([option[:1] == b" " for item in many for option in item.options]), abs=0.08
    )


def test_ids_of_prompt_and_option_are_those_of_the_whole(texts, asked):
    for codec in (BPECodec.train(texts, 400), BytesCodec()):
        bos = codec.vocab_size
        for item, choice in zip(asked, choices_of(asked, codec, bos), strict=True):
            assert choice.prompt[0] == bos and len(choice.prompt) > 1
            for option, ids in zip(item.options, choice.options, strict=True):
                (whole,) = codec.encode([item.context + option])
                np.testing.assert_array_equal(np.append(choice.prompt[1:], ids), whole)
                assert len(ids)
            assert len({int(ids[0]) for ids in choice.options}) > 1 or any(
                len(ids) == 1 for ids in choice.options
            )


def test_a_model_that_knows_the_text_is_right(texts, asked, monkeypatch):
    codec = BytesCodec()

    def knows(params, config, choices, batch_size):
        del params, config, batch_size
        return [
            np.array([
                0.0 if any(codec.decode([np.append(choice.prompt[1:], ids)])[0] in text
                           for text in texts) else 1.0
                for ids in choice.options
            ])
            for choice in choices
        ]  # fmt: skip

    class Config:
        bos_id = codec.vocab_size

    monkeypatch.setattr(continuations.multiple_choice, "option_nats", knows)
    assert continuations.right(None, Config, codec, asked).all()


def test_how_common_an_option_is_does_not_decide(asked, monkeypatch):
    """Nats that do not depend on the context leave the first option the winner of a tie."""
    codec = BytesCodec()

    def unconditional(params, config, choices, batch_size):
        del params, config, batch_size
        return [
            np.array([float(ids.sum()) for ids in choice.options]) for choice in choices
        ]

    class Config:
        bos_id = codec.vocab_size

    monkeypatch.setattr(continuations.multiple_choice, "option_nats", unconditional)
    found = continuations.right(None, Config, codec, asked)
    np.testing.assert_array_equal(found, [item.target == 0 for item in asked])


def test_too_little_text_is_one_line():
    with pytest.raises(FreevocabError, match="no document with 4 places"):
        items([b"a few words only"], count=3, context=CONTEXT, option=OPTION)
