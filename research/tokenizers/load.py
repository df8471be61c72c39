"""Opening a tokenizer: a tokenizer.json, a sentencepiece .model, a tiktoken file, or a folder."""

import hashlib
import json
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from research import contents
from research.errors import MALFORMED, FreevocabError, UsageError
from research.tokenizers import (
    added_tokens,
    classes,
    folder,
    roles,
    tekken_file,
    tiktoken_file,
    tokenizer_json,
    vocabulary_files,
)
from research.tokenizers.file_tokenizer import FileTokenizer
from research.tokenizers.folder import CONFIG, TOKENIZER, Files
from research.tokenizers.json_engine import JsonEngine
from research.tokenizers.json_library import JsonLibrary
from research.tokenizers.protocol import ROLES
from research.tokenizers.sentencepiece_engine import SentencePieceEngine, exact_tokenizer_json


def load(
    path: str | os.PathLike,
    *,
    pattern: str | None = None,
    specials: Mapping[str, int] | None = None,
) -> FileTokenizer:
    """The tokenizer in a file or folder.

    Args:
      path: a tokenizer.json (BPE, WordPiece, Unigram, WordLevel), a sentencepiece .model, a
        tiktoken file, a tekken.json, a vocab.json with its merges.txt, BERT's vocab.txt, or a
        folder that holds one of them.
      pattern: of a tiktoken file, the regular expression that cuts text; None: what lies next to
        it, else that of the published encoding with exactly that many ranks.
      specials: of a tiktoken file, the ids of special tokens; None: those that its folder gives
        ids to, and those of the published encoding.

    Raises:
      UsageError: nothing there, a folder without a tokenizer, or what decides about its ids is
        neither in the file nor next to it.
      FreevocabError: unreadable, damaged, or none of these formats.
    """
    path = Path(path)
    if not path.exists():
        raise UsageError(f"no tokenizer at {path}: give a tokenizer file or a folder with one")
    file = folder.tokenizer_file(path) if path.is_dir() else path
    content = folder.read(file)
    # What a file of this name means, only the files next to it say.
    whole = path.is_dir() or path.name == classes.RENUMBERED_FILE
    beside = folder.beside(file.parent) if whole else {}
    name = path.resolve().name if path.is_dir() else path.stem
    if name in ("tokenizer", "vocab", "tekken"):
        name = path.resolve().parent.name or name
    try:
        if what := contents.foreign(content[: contents.HEAD_BYTES]):
            raise FreevocabError(f"it is {what}")
        content = content.removeprefix(contents.BYTE_ORDER_MARK)
        if content.lstrip()[:1] == b"{":
            return _of_braces(content, file, name, beside)
        if tiktoken_file.is_tiktoken(content):
            ranks = tiktoken_file.ranks(content)
            pattern = pattern or tiktoken_file.pattern_beside(file)
            pattern = pattern or tiktoken_file.known_pattern(ranks)
            if pattern is None:
                raise UsageError(
                    f"{len(ranks):,} ranks are of no encoding known here, and the regular "
                    f"expression that cuts its text is not in it: write that to "
                    f"{file.with_suffix('.pattern').name} next to it"
                )
            if specials is None:
                stated = {
                    t.content: t.id_ for t in added_tokens.listed(beside) if t.id_ is not None
                }
                specials = tiktoken_file.known_specials(ranks)
                specials = tiktoken_file.without_holes(ranks, stated) if stated else specials
            spec = tiktoken_file.tokenizer_json(ranks, pattern=pattern, specials=specials)
            return _of_spec(spec, name, beside | {file.name: content})
        if file.name == vocabulary_files.WORD_PIECES:
            return _of_spec(vocabulary_files.word_pieces(content, beside), name, beside)
        return of_sentencepiece(content, name=name, beside=beside, file=file.name)
    except MALFORMED as error:
        problem = " ".join(f"{type(error).__name__} {error}".split())
        raise FreevocabError(f"{file}: the tokenizer is damaged ({problem})") from error
    except FreevocabError as error:
        raise type(error)(f"{file}: {error}") from error


def _of_braces(content: bytes, file: Path, name: str, beside: Files) -> FileTokenizer:
    """Whichever of the formats that are written in JSON it is."""
    try:
        parsed: Any = contents.parse_json(content)
    except ValueError:
        parsed = {}  # the library's own message says where
    if tekken_file.is_tekken(parsed):
        return _of_spec(tekken_file.tokenizer_json(parsed), name, beside | {file.name: content})
    if vocabulary_files.is_vocabulary(parsed):
        merges = file.parent / vocabulary_files.MERGES
        if merges.is_file():
            beside = {vocabulary_files.MERGES: folder.read(merges)} | beside
        spec = vocabulary_files.byte_level(parsed, beside)
        return _of_spec(spec, name, beside | {vocabulary_files.VOCABULARY: content})
    return of_json(content, name=name, beside=beside)


