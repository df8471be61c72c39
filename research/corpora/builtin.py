"""`builtin`: text that is there without a download.

`builtin:novels` is the default in a clone of the repository: English novels by authors who died
before 1956, an archive a split; the authors of valid and test have no book in train. Titles,
authors and years of death are in novels/ATTRIBUTION.md. A document is a stretch of a book,
`DOCUMENT_BYTES` long or a little more and ended at the end of a line, so that a sample of documents
is a sample of books.

`builtin:python` is text that every Python installation has, and the default elsewhere. It has
three parts, each a corpus of its own name:
  topics      the language reference's chapters behind `help()` (pydoc_data.topics); one each
  docstrings  the docstrings of one module, joined by blank lines
  code        one source file of the standard library, as it is (its docstrings included)

A module's code and its docstrings fall into the same split, decided by the hash of the
file's bytes, so no held-out docstring is seen in training code. Left out: tests, idlelib,
lib2to3, distutils, ensurepip, installed packages, the source of the topics, and files that
an installation writes about itself. The text changes a little with the Python version;
`describe()` names the version and a digest of the text.
"""

import ast
import dataclasses
import functools
import hashlib
import importlib
import io
import lzma
import os
import platform
import tarfile
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from research.corpora.corpus import SPLITS, Source, document_digest, split_by_hash
from research.errors import FreevocabError, UsageError

DOCUMENT_BYTES = 12_288
_FOLDER = Path(__file__).parent / "novels"
_RULES = b"freevocab novels 1"  # to be raised when the same archives would give other documents
PARTS = ("topics", "docstrings", "code")
_LEFT_OUT_FOLDERS = frozenset(
    "test tests idlelib lib2to3 distutils ensurepip site-packages dist-packages"
    " __pycache__ pydoc_data".split()
)
_LEFT_OUT_FILES = ("_sysconfigdata", "sitecustomize", "usercustomize")  # beginnings of names
_WITH_DOCSTRINGS = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)


def source(argument: str) -> Source:
    """`builtin`, `builtin:novels`, `builtin:python` or `builtin:PART` of the latter.

    Raises:
      UsageError: if there is no such part, or the novels are asked for and not installed.
    """
    installed = all(archive(split).is_file() for split in SPLITS)
    argument = argument or ("novels" if installed else "python")
    if argument == "novels":
        if not installed:
            raise UsageError(
                "builtin:novels is in the source repository, not in the installed package: "
                "clone it and install from there, or use builtin:python or text:GLOB"
            )
        return Novels()
    if argument != "python" and argument not in PARTS:
        known = ", ".join(("novels", "python", *PARTS))
        raise UsageError(f"no part {argument!r} in builtin: it has {known}")
    return PythonText(parts=PARTS if argument == "python" else (argument,))


@dataclasses.dataclass(frozen=True)
class Novels(Source):
    """The novels of the three archives."""

    name: str = "builtin:novels"

    def documents(self, split: str) -> Iterator[bytes]:
        for text in books(split).values():
            yield from stretches(text)

    def overlaps(self, split: str) -> tuple[str, ...]:
        return ()  # they share no author (a test)

    def group(self, document: bytes) -> bytes:
        """The name of the book that a document is from."""
        return self._groups.get(document_digest(document), document)

    @functools.cached_property
    def _groups(self) -> dict[bytes, bytes]:
        return {
            document_digest(document): name.encode()
            for split in SPLITS
            for name, text in books(split).items()
            for document in stretches(text)
        }

    def digest(self) -> str:
        state = hashlib.blake2b(_RULES, digest_size=16)
        for split in SPLITS:
            state.update(hashlib.sha256(archive(split).read_bytes()).digest())
        return state.hexdigest()

    def details(self) -> dict[str, Any]:
        return {"books": {split: len(books(split)) for split in SPLITS}}


def archive(split: str) -> Path:
    """Where the books of a split are, a .tar.xz; an installed wheel has none."""
    return _FOLDER / f"{split}.tar.xz"


@functools.lru_cache(maxsize=3)
def books(split: str) -> dict[str, bytes]:
    """File name (Author_Title_Year.txt) -> text of every book of a split, by name.

    Raises:
      FreevocabError: if the archive is damaged.
    """
    path = archive(split)
    try:
        with tarfile.open(fileobj=io.BytesIO(lzma.decompress(path.read_bytes()))) as members:
            # Of a folder, which no archive of ours has, it is None: caught below.
            files: dict[str, Any] = {each.name: members.extractfile(each) for each in members}
            return {name: file.read() for name, file in files.items()}
    except (OSError, lzma.LZMAError, tarfile.TarError, AttributeError) as error:
        raise FreevocabError(f"{path} is damaged ({error}): get the repository again") from None


