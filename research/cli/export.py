"""`freevocab export`: a model that was trained here, as a Hugging Face folder."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from research.files import check_out
from research.training.config import check_least


@dataclass(frozen=True)
class Export:
    """Write a model that freevocab trained as a checkpoint that transformers opens.

    It takes a Llama-like size (`train m2 --size llama-3m`) and a codec that can be a
    tokenizer.json: a BPE, a sentencepiece model, a codebook.
    """

    model: str
    """A folder that `freevocab train m2` wrote."""
    out: str
    """Folder to write; a checkpoint that freevocab wrote there is replaced."""
    context: int = 2048
    """Positions that the checkpoint says it was made for."""
    dtype: Literal["float32", "bfloat16", "float16"] = "float32"
    """Type of the numbers written."""

    def __post_init__(self):
        check_least(self, context=1)


def run(options: Export) -> None:
    """Exports.

    Raises:
      UsageError: a model or a codec that no family of checkpoints can hold.
      FreevocabError: a damaged folder.
    """
    from research.codecs import lm_folder
    from research.models import pretrained
    from research.transfer.convert import target_tokenizer

    check_out(options.out, [("--model", options.model)], mark=pretrained.CONFIG)
    params, config, _, _ = lm_folder.load(options.model)
    tokenizer = target_tokenizer.open_target(str(Path(options.model) / "codec"))
    model = pretrained.from_language_model(
        params, config, tokenizer, context=options.context, dtype=options.dtype
    )
    model.save(options.out)
    print(f"wrote {options.out}, a {model.family} with {tokenizer.vocab_size:,} ids")
