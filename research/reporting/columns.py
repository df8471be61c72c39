"""What the columns of a table mean, and which of them fit on a screen."""

import ast
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from research.reporting import tables

Row = Mapping[str, Any]
MOST = 12  # columns of a table that is read, not computed with

# Names that mean the same in every table, for those whose own note leaves them out.
WORDS = {
    "method": "the way from text to ids, or of moving a model",
    "model": "the vocabulary of the model, or what stands in a model's place",
    "vocabulary": "number of ids, or the kind of vocabulary",
    "size": "M2's shape, a name of research/models/sizes.py",
    "source": "ours at a scale, or the paper",
    "seconds": "wall time of the row",
    "text": "what it was measured on",
    "bits_per_byte": "bits a byte of held-out text, smaller is better",
    "bits_per_token": "bits a token of held-out text; log2 of the vocabulary is uniform",
    "mflops_per_byte": "millions of FLOPs of a forward pass for each byte of text",
    "tokens_per_byte": "tokens for each byte of held-out text",
    "accuracy": "share of held-out tokens that are the likeliest",
    "ratio": "bytes of text a token",
    "bit_ratio": "bits of text for each bit of its code",
    "uniform_bpb": "bits/byte of the uniform distribution over the ids",
    "unigram_bpb": "bits/byte of the ids' frequencies in the training text",
    "closing": "the rule by which a window ends",
    "window_bits": "bits of a window",
    "ratio_to_greedy": "ratio over that of the greedy rule (point)",
    "num_windows": "windows that were decoded",
    "right_as_described": "share of windows that the paper's decoder gives back",
    "right_first_match": "share that the first prefix with the code gives back",
    "task": "what was asked",
    "mean_distance": "mean Levenshtein distance over all pairs of words",
    "step": "steps trained",
    "position": "share right of the tokens at this place in their windows",
    "kind": "kind of text and of ids",
    "spread_first": "standard deviation over sequences in the first window",
    "spread_last": "standard deviation over sequences in the last window",
    "nats_last": "mean log-loss in the last window",
    "nats_seen": "mean log-loss of ids that occurred before in the sequence",
    "nats_new": "mean log-loss of ids that did not",
    "gain_interval": "interval of the gain",
    "accuracy_interval": "interval of the accuracy",
    "kept_interval": "interval of what is kept",
    "ratio_interval": "interval of the ratio",
    "reading": "how a key is taken from what the probe says",
    "sequences": "texts that were read",
    "condition": "spaces left clear, or enciphered too",
    "measure": "what a row measures",
    "ngram_heads": "orders of the trunk's n-gram heads",
    "at": "the figure after this part of the training",
    "start": "the figure in the window that begins here",
    "n": "the figure for this many",
    "tv": "total variation distance after this many strings",
    "variant": "what was changed",
    "worst_target": "the target with the most bits/byte",
    "language": "whose text and tokenizer",
    "overlap": "% of the target's entries that the source has too",
    "layout": "how entries are laid out for the network",
}


def note(path: str | Path) -> str:
    """What an experiment's file says of its columns, with M2's where it takes these.

    The texts stand under COLUMNS and BRIEF in the file, where they are no part of the program.
    """
    path = Path(path)
    found = _texts(path, ("COLUMNS", "BRIEF"))
    if "m2_pipeline.M2_COLUMNS" in path.read_text(encoding="utf-8"):
        found += _texts(path.parent.parent / "shared" / "m2_pipeline.py", ("M2_COLUMNS",))
    return " ".join(" ".join(found).split())


def _texts(path: Path, names: Sequence[str]) -> list[str]:
    body = ast.parse(path.read_text(encoding="utf-8")).body
    return [
        after.value.value
        for before, after in zip(body, body[1:], strict=False)
        if isinstance(before, ast.Assign) and getattr(before.targets[0], "id", "") in names
        and isinstance(after, ast.Expr) and isinstance(after.value, ast.Constant)
    ]  # fmt: skip


def explained(columns: Sequence[str], text: str) -> tuple[str, list[str]]:
    """(the note with the shared words that it leaves out, names that nothing explains)."""
    missing, words = [], []
    for family in dict.fromkeys(map(_family, columns)):
        if re.search(rf"(?<!\w){re.escape(family)}(?!\w)", text):
            continue
        if family in WORDS:
            words.append(f"{family}: {WORDS[family]}.")
        else:
            missing.append(family)
    return " ".join([text, *words]).strip(), missing


def _family(column: str) -> str:
    """The name that columns with a number have in common: "start 25" and "n=4" are start and n."""
    return re.sub(r"[ =]\d+(\.\d+)?$", "", column)


def fitting(
    columns: Sequence[str], rows: Sequence[Row], most: int = MOST, declared: bool = False
) -> list[str]:
    """The columns to show: those that hold something, at most `most`.

    Of columns that are one figure at many places (start 1, start 25, ...) every other is left out;
    then the last ones.

    Args:
      declared: the experiment chose these columns, so that only empty ones are left out.
    """
    kept = [name for name in columns if any(row.get(name) is not None for row in rows)]
    if declared:
        return kept[:most]
    kept = [name for name in kept if name != "seconds"]
    while len(kept) > most and (longest := _longest_family(kept)):
        thinned = set(longest[1:-1:2])
        kept = [name for name in kept if name not in thinned]
    return kept[:most]


def _longest_family(columns: Sequence[str]) -> list[str]:
    """The most columns that have a name in common, where they are more than three."""
    families: dict[str, list[str]] = {}
    for name in columns:
        families.setdefault(_family(name), []).append(name)
    longest = max(families.values(), key=len)
    return longest if len(longest) > 3 else []


def shown(
    columns: Sequence[str], ours: Mapping[str, Sequence[Row]], paper_rows: Sequence[Row]
) -> tuple[list[str], list[dict[str, Any]]]:
    """`tables.merge`, without the source where all rows have one."""
    names, rows = tables.merge(columns, ours, paper_rows)
    if len({row[tables.SOURCE] for row in rows}) < 2 and tables.SOURCE not in columns:
        names.remove(tables.SOURCE)
    return names, rows