def stretches(text: bytes) -> Iterator[bytes]:
    """The documents of a book: together the whole of it."""
    start = 0
    while start < len(text):
        end = text.find(b"\n", start + DOCUMENT_BYTES - 1) + 1
        # What is left after the last cut is a document of its own only if it is long enough.
        if not end or len(text) - end < DOCUMENT_BYTES // 2:
            end = len(text)
        yield text[start:end]
        start = end


@dataclasses.dataclass(frozen=True)
class PythonText(Source):
    """The library's text, from the running Python or another library folder."""

    parts: tuple[str, ...] = PARTS
    library: str = os.path.dirname(os.__file__)

    @property
    def name(self) -> str:  # pyright: ignore[reportIncompatibleVariableOverride]
        return f"builtin:{'python' if self.parts == PARTS else '+'.join(self.parts)}"

    def documents(self, split: str) -> Iterator[bytes]:
        if "topics" in self.parts:
            for topic in topics():
                if split_by_hash(topic) == split:
                    yield topic
        if "docstrings" in self.parts:
            for code, text in zip(self._modules.values(), self._docstrings, strict=True):
                if text and split_by_hash(code) == split:
                    yield text
        if "code" in self.parts:
            for code in self._modules.values():
                if split_by_hash(code) == split:
                    yield code

    @functools.cached_property
    def _modules(self) -> dict[str, bytes]:
        return dict(modules(self.library))

    @functools.cached_property
    def _docstrings(self) -> list[bytes | None]:
        return [docstrings(code) for code in self._modules.values()]

    def digest(self) -> str:
        state = hashlib.blake2b(" ".join(self.parts).encode(), digest_size=16)
        if "topics" in self.parts:
            for topic in topics():
                state.update(document_digest(topic))
        if self.parts != ("topics",):
            for code in self._modules.values():
                state.update(document_digest(code))
        return state.hexdigest()

    def details(self) -> dict[str, Any]:
        details: dict[str, Any] = {"python": platform.python_version()}
        if "docstrings" in self.parts:
            pairs = zip(self._modules, self._docstrings, strict=True)
            details["unparsable_modules"] = [name for name, text in pairs if text is None]
        return details


def modules(library: str) -> Iterator[tuple[str, bytes]]:
    """(path within the library, source) of every module that counts, in order of the path.

    Raises:
      FreevocabError: if there are no sources (a Python that ships compiled files only).
    """
    paths = []
    for folder, folders, files in os.walk(library):
        folders[:] = [
            name
            for name in folders
            if name not in _LEFT_OUT_FOLDERS and not name.startswith("config-")
        ]
        paths += [
            Path(folder, name)
            for name in files
            if name.endswith(".py") and not name.startswith(_LEFT_OUT_FILES)
        ]
    by_name = {path.relative_to(library).as_posix(): path for path in paths}
    if not by_name:
        raise FreevocabError(
            f"no Python sources in {library}, so there is no builtin corpus: use text:GLOB"
        )
    for name in sorted(by_name):
        if code := by_name[name].read_bytes():
            yield name, code


def topics() -> list[bytes]:
    """The chapters behind `help('topics')`, by title."""
    texts = importlib.import_module("pydoc_data.topics").topics
    return [texts[title].encode("utf-8") for title in sorted(texts)]


def docstrings(code: bytes) -> bytes | None:
    """The docstrings of a module in the order of the source, cleaned of their indent.

    Returns:
      The docstrings joined by blank lines (b'' if there are none), or None if this Python
      cannot parse the file.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # old escapes in library files are not our business
        try:
            tree = ast.parse(code)
        except (SyntaxError, ValueError, RecursionError):
            return None
    owners = [node for node in ast.walk(tree) if isinstance(node, _WITH_DOCSTRINGS)]
    owners.sort(key=lambda node: getattr(node, "lineno", 0))  # a module has no line: it is first
    texts = [text.strip("\n") for node in owners if (text := ast.get_docstring(node))]
    joined = "\n\n".join(text for text in texts if text)
    return (joined + "\n").encode("utf-8", "surrogatepass") if joined else b""
