"""A tokenizer.json says one thing, and no number in it fills the memory."""

import base64
import json
import re

import pytest

from research.codecs.subword import BPECodec
from research.errors import FreevocabError
from research.tokenizers import tiktoken_file
from research.tokenizers.json_library import JsonLibrary
from research.tokenizers.load import of_json


def spec(vocab, **model):
    return {
        "version": "1.0",
        "added_tokens": [],
        "model": {"type": "BPE", "vocab": vocab, "merges": [["a", "b"]], **model},
    }


def read(content):
    """The two ways in: as a tokenizer, and as a codec."""
    data = json.dumps(content).encode()
    with pytest.raises(FreevocabError) as caught:
        of_json(data, name="x")
    with pytest.raises(FreevocabError, match=re.escape(str(caught.value))):
        BPECodec(data)
    raise caught.value


def test_an_id_beyond_the_bound_is_refused_by_name():
    with pytest.raises(FreevocabError, match="'huge' .* has id 2147483648: ids are below"):
        read(spec({"a": 0, "b": 1, "ab": 2, "huge": 2**31}))
    added = {"id": 1 << 24, "content": "<s>", "special": True}
    with pytest.raises(FreevocabError, match="'<s>' .* has id 16777216"):
        read(spec({"a": 0, "b": 1, "ab": 2}) | {"added_tokens": [added]})


def test_a_rank_beyond_the_bound_is_refused():
    lines = [b"%s %d" % (base64.b64encode(bytes([byte])), byte) for byte in range(255)]
    lines.append(b"%s %d" % (base64.b64encode(b"\xff"), 1 << 24))
    with pytest.raises(FreevocabError, match="rank of the tiktoken file is not below"):
        tiktoken_file.ranks(b"\n".join(lines))


def test_one_id_for_two_entries_is_refused():
    with pytest.raises(FreevocabError, match="'b' and 'ab' .* both have id 1"):
        read(spec({"a": 0, "b": 1, "ab": 1}))


def test_a_vocabulary_of_nothing_is_refused():
    with pytest.raises(FreevocabError, match="has no entries"):
        read(spec({}, merges=[]))


def test_dropout_is_switched_off():
    content = json.dumps(spec({"a": 0, "b": 1, "ab": 2}, dropout=0.9)).encode()
    library = JsonLibrary(content)
    assert all(library.encode(["ab"]) == [[2]] for _ in range(50))
    assert not library.spec()["model"].get("dropout")


def test_a_panic_of_the_library_at_opening_is_an_error_of_ours():
    with pytest.raises(FreevocabError, match="not a tokenizer.json that `tokenizers` reads"):
        read(spec({"a": 0, "b": 1, "ab": 2}, continuing_subword_prefix="##########"))


def test_a_failure_of_the_library_on_a_text_is_an_error_of_ours():
    content = spec({"a": 0, "b": 1, "ab": 2})
    # An expression that takes more tries than the library allows.
    content["pre_tokenizer"] = {"type": "Split", "pattern": {"Regex": "(a+a+)+b"},
                                "behavior": "Isolated", "invert": False}  # fmt: skip
    data = json.dumps(content).encode()
    for encode in (of_json(data, name="x").encode, BPECodec(data).encode):
        with pytest.raises(FreevocabError, match="cannot encode a text"):
            encode(["a" * 60])
    with pytest.raises(FreevocabError, match="cannot cut a text"):
        of_json(data, name="x").pretokens(["a" * 60])


def test_an_unknown_token_that_the_model_lacks_is_named_when_it_is_needed():
    model = {"type": "WordLevel", "vocab": {"a": 0}, "unk_token": "[UNK]"}
    tokenizer = of_json(json.dumps({"version": "1.0", "model": model}).encode(), name="x")
    with pytest.raises(FreevocabError, match="UNK"):
        tokenizer.encode(["b"])
