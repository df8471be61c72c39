"""The shipped codebooks as transformers' tokenizers: the same ids, the same text."""

import numpy as np
import pytest
from transformers import PreTrainedTokenizerFast

from research import codecs
from research.codecs.codebook import codebook_export
from research.testing.text import tiny_corpus

TEXTS = [
    "",
    "The three currently living species are: African savanna elephants,",
    "  two spaces,\ttabs\n\n\nlines\r\n and ends ",
    "Ελέφαντες, 大象, 🐘🐘, naïve café, e\u0301, \u200b\ufeff\x00\x01",
    "zzzzqqqqxxxx" * 50,
]


@pytest.fixture(scope="module", params=["english-b16", "english-dictionary"])
def pair(request, tmp_path_factory):
    path = tmp_path_factory.mktemp("tokenizer") / "tokenizer.json"
    codec = codecs.load(request.param)
    codebook_export.export(codec, path)
    return codec, PreTrainedTokenizerFast(tokenizer_file=str(path))


@pytest.mark.parametrize("text", TEXTS, ids=range(len(TEXTS)))
def test_ids_and_text(pair, text):
    codec, tokenizer = pair
    ids = tokenizer(text, add_special_tokens=False)["input_ids"]
    assert ids == codec.encode([text])[0].tolist()
    assert tokenizer.decode(ids, clean_up_tokenization_spaces=False) == text


def test_ids_of_a_corpus(pair):
    codec, tokenizer = pair
    assert len(tokenizer) == codec.vocab_size
    texts = [text.decode() for text in tiny_corpus(60_000).documents("train")]
    theirs = tokenizer(texts, add_special_tokens=False)["input_ids"]
    for ours, peer in zip(codec.encode(texts), theirs, strict=True):
        np.testing.assert_array_equal(ours, peer)
