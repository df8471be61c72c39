"""`freevocab generate`: a model's continuation of a text, through its codec, while it is drawn.

A Hugging Face folder's codec is its tokenizer.
"""

import codecs as text_codecs
import dataclasses
import math
import sys
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from research.errors import EncodeOnlyError, UsageError
from research.training.config import check_seed

if TYPE_CHECKING:
    from research.codecs.protocol import Codec
    from research.models.language_model import LanguageModelConfig
    from research.tokenizers import Tokenizer

    # Parameters, config, codec, and how many positions attention looks back (None: all).
    Opened = tuple[Any, LanguageModelConfig, "Codec | Tokenizer", int | None]


@dataclasses.dataclass(frozen=True)
class Generate:
    """Continue a text with a saved model, through its codec, as it is drawn."""

    model: str
    """A folder that `train m2` or `reproduce` wrote, or a Hugging Face folder."""
    prompt: str = ""
    """Text to go on from."""
    max_tokens: int = 256
    """Ids to draw at most; an end of document stops earlier."""
    temperature: float = 1.0
    """0 takes the most probable id every time."""
    top_k: int = 0
    """Draw only from the k most probable ids; 0: from all."""
    top_p: float = 1.0
    """Draw only from the most probable ids that together reach this probability."""
    seed: int = 0
    """The same seed, prompt and settings give the same text."""
    raw: bool = False
    """Write the bytes as they are; otherwise what is not UTF-8 is shown as a replacement sign."""

    def __post_init__(self):
        check_seed(self.seed)


def run(options: Generate) -> None:
    """Writes the prompt and its continuation to standard output as it is drawn.

    Raises:
      UsageError: if the model's codec cannot decode, or cannot go on from a prompt.
    """
    import jax

    from research.models import decoding, pretrained

    opened = _hugging_face if pretrained.is_hugging_face(options.model) else _own
    params, model, codec, context = opened(options.model)
    prompt_ids, prompt = encode_prompt(codec, options.prompt)
    max_tokens = options.max_tokens
    if model.trunk.positions == "learned" and model.bos is not None:
        max_tokens = _that_fit(model, prompt_ids, max_tokens)
    ids = decoding.generate(
        params,
        model,
        prompt_ids,
        key=jax.random.key(options.seed),
        max_tokens=max_tokens,
        temperature=options.temperature,
        top_k=options.top_k,
        top_p=options.top_p,
        context=context,
    )

    def pieces() -> Iterator[bytes]:
        yield prompt
        yield from stream_bytes(codec, prompt_ids, ids)

    if options.raw:
        for piece in pieces():
            sys.stdout.buffer.write(piece)
            sys.stdout.buffer.flush()
        return
    encoding = sys.stdout.encoding or "utf-8"
    for text in as_text(pieces()):
        # A terminal that is not UTF-8 must not stop the program either.
        sys.stdout.write(text.encode(encoding, "replace").decode(encoding))
        sys.stdout.flush()
    sys.stdout.write("\n")


def _own(folder: str) -> "Opened":
    from research.codecs import lm_folder

    params, model, codec, meta = lm_folder.load(folder)
    return params, model, codec, meta.get("length")


def _hugging_face(folder: str) -> "Opened":
    """The model with BOS and EOS as `freevocab evaluate` has them, its rows of no token left out.

    Raises:
      UsageError: a masked model, no tokenizer, or neither BOS nor EOS.
    """
    from research.models import pretrained
    from research.training import model_folders

    model = pretrained.load(folder)
    rows, tokenizer = model.config.rows, model.tokenizer
    if model.masked:
        raise UsageError(f"{folder} is a masked language model ({model.family}): it cannot go on")
    if tokenizer is None:
        raise UsageError(f"{folder} holds no tokenizer: put its tokenizer.json there")
    pretrained.check_ids(tokenizer, rows, folder)
    specials = model_folders.special_ids(tokenizer, model.raw, rows)
    if specials.start is None:
        raise UsageError(f"{folder} names no BOS or EOS, which a text could start with")
    size = min(rows, tokenizer.vocab_size)
    config = dataclasses.replace(
        model.config,
        vocab_size=size,
        padded_vocab_size=rows,
        bos=specials.start,
        eos=specials.between,
    )
    return model.params, config, tokenizer, None


