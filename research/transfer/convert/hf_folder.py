"""A Hugging Face folder moved to another tokenizer: tensors in one pass, configurations, files."""

import hashlib
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from research import tokenizers
from research.errors import FreevocabError, UsageError
from research.files import check_inside, shown, write_json
from research.models import pretrained, safetensors_shards
from research.tokenizers import FileTokenizer, Tokenizer
from research.transfer.convert import hf_tables, hf_weights, special_ids, target_tokenizer
from research.transfer.convert.hf_weights import TrunkChange
from research.transfer.matching import Match
from research.vocabularies.protocol import EmbeddingTable

CONFIG, GENERATION = "config.json", "generation_config.json"
LICENCES = ("LICENSE*", "LICENCE*", "NOTICE*", "USE_POLICY*")


class HFSource:
    """An opened checkpoint folder: its config.json, headers and tokenizer; no weights yet.

    Args:
      name: the folder as it was given.

    Raises:
      UsageError: no checkpoint, another architecture, no tokenizer.
      FreevocabError: damaged, or the tokenizer is not the model's.
    """

    hugging_face = True

    def __init__(self, name: str):
        self.directory = Path(name)
        self.config = hf_tables.read_config(self.directory)
        self.tensors = safetensors_shards.open_checkpoint(self.directory)
        self.tables = hf_tables.find(self.config, self.tensors)
        self.name, self.tokenizer = name, tokenizers.load(self.directory)
        self.tables.check_tokenizer(self.tokenizer)

    def table(self) -> EmbeddingTable:
        """Float32 rows of the tokenizer's ids, numpy; each call reads them."""
        return self.tables.read(self.tokenizer)

    def check_measurable(self) -> None:
        """Raises UsageError for a model that has no bits/byte, or that cannot be run here."""
        if self.tables.family.masked:
            raise UsageError(
                f"--eval-text: a {self.tables.family.model_type} model fills gaps and has no "
                "bits/byte: leave it out, and measure the task that the model is for"
            )
        try:
            pretrained.check_known(self.config)
        except FreevocabError as error:
            raise UsageError(
                f"--eval-text: this model can be moved, not measured ({error}): leave it out"
            ) from None

    def open_target(self, name: str) -> FileTokenizer:
        """The new tokenizer; raises as `target_tokenizer.open_target`."""
        return target_tokenizer.open_target(name)

    def move(self, target: Tokenizer, match: Match, dtype: str | None, multiple: int) -> "HFMove":
        """What will become of the model; nothing is written yet.

        Args:
          dtype: of all numbers; None: each tensor keeps its own.
          multiple: of which the new tables' rows are one; mean rows are put at the end.

        Raises:
          UsageError: the family cannot do without a special token that the tokenizer lacks; a
            licence is a link out of the source's folder.
          FreevocabError: generation_config.json is damaged.
        """
        assert isinstance(target, FileTokenizer), "what open_target gave"
        return HFMove(self, target, match, dtype, multiple)

    def digests(self) -> dict[str, str]:
        """SHA-256 of the configuration and of the tables that are replaced."""
        config = hashlib.sha256((self.directory / CONFIG).read_bytes()).hexdigest()
        out = {CONFIG: config}
        for name in (*self.tables.inputs[:1], *self.tables.outputs):
            state = hashlib.sha256()
            for chunk in self.tensors[name].chunks():
                state.update(chunk)
            out[name] = state.hexdigest()
        return out

    def licences(self) -> list[Path]:
        """The files that say on which terms the model may be used, sorted.

        Raises:
          UsageError: one of them is a link out of the folder.
        """
        paths = {path for pattern in LICENCES for path in self.directory.glob(pattern)}
        paths = sorted(path for path in paths if path.is_file())
        check_inside(self.directory, [path.name for path in paths])
        return paths


