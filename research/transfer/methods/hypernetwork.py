"""The method `hypernetwork`: rows that a trained network predicts (arXiv 2405.07883)."""

from typing import Any, NamedTuple

import jax
import numpy as np

from research.transfer.matching import finish
from research.transfer.methods.rows import Inputs
from research.vocabularies import hypernetwork as networks
from research.vocabularies.hypernetwork import HypernetworkConfig
from research.vocabularies.protocol import EmbeddingTable


class Network(NamedTuple):
    """A trained hypernetwork, and how it is used."""

    params: Any
    """Its parameters."""
    config: HypernetworkConfig
    """Its shape."""
    copy_overlap: bool = False
    """Entries that both tokenizers have keep their rows to the bit."""
    language: int = 0
    """Of the target, for a network that has several."""
    base: EmbeddingTable | None = None
    """Where the source is a variant of the model that the network was trained for: that model's
    table, which rows are predicted from. Special and copied rows are the variant's."""


def hypernetwork(inputs: Inputs, *, network: Network) -> EmbeddingTable:
    """Every ordinary row is predicted from the source's rows of its pieces.

    Raises:
      FreevocabError: a prediction is not finite.
    """
    base = inputs.table if network.base is None else network.base
    base = jax.tree.map(lambda part: np.asarray(part, np.float32), base)
    entries = zip(inputs.target.match_bytes(), inputs.target.special_V, strict=True)
    strings = [b"" if special else string for string, special in entries]
    pieces = inputs.source.decompose(strings)
    rows = networks.predict(network.params, network.config, base, pieces, language=network.language)
    if base.bias_V is not None and rows.bias_V is None:
        rows = rows._replace(bias_V=np.full(len(strings), base.bias_V.mean(), np.float32))
    return finish(rows, inputs.table, inputs.match, copy_overlap=network.copy_overlap)
