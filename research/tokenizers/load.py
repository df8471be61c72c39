"""Opening a tokenizer: a tokenizer.json, a sentencepiece .model, a tiktoken file, or a folder."""

import hashlib
import json
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from research import files
from research.errors import FreevocabError, UsageError
from research.tokenizers import tiktoken_file, tokenizer_json
from research.tokenizers.file_tokenizer import FileTokenizer
from research.tokenizers.json_engine import JsonEngine
from research.tokenizers.protocol import ROLES
from research.tokenizers.sentencepiece_engine import SentencePieceEngine, as_tokenizer_json, looks

TOKENIZER, CONFIG = "tokenizer.json", "tokenizer_config.json"
# Where a folder says which special token is for what, the first to be believed first.
_CONFIGS = (CONFIG, "special_tokens_map.json", "generation_config.json")
_MODELS = ("tokenizer.model", "spiece.model", "sentencepiece.bpe.model")
# Files that go along with a tokenizer's model.
_BESIDE = (
    CONFIG,
    "special_tokens_map.json",
    "added_tokens.json",
    "vocab.json",
    "merges.txt",
    "vocab.txt",
    "chat_template.jinja",
    "chat_template.json",
)
# Names that mean the same wherever they are special tokens; the first that is found counts.
_WELL_KNOWN = {
    "bos": ("<s>", "<bos>", "<|begin_of_text|>", "<|startoftext|>", "<|endoftext|>"),
    "eos": ("</s>", "<eos>", "<|end_of_text|>", "<|endoftext|>"),
    "unk": ("<unk>", "[UNK]"),
    "pad": ("<pad>", "[PAD]"),
    "mask": ("<mask>", "[MASK]"),
    "sep": ("[SEP]", "<sep>"),
    "cls": ("[CLS]", "<cls>"),
}

Files = dict[str, bytes]


def load(
    path: str | os.PathLike,
    *,
    pattern: str | None = None,
    specials: Mapping[str, int] | None = None,
) -> FileTokenizer:
    """The tokenizer in a file or folder.

    Args:
      path: a tokenizer.json (BPE, WordPiece, Unigram, WordLevel), a sentencepiece .model, a
        tiktoken file, or a folder that holds one of them.
      pattern, specials: of a tiktoken file, the regular expression that cuts text and the ids of
        special tokens; see `tiktoken_file.tokenizer_json` for what None means.

    Raises:
      UsageError: nothing there, or a folder without a tokenizer.
      FreevocabError: unreadable, damaged, or none of these formats.
    """
    path = Path(path)
    if not path.exists():
        raise UsageError(f"no tokenizer at {path}: give a tokenizer file or a folder with one")
    file = _in_folder(path) if path.is_dir() else path
    content = _read(file)
    beside = _beside(path) if path.is_dir() else {}
    name = path.resolve().name if path.is_dir() else path.stem
    if name == "tokenizer":
        name = path.resolve().parent.name or name
    try:
        if content.lstrip()[:1] == b"{":
            return of_json(content, name=name, beside=beside)
        if tiktoken_file.is_tiktoken(content):
            spec = tiktoken_file.tokenizer_json(content, pattern=pattern, specials=specials)
            converted = json.dumps(spec, ensure_ascii=False).encode()
            return of_json(converted, name=name, beside=beside | {file.name: content})
        return of_sentencepiece(content, name=name, beside=beside, file=file.name)
    except (KeyError, TypeError, ValueError, AttributeError, IndexError) as error:
        problem = " ".join(f"{type(error).__name__} {error}".split())
        raise FreevocabError(f"{file}: the tokenizer is damaged ({problem})") from error
    except FreevocabError as error:
        raise FreevocabError(f"{file}: {error}") from error


