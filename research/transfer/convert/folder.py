"""A Hugging Face folder moved to another tokenizer: what is in it, and what will be written."""

import hashlib
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from research.errors import FreevocabError
from research.files import shown, write_json
from research.models.pretrained import shards
from research.models.pretrained.safetensors_format import DTYPES
from research.tokenizers import Tokenizer
from research.transfer.convert import (
    families,
    framing,
    plan,
    positions,
    special_ids,
    tokenizer_files,
    weights,
)
from research.transfer.convert.families import Layout
from research.transfer.convert.request import Request
from research.transfer.convert.trunk import TrunkChange
from research.transfer.matching import Match
from research.vocabularies.protocol import EmbeddingTable

CONFIG, GENERATION = "config.json", "generation_config.json"
LICENCES = ("LICENSE*", "LICENCE*", "NOTICE*", "USE_POLICY*")
_CODES = {"float32": "F32", "float16": "F16", "bfloat16": "BF16"}


class Source(NamedTuple):
    """An opened checkpoint folder."""

    directory: Path
    config: dict[str, Any]
    checkpoint: shards.Checkpoint
    layout: Layout
    tokenizer: Tokenizer


class Target(NamedTuple):
    """What becomes of it.

    Attributes:
      tokenizer: the new one; `tokenizer.files` is written as it is.
      config, generation: contents of the two JSON files; generation may be None.
      padding: RoBERTa's padding ids before and after, if they differ.
      dtype: of the numbers, None: as they were.
      notes: what was lost on the way, one line each.
    """

    tokenizer: Tokenizer
    match: Match
    config: dict[str, Any]
    generation: dict[str, Any] | None
    padding: tuple[int, int] | None
    dtype: np.dtype | None
    notes: list[str]


def open_source(directory: str | Path) -> Source:
    """Reads config.json, the headers of the weights, and the tokenizer; no weights yet.

    Raises:
      UsageError: no checkpoint, another architecture, no tokenizer.
      FreevocabError: damaged, or the tokenizer is not the model's.
    """
    from research.tokenizers import load

    directory = Path(directory)
    config = families.read_config(directory)
    checkpoint = shards.open_checkpoint(directory)
    layout = families.layout(config, checkpoint)
    tokenizer = load(directory)
    families.check_tokenizer(layout, checkpoint, tokenizer)
    return Source(directory, config, checkpoint, layout, tokenizer)


def target(source: Source, tokenizer: Tokenizer, match: Match, dtype: str | None) -> Target:
    """Rewrites the configurations for the new tokenizer.

    Raises:
      UsageError: the family cannot do without a special token that the tokenizer lacks.
      FreevocabError: generation_config.json is damaged.
    """
    renaming = special_ids.Renaming.of(source.tokenizer, tokenizer, match)
    defaults = special_ids.DEFAULTS.get(source.config["model_type"], {})
    config, notes = special_ids.rewrite(source.config, renaming, defaults)
    config["vocab_size"] = tokenizer.vocab_size
    pads = (source.config.get("pad_token_id", defaults.get("pad")), config.get("pad_token_id"))
    padding = positions.padding_ids(source.layout, *pads)
    if padding is not None:
        more = padding[1] - padding[0]
        length = source.checkpoint[source.layout.positions].shape[0] + more
        config["max_position_embeddings"] = length
        notes.append(f"the position table has {length:,} rows, to begin after padding id {pads[1]}")
    if dtype is not None:
        # transformers 4 reads the first name, 5 the second; a folder may have both.
        for key in [name for name in ("torch_dtype", "dtype") if name in config] or ["dtype"]:
            config[key] = dtype
    generation = _json(source.directory / GENERATION)
    if generation is not None:
        generation, more_notes = special_ids.rewrite(generation, renaming)
        notes += [note for note in more_notes if note not in notes]
    notes += framing.notes(source.tokenizer, tokenizer, renaming)
    new_dtype = None if dtype is None else DTYPES[_CODES[dtype]]
    return Target(tokenizer, match, config, generation, padding, new_dtype, notes)


def planned(request: Request, source: Source, new: Target) -> plan.Plan:
    """What `write` will do and cost."""
    layout, checkpoint = source.layout, source.checkpoint
    rows = new.tokenizer.vocab_size
    parameters = sum(int(np.prod(one.shape, dtype=np.int64)) for one in checkpoint.values())
    new_parameters, new_nbytes = weights.sizes(
        layout, checkpoint, rows, padding=new.padding, dtype=new.dtype
    )
    architecture = (source.config.get("architectures") or [source.config["model_type"]])[0]
    copied, unmatched = plan.special_lists(source.tokenizer, new.tokenizer, new.match)
    return plan.Plan(
        model=f"{shown(source.directory.resolve().name)} ({layout.family.title}, {architecture})",
        method=request.exact_method,
        out=shown(request.out),
        dtype=layout.dtype.name if new.dtype is None else f"{layout.dtype} -> {new.dtype}",
        d_model=layout.d_model,
        tied=layout.tied,
        bias=bool(layout.biases),
        rows=layout.rows,
        parameters=parameters,
        new_parameters=new_parameters,
        nbytes=checkpoint.nbytes,
        new_nbytes=new_nbytes,
        files=len(checkpoint.files),
        source=plan.described(source.tokenizer),
        target=plan.described(new.tokenizer),
        overlap=len(new.match.overlap_target_N),
        new=len(new.match.new_target_M),
        pieces=plan.piece_shares(source.tokenizer, new.tokenizer, new.match),
        copied=copied,
        unmatched=unmatched,
        notes=new.notes,
    )


def write(
    directory: Path,
    source: Source,
    new: Target,
    table: EmbeddingTable,
    progress: Callable[[int], None],
    trunk: TrunkChange | None = None,
) -> None:
    """Writes weights, configurations, tokenizer and licences into an empty folder."""
    entries = weights.entries(
        source.layout, source.checkpoint, table, padding=new.padding, dtype=new.dtype, trunk=trunk
    )
    metadata = {"format": "pt"} | source.checkpoint.metadata
    shards.write_checkpoint(directory, entries, metadata=metadata, progress=progress)
    write_json(directory / CONFIG, new.config)
    if new.generation is not None:
        write_json(directory / GENERATION, new.generation)
    kind = source.config["model_type"]
    for name, content in tokenizer_files.beside(new.tokenizer.files, kind).items():
        (directory / name).write_bytes(content)
    for path in licences(source.directory):
        shutil.copyfile(path, directory / path.name)


def licences(directory: Path) -> list[Path]:
    """The files that say on which terms the original may be used, sorted."""
    found = {path for pattern in LICENCES for path in directory.glob(pattern) if path.is_file()}
    return sorted(found)


def digests(source: Source) -> dict[str, str]:
    """SHA-256 of the configuration and of the tables that were replaced."""
    config = hashlib.sha256((source.directory / CONFIG).read_bytes()).hexdigest()
    out = {CONFIG: config}
    for name in (*source.layout.inputs[:1], *source.layout.outputs):
        state = hashlib.sha256()
        for chunk in source.checkpoint[name].chunks():
            state.update(chunk)
        out[name] = state.hexdigest()
    return out


def _json(path: Path) -> dict[str, Any] | None:
    if not path.is_file():
        return None
    try:
        content = json.loads(path.read_text("utf-8"))
        if not isinstance(content, dict):
            raise ValueError("no object")
        return content
    except ValueError as error:
        raise FreevocabError(f"{path} is damaged ({error}): get it again, or remove it") from None
