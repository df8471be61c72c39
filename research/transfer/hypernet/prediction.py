"""A whole table for a tokenizer, by a hypernetwork: what evaluation and the transfer tool use."""

from typing import Any

import jax
import numpy as np

from research.tokenizers import Tokenizer
from research.transfer import matching
from research.transfer.matching import Match
from research.vocabularies import hypernetwork
from research.vocabularies.hypernetwork import HypernetworkConfig
from research.vocabularies.table import Table


def table_for(
    params: Any,
    config: HypernetworkConfig,
    source_table: Table,
    source: Tokenizer,
    target: Tokenizer,
    *,
    match: Match | None = None,
    copy_overlap: bool = False,
    chunk: int = 8192,
    language: int = 0,
    kept: Table | None = None,
) -> Table:
    """Rows for every id of `target`, float32 numpy; special ones as `matching.finish` has them.

    Args:
      params, config: of the hypernetwork.
      source_table: rows of the source tokenizer's ids, no padding.
      match: from `matching.match(source, target)`, if it is known.
      copy_overlap: entries that both tokenizers have keep their rows to the bit.
      chunk, language: see `hypernetwork.predict`.
      kept: where special tokens and copied entries have their rows from, if not `source_table`: the
        table of a variant of the model.

    Raises:
      FreevocabError: a prediction is not finite.
    """
    match = matching.match(source, target) if match is None else match
    source_table = jax.tree.map(lambda part: np.asarray(part, np.float32), source_table)
    kept = source_table if kept is None else kept
    strings = [
        b"" if special else string
        for string, special in zip(target.match_bytes(), target.special_V, strict=True)
    ]
    rows = hypernetwork.predict(
        params, config, source_table, source.decompose(strings), chunk=chunk, language=language
    )
    if source_table.bias_V is not None and rows.bias_V is None:
        bias_V = np.full(len(strings), source_table.bias_V.mean(), np.float32)
        rows = rows._replace(bias_V=bias_V)
    return matching.finish(rows, kept, match, copy_overlap=copy_overlap)
