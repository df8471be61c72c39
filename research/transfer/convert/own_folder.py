"""A folder that freevocab itself saved, moved to another codec: a freevocab folder comes out."""

import dataclasses
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import jax
import numpy as np

from research import codecs
from research.artifact import flatten
from research.codecs import lm_folder
from research.codecs.codec_tokenizer import CodecTokenizer
from research.errors import UsageError
from research.files import shown
from research.tokenizers import Tokenizer
from research.transfer.convert import target_tokenizer
from research.transfer.hypernet import task_vectors
from research.transfer.matching import Match
from research.vocabularies import learned
from research.vocabularies.protocol import EmbeddingTable


class OwnSource:
    """A model of ours and its codec, opened; its methods are those of `hf_folder.HFSource`.

    Raises:
      UsageError: the model's vocabulary is not a learned table, or it was saved without its codec.
      FreevocabError: damaged.
    """

    hugging_face = False

    def __init__(self, name: str):
        self.params, self.config, self.codec, self.meta = lm_folder.load(name)
        if self.config.vocabulary.kind != "learned":
            raise UsageError(
                f"{name} has a {self.config.vocabulary.kind} vocabulary, which takes any tokenizer "
                "as it is: there is no table to exchange"
            )
        self.name, self.tokenizer = name, CodecTokenizer(self.codec)

    def table(self) -> EmbeddingTable:
        size = self.tokenizer.vocab_size
        table = learned.table(self.params["vocabulary"])
        return jax.tree.map(lambda part: np.asarray(part)[:size], table)

    def check_measurable(self) -> None:
        pass

    def open_target(self, name: str) -> CodecTokenizer:
        if not target_tokenizer.is_codec(name):
            raise UsageError(
                f"--tokenizer: {self.name} is a freevocab model, so give a codec's name or folder "
                f"(one of {', '.join(codecs.names())}), not {name}"
            )
        return CodecTokenizer(codecs.load(name))

    def move(self, target: Tokenizer, match: Match, dtype: str | None, multiple: int) -> "OwnMove":
        if multiple > 1:
            raise UsageError("--pad-to-multiple-of is for Hugging Face folders; tables of "
                             "freevocab are padded as it trains them")  # fmt: skip
        if dtype is not None:
            raise UsageError("--dtype is for Hugging Face folders; freevocab saves float32")
        assert isinstance(target, CodecTokenizer), "what open_target gave"
        return OwnMove(self, target, match)

    def digests(self) -> dict[str, str]:
        return {"codec": self.codec.fingerprint()}

    def licences(self) -> list[Path]:
        return []


class OwnMove:
    """A model of ours with another codec; its methods are those of `hf_folder.HFMove`."""

    def __init__(self, source: OwnSource, target: CodecTokenizer, match: Match):
        self.tokenizer, self.match = target, match
        self.notes: list[str] = []
        self._source, self._params, self._codec = source, dict(source.params), target.codec
        self._config = dataclasses.replace(
            source.config, vocab_size=target.vocab_size, padded_vocab_size=None, bos=None, eos=None
        )

    def facts(self) -> dict[str, Any]:
        table, rows = self._source.table(), self._source.config.rows
        count = sum(int(np.size(leaf)) for leaf in flatten(self._params).values())
        d_model = table.input_VxD.shape[1]
        per_id = sum(d_model if part.ndim == 2 else 1 for part in table if part is not None)
        new_count = count + (self._config.rows - rows) * per_id
        return {
            "model": f"{shown(Path(self._source.name).resolve().name)} (freevocab)",
            "dtype": "float32",
            "d_model": d_model,
            "tied": table.output_VxD is None,
            "bias": table.bias_V is not None,
            "rows": rows,
            "parameters": count,
            "new_parameters": new_count,
            "nbytes": 4 * count,
            "new_nbytes": 4 * new_count,
            "files": 1,
        }

    def change_trunk(
        self, trunk: Mapping[str, Any], weight: float, check: Callable[[str], None], base: Any
    ) -> None:
        own = self._params["trunk"]
        before = own if base is None else base.params["trunk"]
        check(task_vectors.fingerprint_of(before))
        with np.errstate(over="ignore", invalid="ignore"):
            new_trunk = task_vectors.add(own, before, trunk, weight)
        for name, array in flatten(new_trunk).items():
            task_vectors.check_finite(name, np.asarray(array), weight)
        self._params["trunk"] = new_trunk

    def write(
        self,
        directory: Path,
        table: EmbeddingTable,
        record: Mapping[str, Any],
        progress: Callable[[int], None],
    ) -> None:
        vocabulary = {
            name: _padded(part, self._config.rows)
            for name, part in table._asdict().items()
            if part is not None
        }
        facts = {name: value for name, value in record.items() if name != "scores"}
        meta = self._source.meta | {"transfer": json.loads(json.dumps(facts))}
        params = self._params | {"vocabulary": vocabulary}
        lm_folder.write(directory, params, self._config, self._codec, meta, record["out"])


def _padded(rows: np.ndarray, size: int) -> np.ndarray:
    """With rows of zeros, or zeros, up to `size`; ids from vocab_size on have no probability."""
    return np.concatenate([rows, np.zeros((size - len(rows), *rows.shape[1:]), rows.dtype)])
