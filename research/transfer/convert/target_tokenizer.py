"""The new tokenizer: opened by name, and its files as transformers takes them as they are.

It is anybody's file or folder, or one of our codecs as such a file.

A tokenizer class named in tokenizer_config.json (LlamaTokenizer, ...) makes transformers 5 build
its own normaliser and pre-tokenizer around the vocabulary, and other ids come out. The class
PreTrainedTokenizerFast uses tokenizer.json to the letter. For some families transformers goes by
the model whatever the file says, unless that names code of its own; then it is content with the
class, and never runs the code unless it is told to trust it.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from research import codecs, contents
from research.codecs import saved
from research.codecs.protocol import Codec
from research.errors import FreevocabError, UsageError
from research.files import check_inside
from research.models.families import Family
from research.tokenizers import FileTokenizer
from research.tokenizers.folder import COPIED

BOS, EOS = "<|bos|>", "<|eos|>"
CONFIG, CLASS = "tokenizer_config.json", "PreTrainedTokenizerFast"
CODE_FILE = "plain_tokenizer.py"
CODE = '''"""The tokenizer in tokenizer.json, as it is."""

from transformers import PreTrainedTokenizerFast


class PlainTokenizer(PreTrainedTokenizerFast):
    pass
'''


def is_codec(name: str) -> bool:
    """Does `name` mean a codec: a folder that one was saved to, or else a shipped one?"""
    path = Path(name)
    if path.exists():
        return (path / saved.SPEC.file).is_file()
    return name in codecs.names()


def open_target(name: str) -> FileTokenizer:
    """A tokenizer that can be written into a checkpoint's folder.

    A codec becomes a tokenizer.json with the codec's ids and two more, for the beginning and the
    end of a text.

    Raises:
      UsageError: nothing of that name, or no tokenizer, or one that nothing else could open, or a
        file next to it is a link out of its folder.
      FreevocabError: damaged.
    """
    from research.tokenizers.load import load, of_json

    if not is_codec(name):
        if not Path(name).exists():
            raise UsageError(f"--tokenizer: there is no file, folder or codec {name}")
        check_inside(name, COPIED)
        return _writable(load(name))
    codec = codecs.load(name)
    content = _with_ends(_tokenizer_json(codec, name))
    ends = {"bos_token": BOS, "eos_token": EOS, "tokenizer_class": CLASS}
    other_files = {CONFIG: json.dumps(ends, indent=1).encode()}
    raw = json.dumps(content, ensure_ascii=False).encode()
    return _writable(of_json(raw, name=codec.name, beside=other_files))


def files_for(family: Family, files: Mapping[str, bytes]) -> dict[str, bytes]:
    """A tokenizer's files for a model; all but tokenizer_config.json are as given.

    Raises:
      FreevocabError: tokenizer_config.json is not a JSON object.
    """
    try:
        config = contents.parse_json(files[CONFIG])
        config = {key: value for key, value in config.items() if key != "auto_map"}
    except (ValueError, AttributeError) as error:
        raise FreevocabError(f"the new tokenizer's {CONFIG} is damaged ({error})") from None
    config["tokenizer_class"] = CLASS
    # None of the families tells segments apart, and causal ones refuse to be told of them.
    config["model_input_names"] = ["input_ids", "attention_mask"]
    out = dict(files)
    if family.overrules_tokenizer:
        module = CODE_FILE.removesuffix(".py")
        config["auto_map"] = {"AutoTokenizer": [None, f"{module}.PlainTokenizer"]}
        out[CODE_FILE] = CODE.encode()
    out[CONFIG] = (json.dumps(config, indent=1, ensure_ascii=False) + "\n").encode()
    return out


def check_ids(files: Mapping[str, bytes], rows: int) -> None:
    """Raises FreevocabError if files as `files_for` gives them lead to ids beyond `rows`."""
    from research.tokenizers.load import of_json

    size = of_json(files["tokenizer.json"], name="", beside=dict(files)).vocab_size
    if size > rows:
        raise FreevocabError(
            f"the new tokenizer's files lead to {size:,} ids, its table would have {rows:,} rows: "
            "save the tokenizer again with AutoTokenizer.from_pretrained(DIR).save_pretrained(OUT) "
            "of transformers"
        )


def _writable(tokenizer: FileTokenizer) -> FileTokenizer:
    """The same, with its files built now: what cannot be written must fail before anything is."""
    if not tokenizer.files:
        raise UsageError(f"{tokenizer.name} has no files that other programs open: give a "
                         "tokenizer.json or a sentencepiece .model")  # fmt: skip
    return tokenizer


def _tokenizer_json(codec: Codec, name: str) -> dict[str, Any]:
    from research.codecs.codebook import CodebookCodec

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


def _with_ends(content: dict[str, Any]) -> dict[str, Any]:
    vocabulary, added = content["model"]["vocab"], content["added_tokens"]
    ids = vocabulary.values() if isinstance(vocabulary, dict) else range(len(vocabulary))
    first = max([*ids, *(token["id"] for token in added)]) + 1
    plain = dict.fromkeys(("single_word", "lstrip", "rstrip", "normalized"), False)
    more = [
        {"id": first + place, "content": text, **plain, "special": True}
        for place, text in enumerate((BOS, EOS))
    ]
    return content | {"added_tokens": [*added, *more]}