def _of_spec(spec: Mapping[str, Any], name: str, beside: Files) -> FileTokenizer:
    return of_json(json.dumps(spec, ensure_ascii=False).encode(), name=name, beside=beside)


def of_json(content: bytes, *, name: str, beside: Files | None = None) -> FileTokenizer:
    """The tokenizer of a tokenizer.json's content, as transformers makes it of the whole folder.

    Args:
      beside: the files next to it: they say what special tokens are for, may list more tokens, and
        name a class with options that rule.

    Raises:
      FreevocabError: not one that `tokenizers` reads, or an id is given twice.
    """
    beside = beside or {}
    configs = folder.configs(beside)
    tokenizer_json.check_ids(content)
    library = JsonLibrary(content)
    added_tokens.check_ids(json.loads(content), library)
    changed = added_tokens.add(library, beside)
    spec = library.spec()
    ids = dict(tokenizer_json.vocabulary(spec))
    ids |= {token["content"]: token["id"] for token in spec["added_tokens"]}
    named = {roles.written(config.get(f"{role}_token")) for config in configs for role in ROLES}
    original = spec
    spec = classes.overruled(spec, beside)
    changed |= spec != original
    if spec != original:
        library = JsonLibrary.of(spec)
    texts = added_tokens.texts(library, spec)
    for token in spec["added_tokens"]:
        if token["content"] in named and not token["special"]:
            token["special"], library = True, None
    entries = tokenizer_json.strings(spec, texts)
    special = {t["id"]: t["content"] for t in spec["added_tokens"] if t["special"]}
    unknown = tokenizer_json.unknown_id(spec)
    if unknown is not None:
        names = [token for token, id_ in ids.items() if id_ == unknown]
        if not names:
            raise FreevocabError(f"the tokenizer.json's unknown token {unknown} has no entry")
        special.setdefault(unknown, names[0])
    role_ids = roles.of_configs(ids, special, configs, tokenizer_json.roles(spec))
    if changed:
        content = json.dumps(spec, ensure_ascii=False).encode()
    written = {TOKENIZER: content} | folder.to_write(beside)
    written.setdefault(CONFIG, roles.config(role_ids, ids))
    return FileTokenizer(
        JsonEngine(spec, entries, library),
        entries,
        name=name,
        roles=role_ids,
        special_names=special,
        spaced=tokenizer_json.exchanges_spaces(spec),
        files=lambda: written,
        digest=_digest("tokenizer.json", json.dumps(spec).encode()),
    )


def of_sentencepiece(
    model: bytes, *, name: str, beside: Files | None = None, file: str = "tokenizer.model"
) -> FileTokenizer:
    """The tokenizer of a sentencepiece model's content; `file` is its name next to a checkpoint.

    Where the files next to it add tokens, renumber its pieces or overrule its options, it is that
    of the equal tokenizer.json, changed in the same way.

    Raises:
      UsageError: the class that is named next to it renumbers pieces by a rule not known here.
      FreevocabError: not a sentencepiece model; or such files, and it has no exact tokenizer.json.
    """
    beside = beside or {}
    renumbered = classes.renumbers(file, beside)
    engine = SentencePieceEngine(model)
    ids = engine.ids()
    changes = any(token.content not in ids for token in added_tokens.listed(beside))
    changes |= "add_prefix_space" in (folder.parsed(beside, CONFIG) or {})
    if renumbered or changes:
        spec = exact_tokenizer_json(model)
        spec = classes.as_xlm_r(spec) if renumbered else spec
        return _of_spec(spec, name, {file: model} | beside)
    entries, special = engine.entries(), engine.special_names()
    role_ids = roles.of_configs(ids, special, folder.configs(beside), engine.roles())
    originals = {file: model} | folder.to_write(beside)
    return FileTokenizer(
        engine,
        entries,
        name=name,
        roles=role_ids,
        special_names=special,
        spaced=False,  # sentencepiece itself writes U+2581 for a space
        files=_converted(model, originals, roles.config(role_ids, ids)),
        digest=_digest("sentencepiece", model),
    )


def _converted(model: bytes, originals: Files, config: bytes) -> Callable[[], Files]:
    def make() -> Files:
        content = json.dumps(exact_tokenizer_json(model), ensure_ascii=False).encode()
        return {TOKENIZER: content, CONFIG: config} | originals

    return make


def _digest(kind: str, content: bytes) -> str:
    return hashlib.sha256(f"freevocab {kind} ".encode() + content).hexdigest()