class HFMove:
    """A checkpoint with its new tokenizer: configurations rewritten, tables still to come."""

    def __init__(
        self,
        source: HFSource,
        target: FileTokenizer,
        match: Match,
        dtype: str | None,
        multiple: int,
    ):
        tables, family = source.tables, source.tables.family
        renaming = special_ids.Renaming.of(source.tokenizer, target, match)
        config, notes = special_ids.rewrite(source.config, renaming, family.special_ids)
        self._rows = -(-target.vocab_size // multiple) * multiple
        config["vocab_size"] = self._rows
        if padding_rows := self._rows - target.vocab_size:
            notes.append(f"the new tables have {self._rows:,} rows, the last {padding_rows:,} of "
                         "them padding: mean rows of no token")  # fmt: skip
        default_pad = family.special_ids.get("pad")
        pads = (source.config.get("pad_token_id", default_pad), config.get("pad_token_id"))
        padding = hf_weights.padding_ids(tables, *pads)
        if padding is not None and tables.positions is not None:
            more = padding[1] - padding[0]
            length = source.tensors[tables.positions].shape[0] + more
            config["max_position_embeddings"] = length
            notes.append(
                f"the position table has {length:,} rows, to begin after padding id {pads[1]}"
            )
        if dtype is not None:
            # transformers 4 reads the first name, 5 the second; a folder may have both.
            for key in [name for name in ("torch_dtype", "dtype") if name in config] or ["dtype"]:
                config[key] = dtype
        generation = None
        if (source.directory / GENERATION).is_file():
            generation = pretrained.read_settings(source.directory / GENERATION)
            generation, more_notes = special_ids.rewrite(generation, renaming)
            notes += [note for note in more_notes if note not in notes]
        notes += special_ids.frame_notes(source.tokenizer, target, renaming)
        if not tables.has_readout:
            notes.append("the checkpoint holds no readout: transformers draws one at random where "
                         "a task needs it")  # fmt: skip
        self.tokenizer, self.match = target, match
        self.notes = notes
        """What a reader should know, one line each."""
        self._source, self._config, self._generation = source, config, generation
        self._padding, self._licences = padding, source.licences()
        self._tokenizer_files = target_tokenizer.files_for(family, target.files)
        target_tokenizer.check_ids(self._tokenizer_files, target.vocab_size)
        self._dtype = None if dtype is None else np.dtype(dtype)
        self._trunk: TrunkChange | None = None

    def facts(self) -> dict[str, Any]:
        """Fields of `plan.Plan` about the model, its tables and its size, before and after."""
        source, tables = self._source, self._source.tables
        new_parameters, new_nbytes = hf_weights.sizes(
            tables, self._rows, padding=self._padding, dtype=self._dtype
        )
        architecture = (source.config.get("architectures") or [source.config["model_type"]])[0]
        name = shown(source.directory.resolve().name)
        shapes = [tensor.shape for tensor in source.tensors.values()]
        dtype = tables.dtype.name if self._dtype is None else f"{tables.dtype} -> {self._dtype}"
        return {
            "model": f"{name} ({tables.family.title}, {architecture})",
            "dtype": dtype,
            "d_model": tables.d_model,
            "tied": tables.tied,
            "readout": tables.has_readout,
            "bias": bool(tables.biases),
            "rows": tables.rows,
            "parameters": sum(int(np.prod(shape, dtype=np.int64)) for shape in shapes),
            "new_parameters": new_parameters,
            "nbytes": source.tensors.nbytes,
            "new_nbytes": new_nbytes,
            "files": len(source.tensors.files),
        }

    def change_trunk(
        self, trunk: Mapping[str, Any], weight: float, check: Callable[[str], None], base: Any
    ) -> None:
        """Adds what n-shot training did to the trunk of `base`, or of the model itself.

        Args:
          trunk: what training left, of our layout.
          weight: how much of the change is added.
          check: takes `task_vectors.fingerprint` of the trunk that the change is taken from.
          base: a source of the same kind, or None.

        Raises:
          UsageError: the trunks are not of one shape; and what `check` raises.
        """
        source = self._source
        before = None if base is None else (base.config, base.tensors)
        self._trunk = hf_weights.trunk_change(source.config, source.tensors, trunk, weight, before)
        check(self._trunk.fingerprint(source.tensors))

    def write(
        self,
        directory: Path,
        table: EmbeddingTable,
        record: Mapping[str, Any],
        progress: Callable[[int], None],
    ) -> None:
        """Fills an empty folder with all but the card.

        Args:
          table: the new one.
          record: content of freevocab_transfer.json, without scores.
          progress: called with the bytes of each piece.
        """
        source = self._source
        table = _padded(table, self._rows, ~np.asarray(self.tokenizer.special_V, bool))
        entries = hf_weights.entries(
            source.tables, table, padding=self._padding, dtype=self._dtype, trunk=self._trunk
        )
        metadata = {"format": "pt"} | source.tensors.metadata
        safetensors_shards.write_checkpoint(
            directory, entries, metadata=metadata, progress=progress
        )
        write_json(directory / CONFIG, self._config)
        if self._generation is not None:
            write_json(directory / GENERATION, self._generation)
        for name, content in self._tokenizer_files.items():
            (directory / name).write_bytes(content)
        for path in self._licences:
            shutil.copyfile(path, directory / path.name)


def _padded(table: EmbeddingTable, rows: int, ordinary_V: np.ndarray) -> EmbeddingTable:
    """With means of the ordinary rows at the end, up to `rows` rows."""

    def longer(part: np.ndarray | None) -> np.ndarray | None:
        if part is None or len(part) == rows:
            return part
        part = np.asarray(part)
        mean = part[ordinary_V].mean(0, dtype=np.float64).astype(part.dtype)
        return np.concatenate([part, np.repeat(mean[None], rows - len(part), 0)])

    return EmbeddingTable(*map(longer, table))
