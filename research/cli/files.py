"""`freevocab compress`, `decompress` and `inspect`: the container, from file to file or pipe."""

from dataclasses import dataclass
from typing import Annotated, Literal

import tyro

PIPE = "-"
Engine = Literal["jax", "numpy"]


@dataclass(frozen=True)
class Compress:
    """Compress INPUT into OUTPUT ("-" is the pipe). Every lossless codec works."""

    input: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="INPUT")]
    """A file, or - for standard input."""
    output: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="OUTPUT")]
    """A file, written whole or not at all, or - for standard output."""
    codec: str = "english-b16"
    """A shipped codec (english-b16, english-dictionary, gzip, bytes) or a saved one's folder."""
    block_bytes: int | None = None
    """Bytes of text in a block; by default what suits the codec. Memory grows with it."""
    no_verify: bool = False
    """Do not decode every block and compare it before it is written; faster."""
    engine: Engine = "jax"
    """What runs a codec's model of integers (`freevocab quantize`): numpy is slow, and gives the
    same file."""


@dataclass(frozen=True)
class Decompress:
    """Restore what `freevocab compress` wrote."""

    input: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="INPUT")]
    """A compressed file, or - for standard input."""
    output: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="OUTPUT")]
    """A file, written whole or not at all, or - for standard output."""
    codec: str | None = None
    """The codec's folder, if it is not a shipped one."""
    engine: Engine = "jax"
    """What runs a codec's model of integers, whatever ran it to compress: numpy is slow."""


@dataclass(frozen=True)
class Inspect:
    """Say what a compressed file holds and check every block, without decompressing it."""

    file: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="FILE")]
    """A compressed file, or - for standard input."""
    codec: str | None = None
    """The codec's folder, if it is not a shipped one: then the first strings are shown too."""


def compress(options: Compress) -> None:
    """Compresses, and says how well unless the output is a pipe."""
    from research.codecs import container

    summary = container.compress(
        options.input,
        options.output,
        options.codec,
        block_bytes=options.block_bytes,
        verify=not options.no_verify,
        engine=options.engine,
    )
    if options.output != PIPE:
        print(summary)


def decompress(options: Decompress) -> None:
    """Restores, and says how much unless the output is a pipe."""
    from research.codecs import container

    summary = container.decompress(
        options.input, options.output, options.codec, engine=options.engine
    )
    if options.output != PIPE:
        print(summary)


def inspect(options: Inspect) -> None:
    """Checks the file and prints what it holds."""
    from research.codecs import container

    print(container.inspect(options.file, options.codec))