def of_json(content: bytes, *, name: str, beside: Files | None = None) -> FileTokenizer:
    """The tokenizer of a tokenizer.json's content.

    Args:
      beside: the files next to it, which may say what special tokens are for.

    Raises:
      FreevocabError: not one that `tokenizers` reads.
    """
    beside = beside or {}
    configs = _configs(beside)
    library = tokenizer_json.library(content)
    _add(library, configs)
    spec = json.loads(library.to_str())
    ids = dict(tokenizer_json.vocabulary(spec))
    ids |= {token["content"]: token["id"] for token in spec["added_tokens"]}
    named = {_written(config.get(f"{role}_token")) for config in configs for role in ROLES}
    for token in spec["added_tokens"]:
        if token["content"] in named and not token["special"]:
            token["special"], library = True, None
    entries = tokenizer_json.strings(spec)
    special = {t["id"]: t["content"] for t in spec["added_tokens"] if t["special"]}
    unknown = tokenizer_json.unknown_id(spec)
    if unknown is not None:
        special.setdefault(unknown, next(t for t, id_ in ids.items() if id_ == unknown))
    roles = _roles(ids, special, configs, tokenizer_json.roles(spec))
    written = {TOKENIZER: content} | {n: c for n, c in beside.items() if n not in _CONFIGS[2:]}
    written.setdefault(CONFIG, _config(roles, ids))
    return FileTokenizer(
        JsonEngine(spec, entries, library),
        entries,
        name=name,
        roles=roles,
        special_names=special,
        spaced=tokenizer_json.exchanges_spaces(spec),
        files=lambda: written,
        digest=_digest("tokenizer.json", json.dumps(spec).encode()),
    )


def of_sentencepiece(
    model: bytes, *, name: str, beside: Files | None = None, file: str = "tokenizer.model"
) -> FileTokenizer:
    """The tokenizer of a sentencepiece model's content; `file` is its name next to a checkpoint.

    Raises:
      FreevocabError: not a sentencepiece model.
    """
    beside = beside or {}
    engine = SentencePieceEngine(model)
    entries, special, ids = engine.entries(), engine.special_names(), engine.ids()
    roles = _roles(ids, special, _configs(beside), engine.roles())
    originals = {file: model} | {n: c for n, c in beside.items() if n not in _CONFIGS[2:]}
    return FileTokenizer(
        engine,
        entries,
        name=name,
        roles=roles,
        special_names=special,
        spaced=False,  # sentencepiece itself writes U+2581 for a space
        files=_converted(model, engine, originals, _config(roles, ids)),
        digest=_digest("sentencepiece", model),
    )


def _converted(
    model: bytes, engine: SentencePieceEngine, originals: Files, config: bytes
) -> Callable[[], Files]:
    """Makes the files, checked: the tokenizer.json must give the ids that the model gives."""

    def make() -> Files:
        spec = as_tokenizer_json(model)
        unigram = spec["model"]["type"] == "Unigram"
        content = json.dumps(spec, ensure_ascii=False).encode()
        library = tokenizer_json.library(content)
        texts = looks(model)
        theirs = library.encode_batch_fast(texts, add_special_tokens=False)
        ours = engine.encode(texts)
        for text, one, other in zip(texts, ours, theirs, strict=True):
            # The same pieces in another order are a Unigram's tie.
            same = sorted(one) == sorted(other.ids) if unigram else one == other.ids
            if not same:
                raise FreevocabError(
                    "this sentencepiece model has no exact tokenizer.json: ids differ for "
                    f"{text[:20]!r}"
                )
        return {TOKENIZER: content, CONFIG: config} | originals

    return make


def _in_folder(folder: Path) -> Path:
    names = (TOKENIZER, *_MODELS)
    for file in (folder / name for name in names):
        if file.is_file():
            return file
    others = sorted([*folder.glob("*.model"), *folder.glob("*.tiktoken")])
    if len(others) > 1:
        raise UsageError(f"{folder} has several tokenizers, {others[0].name} among them: name one")
    if others:
        return others[0]
    more = f"{', '.join(names)}, *.model, *.tiktoken"
    raise UsageError(f"no tokenizer in {folder}: it has none of {more}")


