"""Text <-> ids. `codecs.load(name or directory)` is the way in; the protocol is in protocol.py.

Nothing heavy is imported here: a kind's module comes in when a codec of that kind is loaded.

A folder may name a class of somebody else's, and to open it is to run that code. What is installed,
or stands in a package or module of the user's own, is imported; what came with the folder is not,
unless the caller trusts it (`trust_code`).
"""

import importlib
import importlib.machinery
import os
import sys
from contextvars import ContextVar
from pathlib import Path

from research.codecs import saved
from research.codecs.protocol import Codec
from research.errors import MALFORMED, FreevocabError, UsageError

__all__ = ["KINDS", "Codec", "load", "names"]

# A kind that is not listed and contains ':' is itself an import path, "package.module:Class".
KINDS = {
    "bytes": "research.codecs.basic:BytesCodec",
    "characters": "research.codecs.basic:CharactersCodec",
    "gzip": "research.codecs.basic:GZipCodec",
    "sentencepiece": "research.codecs.subword:SentencePieceCodec",
    "bpe": "research.codecs.subword:BPECodec",
    "arithmetic": "research.codecs.arithmetic:ArithmeticCodec",
    "equal-info": "research.codecs.windows:EqualInfoCodec",
    "letters": "research.codecs.basic:LettersCodec",
    "codebook": "research.codecs.codebook:CodebookCodec",
}

trust_code: ContextVar[bool] = ContextVar("trust_code", default=False)
"""Whether code is run that lies with a codec's folder; `freevocab --trust-code` sets it."""

_WITHOUT_FILES = ("bytes", "characters", "gzip", "letters")
_SHIPPED = Path(__file__).parent / "shipped"


def names() -> list[str]:
    """The codecs that come with the package, sorted."""
    folders = [path.parent.name for path in _SHIPPED.glob(f"*/{saved.SPEC.file}")]
    return sorted([*_WITHOUT_FILES, *folders])


def load(name_or_directory: str | os.PathLike) -> Codec:
    """Opens a shipped codec by name, or a directory that `codec.save` wrote.

    A directory named like a shipped codec is reached as `./NAME`.

    Raises:
      UsageError: neither a shipped name nor a directory.
      FreevocabError: the directory is damaged, of a newer version, or of a kind that cannot be
        imported.
    """
    name = os.fspath(name_or_directory)
    if name in _WITHOUT_FILES:
        return _class_of(name)()
    if name in names():
        return _open(_SHIPPED / name)
    directory = Path(name)
    if directory.is_dir():
        return _open(directory)
    if directory.is_file():
        raise UsageError(f"{name} is a file: give the directory that holds {saved.SPEC.file}")
    raise UsageError(f"no codec {name!r}: give a directory or one of {', '.join(names())}")


def _open(directory: Path) -> Codec:
    meta = saved.read(directory)
    codec_class = _class_of(meta["kind"], directory)
    try:
        codec = codec_class.from_directory(directory, meta)
        if not isinstance(codec.name, str):
            raise TypeError(f"its name is {codec.name!r:.80}")
        return codec
    except (*MALFORMED, OSError) as error:
        problem = f"{type(error).__name__}: {error}".splitlines()[0]
        raise FreevocabError(f"the codec in {directory} is damaged ({problem})") from error


def _class_of(kind: str, directory: Path | None = None) -> type:
    path = KINDS.get(kind, kind)
    if ":" not in path:
        kinds = ", ".join(KINDS) + ' and "package.module:Class"'
        raise FreevocabError(f"unknown kind of codec {kind!r}: this freevocab has {kinds}")
    module, _, name = path.partition(":")
    if kind not in KINDS and directory is not None and not trust_code.get():
        if module not in sys.modules and not _is_users_own(module, directory):
            raise FreevocabError(
                f"the codec in {directory} names the code {path}, which would run: if you trust"
                " who made it, say --trust-code"
            )
    try:
        return getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError, ValueError) as error:
        problem = str(error).splitlines()[0]
        raise FreevocabError(f"cannot import the codec {path!r}: {problem}") from error


def _is_users_own(module: str, directory: Path) -> bool:
    """Whether a module stands in a package or on its own, apart from the folder that names it.

    Nothing is imported to find out. No module of the standard library is a codec, and a folder
    without an __init__.py is only data that lies where Python looks.
    """
    parts, where = module.split("."), None
    if parts[0] in sys.stdlib_module_names:
        return False
    folder = directory.resolve()
    for count in range(1, len(parts) + 1):
        try:
            spec = importlib.machinery.PathFinder.find_spec(".".join(parts[:count]), where)
        except (ImportError, ValueError):
            return True  # as the import will say
        if spec is None:
            return True
        if spec.origin is None:
            return False
        file = Path(spec.origin).resolve()
        package = file.parent if spec.submodule_search_locations else file
        if file.is_relative_to(folder) or folder.is_relative_to(package):
            return False
        where = spec.submodule_search_locations
    return True
