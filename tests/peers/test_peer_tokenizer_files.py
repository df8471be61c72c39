"""The files of a tokenizer, opened by transformers' AutoTokenizer: the same ids."""

import base64
import json

import pytest
from transformers import AutoTokenizer

from research.codecs.subword import BPECodec
from research.testing.tokenizers import KINDS, english, sentencepiece_model, tokenizer_json
from research.tokenizers import load, tiktoken_file
from research.tokenizers.load import of_json, of_sentencepiece

TEXTS = [*english(20_000), "  two spaces,\ttabs\n\n\nlines\r\n and ends ", "naïve 大象 🦊"]
LLAMA = {
    "model_type": "bpe",
    "byte_fallback": True,
    "normalization_rule_name": "identity",
    "remove_extra_whitespaces": False,
    "vocab_size": 700,
}
CONFIGS = [None, '{"model_type": "llama", "vocab_size": 700}', '{"model_type": "gpt2"}']


def check(tokenizer, folder):
    for name, content in tokenizer.files.items():
        (folder / name).write_bytes(content)
    theirs = AutoTokenizer.from_pretrained(folder)
    found = theirs(TEXTS, add_special_tokens=False)["input_ids"]
    assert [ids.tolist() for ids in tokenizer.encode(TEXTS)] == found
    for role in ("bos", "eos", "unk", "pad", "mask"):
        assert getattr(theirs, f"{role}_token_id") == tokenizer.roles.get(role)


@pytest.mark.parametrize("config", CONFIGS, ids=["alone", "llama", "gpt2"])
@pytest.mark.parametrize("kind", KINDS)
def test_a_tokenizer_json(kind, config, tmp_path):
    if config:
        (tmp_path / "config.json").write_text(config)
    check(of_json(tokenizer_json(kind), name=kind), tmp_path)


@pytest.mark.parametrize("config", CONFIGS, ids=["alone", "llama", "gpt2"])
def test_a_sentencepiece_model(config, tmp_path):
    if config:
        (tmp_path / "config.json").write_text(config)
    check(of_sentencepiece(sentencepiece_model(**LLAMA), name="llama"), tmp_path)


def test_a_tiktoken_file(tmp_path):
    tokens = BPECodec.train(english(), 600).token_bytes()
    lines = [b"%s %d\n" % (base64.b64encode(token), rank) for rank, token in enumerate(tokens)]
    (tmp_path / "some.tiktoken").write_bytes(b"".join(lines))
    ends = {"<|endoftext|>": 600}
    (tmp_path / "out").mkdir()
    opened = load(tmp_path / "some.tiktoken", pattern=tiktoken_file.GPT2, specials=ends)
    check(opened, tmp_path / "out")


OPTIONS = {
    "xlm-r": ("sentencepiece.bpe.model", {"tokenizer_class": "XLMRobertaTokenizer"}, {}),
    "tokens": ("tokenizer.model", {"eos_token": "<|im_end|>", "sep_token": "<a>",
                                   "pad_token": "<b>", "extra_special_tokens": ["<c>"]},
               {"added_tokens.json": {"[PAD]": 700, "<|im_end|>": 701}}),
    "prefix": ("tokenizer.json",
               {"tokenizer_class": "GPT2Tokenizer", "add_prefix_space": True}, {}),
}  # fmt: skip


@pytest.mark.parametrize("name", OPTIONS)
def test_a_folder_is_what_transformers_makes_of_it(name, tmp_path):
    file, config, others = OPTIONS[name]
    source = tmp_path / "source"
    source.mkdir()
    kinds = {
        "sentencepiece.bpe.model": sentencepiece_model(700, hard_vocab_limit=False),
        "tokenizer.model": sentencepiece_model(**LLAMA),
        "tokenizer.json": tokenizer_json("byte-level"),
    }
    (source / file).write_bytes(kinds[file])
    files = {"tokenizer_config.json": config, **others}
    for other, content in files.items():
        (source / other).write_text(json.dumps(content))
    ours, theirs = load(source), AutoTokenizer.from_pretrained(source)
    assert ours.vocab_size == len(theirs)
    words = ["The king", "a language"]
    expected = theirs(words, add_special_tokens=False)["input_ids"]
    assert [ids.tolist() for ids in ours.encode(words)] == expected
    for token, id_ in theirs.get_added_vocab().items():
        assert ours.special_names.get(id_, ours.token_bytes()[id_].decode()) == token
