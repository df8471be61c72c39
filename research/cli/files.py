"""`freevocab compress`, `decompress` and `inspect`: the container, from file to file or pipe."""

from dataclasses import dataclass
from typing import Annotated

import tyro


@dataclass(frozen=True)
class Compress:
    """Compress INPUT into OUTPUT ("-" is the pipe). Every lossless codec works."""

    input: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="INPUT")]
    """A file, or - for standard input."""
    output: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="OUTPUT")]
    """A file, written whole or not at all, or - for standard output."""
    codec: str = "english-b16"
    """A shipped codec (bytes, gzip, english-b16, english-dictionary) or a saved one's folder."""


@dataclass(frozen=True)
class Decompress:
    """Restore what `freevocab compress` wrote."""

    input: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="INPUT")]
    """A compressed file, or - for standard input."""
    output: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="OUTPUT")]
    """A file, written whole or not at all, or - for standard output."""
    codec: str | None = None
    """The codec's folder, if it is not a shipped one."""


@dataclass(frozen=True)
class Inspect:
    """Say what a compressed file holds and check every block, without decompressing it."""

    file: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="FILE")]
    """A compressed file."""