def _that_fit(model: "LanguageModelConfig", prompt_ids: Sequence[int], max_tokens: int) -> int:
    """As many of `max_tokens` as a table of positions has rows for, after the prompt and BOS."""
    assert model.trunk.max_positions is not None, "as for all learned positions"
    left = model.trunk.max_positions - model.trunk.position_offset - len(prompt_ids) - 1
    if left < 1:
        raise UsageError(
            f"--prompt has {len(prompt_ids):,} tokens, more than the model has positions for"
        )
    return min(max_tokens, left)


def encode_prompt(codec: "Codec | Tokenizer", prompt: bytes | str) -> tuple[list[int], bytes]:
    """The ids that a continuation can follow, and the bytes that they stand for.

    Windows that fill no whole group of ids at the end are left out: their last id would be filled
    up with zeros, and what follows would be read out of step.

    Raises:
      UsageError: if the codec codes each document as one closed message, or only encodes.
    """
    if not prompt:
        return [], b""
    ids = [int(id_) for id_ in codec.encode([prompt])[0]]
    if codec.token_bytes() is None:
        group = _group_size(codec)
        if group is None:
            raise UsageError(
                f"codec {codec.name} codes a document as one closed message, which nothing can "
                "follow: leave out --prompt"
            )
        ids = ids[: len(ids) - len(ids) % group]
    return ids, _decode(codec, ids)


def stream_bytes(
    codec: "Codec | Tokenizer", prompt_ids: Sequence[int], ids: Iterable[int]
) -> Iterator[bytes]:
    """The bytes that `ids` add to what `prompt_ids` stand for, as soon as they are certain.

    A static vocabulary gives each id's bytes at once. Windows are decoded as soon as their bits
    fill a whole group of ids; ids at the end that fill none are left out. Where an id can change
    the meaning of all that follows (arithmetic coding, gzip, windows whose model is not reset),
    everything comes at the end.

    Raises:
      UsageError: if the codec only encodes.
    """
    strings = codec.token_bytes()
    if strings is not None:
        yield from (strings[id_] for id_ in ids)
        return
    group = _group_size(codec)
    rules: Any = getattr(codec, "rules", None)
    if group is not None and rules.reset == "every":
        waiting: list[int] = []
        for id_ in ids:
            waiting.append(id_)
            if len(waiting) == group:
                yield _decode(codec, waiting)
                waiting = []
        return
    everything = [*prompt_ids, *ids]
    everything = everything[: len(everything) - len(everything) % (group or 1)]
    yield _decode(codec, everything)[len(_decode(codec, prompt_ids)) :]


def _group_size(codec: Any) -> int | None:
    """Ids whose bits are whole windows; None for a codec without windows."""
    rules = getattr(codec, "rules", None)
    if rules is None:
        return None
    return math.lcm(rules.window_bits, codec.bits_per_token) // codec.bits_per_token


def _decode(codec: "Codec | Tokenizer", ids: Sequence[int]) -> bytes:
    if not ids:
        return b""
    try:
        return codec.decode([np.asarray(ids, np.int32)])[0]
    except EncodeOnlyError as error:
        raise UsageError(f"codec {codec.name} only encodes: no text can be generated") from error


def as_text(pieces: Iterable[bytes]) -> Iterator[str]:
    """UTF-8 pieces as text; a character split over pieces is kept together, a byte that belongs
    to none becomes a replacement sign."""
    return text_codecs.iterdecode(pieces, "utf-8", errors="replace")
