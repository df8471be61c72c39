"""Bits per byte of a model before and after its tokenizer was exchanged."""

import tempfile
from pathlib import Path
from typing import Any

from research.errors import UsageError
from research.files import shown

MASKED = ("roberta", "xlm-roberta")


def before_and_after(before: str | Path, after: str | Path, text: str) -> dict[str, Any]:
    """Both models on every byte of a file, as `freevocab evaluate --text` measures it.

    Returns:
      {"text": name, "bytes": n, "before": {"bits/byte", "tokens/byte"}, "after": {...}}
    """
    scores = {"text": shown(Path(text).name)}
    for when, folder in (("before", before), ("after", after)):
        sums = _sums(str(folder), text)
        scores["bytes"] = int(sums.bytes)
        scores[when] = {
            "bits/byte": round(float(sums.bits_per_byte), 6),
            "tokens/byte": round(float(sums.tokens / sums.bytes), 6),
        }
    return scores


def line(scores: dict[str, Any]) -> str:
    """For people."""
    parts = [
        f"{when} {scores[when]['bits/byte']:.4f} bits/byte, "
        f"{scores[when]['tokens/byte']:.4f} tokens/byte"
        for when in ("before", "after")
    ]
    return f"{scores['text']}: {'; '.join(parts)}"


def check(family: str) -> None:
    """Raises UsageError for a family that has no bits/byte."""
    if family in MASKED:
        raise UsageError(f"--eval-text: a {family} model fills gaps and has no bits/byte: leave it "
                         "out, and measure the task that the model is for")  # fmt: skip


def _sums(folder: str, text: str):
    from research.training import commands
    from research.training.command_configs import Evaluate

    with tempfile.TemporaryDirectory() as stores:
        options = Evaluate(model=folder, text=text, stores=stores)
        return commands.evaluate(options, log=lambda line: None)
