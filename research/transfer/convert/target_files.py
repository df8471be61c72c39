"""The new tokenizer by name: a file or folder of anybody's, or one of our codecs as such a file."""

import json
from pathlib import Path

from research import codecs
from research.codecs import saved
from research.codecs.protocol import Codec
from research.errors import UsageError
from research.tokenizers import Tokenizer

BOS, EOS = "<|bos|>", "<|eos|>"


def is_codec(name: str) -> bool:
    """Does `name` mean a codec: a folder that one was saved to, or else a shipped one?"""
    path = Path(name)
    if path.exists():
        return (path / saved.DESCRIPTION).is_file()
    return name in codecs.names()


def open_target(name: str) -> Tokenizer:
    """A tokenizer that can be written beside a checkpoint.

    A codec becomes a tokenizer.json with the codec's ids and two more, for the beginning and the
    end of a text.

    Raises:
      UsageError: nothing of that name, or no tokenizer, or one that nothing else could open.
      FreevocabError: damaged.
    """
    from research.tokenizers.load import load, of_json

    if not is_codec(name):
        if not Path(name).exists():
            raise UsageError(f"--tokenizer: there is no file, folder or codec {name}")
        return _writable(load(name))
    codec = codecs.load(name)
    content = _with_ends(_tokenizer_json(codec, name))
    ends = {"bos_token": BOS, "eos_token": EOS, "tokenizer_class": "PreTrainedTokenizerFast"}
    beside = {"tokenizer_config.json": json.dumps(ends, indent=1).encode()}
    raw = json.dumps(content, ensure_ascii=False).encode()
    return _writable(of_json(raw, name=codec.name, beside=beside))


def _writable(tokenizer: Tokenizer) -> Tokenizer:
    """The same, its files made now: what cannot be written must fail before anything is."""
    if not tokenizer.files:
        raise UsageError(f"{tokenizer.name} has no files that other programs open: give a "
                         "tokenizer.json or a sentencepiece .model")  # fmt: skip
    return tokenizer


def _tokenizer_json(codec: Codec, name: str) -> dict:
    from research.codecs.codebook.codebook import CodebookCodec

    if isinstance(codec, CodebookCodec):
        from research.codecs.codebook.codebook_export import tokenizer_json

        return json.loads(tokenizer_json(codec))
    for file in ("tokenizer.json", "sentencepiece.model"):
        path = Path(name) / file
        if path.is_file():
            from research.tokenizers import load

            return json.loads(load(path).files["tokenizer.json"])
    raise UsageError(f"--tokenizer: the codec {codec.name} cannot be written as a tokenizer.json; "
                     "a codebook (english-b16), a BPE or a sentencepiece can")  # fmt: skip


def _with_ends(content: dict) -> dict:
    vocabulary, added = content["model"]["vocab"], content["added_tokens"]
    ids = vocabulary.values() if isinstance(vocabulary, dict) else range(len(vocabulary))
    first = max([*ids, *(token["id"] for token in added)]) + 1
    plain = dict.fromkeys(("single_word", "lstrip", "rstrip", "normalized"), False)
    more = [
        {"id": first + place, "content": text, **plain, "special": True}
        for place, text in enumerate((BOS, EOS))
    ]
    return content | {"added_tokens": [*added, *more]}
