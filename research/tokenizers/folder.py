"""The files of a tokenizer: which of a folder's is the tokenizer, and what the others say."""

from pathlib import Path
from typing import Any

from research import contents, files
from research.errors import FreevocabError, UsageError

TOKENIZER, CONFIG = "tokenizer.json", "tokenizer_config.json"
SPECIAL_MAP, GENERATION, ADDED = (
    "special_tokens_map.json",
    "generation_config.json",
    "added_tokens.json",
)
MODEL_CONFIG = "config.json"
# Where a folder says which special token is for what, the first to be believed first.
CONFIGS = (CONFIG, SPECIAL_MAP, GENERATION)
MODELS = ("tokenizer.model", "spiece.model", "sentencepiece.bpe.model")
TEKKEN = "tekken.json"
# Files of older tokenizers, each with one that it needs.
_OLDER = (("vocab.json", "merges.txt"), ("vocab.txt", None))
# Files that go along with a tokenizer's model as they are, unread where it has a tokenizer.json.
COPIED = ("vocab.json", "merges.txt", "vocab.txt", "chat_template.jinja", "chat_template.json")
_BESIDE = (CONFIG, SPECIAL_MAP, ADDED, *COPIED)

Files = dict[str, bytes]


def tokenizer_file(folder: Path) -> Path:
    """The file of a folder that is its tokenizer.

    Raises:
      UsageError: none of its files is, or several might be.
    """
    names = (TOKENIZER, *MODELS, TEKKEN)
    for file in (folder / name for name in names):
        if file.is_file():
            return file
    others = sorted([*folder.glob("*.model"), *folder.glob("*.tiktoken")])
    if len(others) > 1:
        raise UsageError(f"{folder} has several tokenizers, {others[0].name} among them: name one")
    if others:
        return others[0]
    for name, partner in _OLDER:
        if (folder / name).is_file() and (folder / (partner or name)).is_file():
            return folder / name
    more = f"{', '.join(names)}, *.model, *.tiktoken, vocab.json with merges.txt, vocab.txt"
    raise UsageError(f"no tokenizer in {folder}: it has none of {more}")


def beside(folder: Path) -> Files:
    """The files of a folder that say more of its tokenizer."""
    names = (*_BESIDE, *MODELS, GENERATION, MODEL_CONFIG)
    return {name: read(folder / name) for name in names if (folder / name).is_file()}


def to_write(files_beside: Files) -> Files:
    """Those of `beside` that are written next to a checkpoint with this tokenizer."""
    others = (GENERATION, MODEL_CONFIG)
    return {name: content for name, content in files_beside.items() if name not in others}


def read(file: Path) -> bytes:
    """A file's content.

    Raises:
      FreevocabError: it cannot be read, or is empty.
    """
    with files.reading(file):
        content = file.read_bytes()
    if not content:
        raise FreevocabError(f"{file} is empty: no tokenizer")
    return content


def parsed(files_beside: Files, name: str) -> dict[str, Any] | None:
    """The mapping in a JSON file; None where there is no such file.

    Raises:
      FreevocabError: it is damaged.
    """
    if name not in files_beside:
        return None
    try:
        content = contents.parse_json(files_beside[name])
    except ValueError as error:
        raise FreevocabError(f"{name} beside it is no JSON") from error
    if not isinstance(content, dict):
        raise FreevocabError(f"{name} beside it holds no mapping")
    return content


def configs(files_beside: Files) -> list[dict[str, Any]]:
    """Those of `CONFIGS` that there are, parsed.

    Raises:
      FreevocabError: one is damaged.
    """
    mappings = [parsed(files_beside, name) for name in CONFIGS]
    return [mapping for mapping in mappings if mapping is not None]
