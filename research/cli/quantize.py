"""`freevocab quantize`: a byte model in integers, as a codec whose files decode anywhere."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from research.codecs import saved
from research.errors import FreevocabError, UsageError
from research.files import check_out
from research.training.config import check_least

if TYPE_CHECKING:
    from research.codecs.byte_models.integer import IntegerModel
    from research.codecs.byte_models.transformer import TransformerModel
    from research.codecs.coded_model import ModelCodec


@dataclass(frozen=True)
class Quantize:
    """Make a codec of a trained byte model, in integers: its files decode on any machine.

    The floats of a trained Transformer differ in the last bit between machines and versions of
    JAX, and what one compressed another cannot restore. Integers do not. `compress` and
    `decompress` take the folder as --codec, on an accelerator, a CPU or, with --engine numpy,
    without JAX.
    """

    model: str
    """A byte model's folder, as `freevocab train m1` writes it."""
    out: str
    """Folder for the codec; the model in integers is its part model/."""
    window_bits: int | None = None
    """Equal-info windows of so many bits; by default whole texts are arithmetic-coded."""
    bits_per_token: int = 16
    """Bits of an id."""
    reset: Literal["every", "every-other", "never"] = "every"
    """After which windows the model forgets."""
    context_bytes: int | None = None
    """How far back the model looks; by default 1024 bytes, with windows of W bits 2 W."""
    corpus: str = "builtin"
    """A text to compare both models on: builtin, text:GLOB[;valid=GLOB], tfds:NAME."""
    valid_bytes: int = 65_536
    """So many bytes of its valid part; 0: no comparison."""
    length: int = 512
    """Bytes of it that are coded together."""

    def __post_init__(self):
        check_least(self, valid_bytes=0, length=1, context_bytes=1)


def run(options: Quantize) -> None:
    """Quantises, compares, saves.

    Raises:
      UsageError: no byte model, or one that has no integer form; options that do not fit.
      FreevocabError: a damaged folder.
    """
    from research import corpora
    from research.codecs import byte_models
    from research.codecs.byte_models.integer import quantize
    from research.codecs.byte_models.transformer import TransformerModel
    from research.training.data.token_store import first_bytes

    corpus = corpora.load(options.corpus) if options.valid_bytes else None
    inputs = [("--model", options.model)]
    inputs += [("--corpus", path) for path in corpus.paths] if corpus else []
    check_out(options.out, inputs, mark=saved.SPEC.file)
    model = byte_models.load(options.model)
    if not isinstance(model, TransformerModel):
        raise UsageError(f"{options.model} holds a {model.name} model: give a Transformer's folder")
    integer = quantize.quantized(model)
    codec = _codec(options, integer)
    if corpus is not None:
        text = b"\n".join(first_bytes(corpus.documents("valid"), options.valid_bytes))
        if not text:
            raise FreevocabError(f"the valid part of {corpus.name} is empty: choose another corpus")
        print(_comparison(model, integer, text, options.length, corpus.name))
    codec.save(options.out)
    print(f"wrote {options.out}, the codec {codec.name}: what it compresses decodes on any machine")


def _codec(options: Quantize, model: "IntegerModel") -> "ModelCodec":
    from research.codecs.arithmetic import ArithmeticCodec
    from research.codecs.windows import EqualInfoCodec

    context = options.context_bytes
    if options.window_bits is None:
        return ArithmeticCodec(model, options.bits_per_token, context_bytes=context)
    return EqualInfoCodec(
        model, options.window_bits, options.bits_per_token, reset=options.reset,
        context_bytes=context,
    )  # fmt: skip


def _comparison(
    model: "TransformerModel", integer: "IntegerModel", text: bytes, length: int, name: str
) -> str:
    from research.codecs.byte_models.integer.measure import bits_per_byte

    floats, integers = (bits_per_byte(one, text, length) for one in (model, integer))
    return (
        f"{floats:.4f} bits/byte with floats, {integers:.4f} with integers"
        f" ({integers / floats - 1:+.2%}), on {len(text):,} bytes of valid of {name}"
    )