def _beside(folder: Path) -> Files:
    names = (*_BESIDE, *_MODELS, _CONFIGS[2])
    return {name: _read(folder / name) for name in names if (folder / name).is_file()}


def _read(file: Path) -> bytes:
    with files.reading(file):
        content = file.read_bytes()
    if not content:
        raise FreevocabError(f"{file} is empty: no tokenizer")
    return content


def _configs(beside: Files) -> list[dict[str, Any]]:
    configs = []
    for name in _CONFIGS:
        if name in beside:
            try:
                config = json.loads(beside[name])
            except ValueError as error:
                raise FreevocabError(f"{name} beside it is no JSON") from error
            if not isinstance(config, dict):
                raise FreevocabError(f"{name} beside it holds no mapping")
            configs.append(config)
    return configs


def _add(library, configs: list[dict[str, Any]]) -> None:
    """Adds the tokens that tokenizer_config.json lists and the tokenizer.json lacks."""
    from tokenizers import AddedToken

    listed = [config.get("added_tokens_decoder") or {} for config in configs]
    for id_, token in sorted((int(i), token) for one in listed for i, token in one.items()):
        flags = {name: bool(token.get(name)) for name in ("lstrip", "rstrip", "single_word")}
        if library.token_to_id(token["content"]) is None:
            special = bool(token.get("special"))
            add = library.add_special_tokens if special else library.add_tokens
            add([AddedToken(token["content"], normalized=False, **flags)])
        own = library.token_to_id(token["content"])
        if own != id_:
            raise FreevocabError(
                f"{CONFIG} beside it gives {token['content']!r} the id {id_}, the tokenizer {own}"
            )


def _roles(
    ids: Mapping[str, int],
    special: Mapping[int, str],
    configs: Sequence[Mapping[str, Any]],
    own: Mapping[str, int],
) -> dict[str, int]:
    """The id of each role, in the order of `ROLES`; roles that nothing fills are left out.

    Args:
      ids: every token by how it is written.
      special: how special tokens are written, by id; only these are known by name alone.
      configs: parsed tokenizer_config.json, special_tokens_map.json, generation_config.json,
        whichever there are. The first that names a role counts; `null` says that it has none.
      own: what the tokenizer's file itself says.
    """
    out: dict[str, int | None] = {}
    for config in configs:
        for role in ROLES:
            if f"{role}_token" in config:
                token = _written(config[f"{role}_token"])
                if token is None or token in ids:
                    out.setdefault(role, None if token is None else ids[token])
            number = config.get(f"{role}_token_id")
            number = number[0] if isinstance(number, list) and number else number
            if isinstance(number, int) and number in special:
                out.setdefault(role, number)
    for role, id_ in own.items():
        out.setdefault(role, id_)
    by_name = {name: id_ for id_, name in [*special.items()][::-1]}
    for role, names in _WELL_KNOWN.items():
        known = [by_name[name] for name in names if name in by_name]
        if known:
            out.setdefault(role, known[0])
    filled = {role: id_ for role, id_ in out.items() if id_ is not None}
    return {role: filled[role] for role in ROLES if role in filled}


def _written(token: Any) -> str | None:
    """A token as configurations write it: a string, or a mapping with its content."""
    if isinstance(token, Mapping):
        token = token.get("content")
    return token if isinstance(token, str) else None


def _config(roles: Mapping[str, int], ids: Mapping[str, int]) -> bytes:
    """A tokenizer_config.json that lets transformers take the tokenizer.json as it is."""
    names = {id_: token for token, id_ in ids.items()}
    config: dict[str, Any] = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "clean_up_tokenization_spaces": False,
    }
    config |= {f"{role}_token": names[id_] for role, id_ in roles.items() if id_ in names}
    return (json.dumps(config, indent=1, ensure_ascii=False) + "\n").encode()


def _digest(kind: str, content: bytes) -> str:
    return hashlib.sha256(f"freevocab {kind} ".encode() + content).hexdigest()
