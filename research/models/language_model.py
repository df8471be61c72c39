"""A language model: a vocabulary around a trunk.

Parameters: {'trunk': see `transformer.py`, 'vocabulary': see the vocabulary's `init`}. A learned
vocabulary has 'input_VxD' and, untied, 'output_VxD'.
"""

import dataclasses
from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from research.errors import UsageError
from research.models import ngram_heads, transformer
from research.models.sizes import FAMILY_FIELDS, TrunkConfig
from research.shapes import Params
from research.vocabularies import cross_entropy
from research.vocabularies.learned import LearnedEmbedding
from research.vocabularies.protocol import EmbeddingTable, LossConfig, Vocabulary


@dataclasses.dataclass(frozen=True)
class LanguageModelConfig:
    """A trunk and its vocabulary."""

    trunk: TrunkConfig
    """Shape of the trunk."""
    vocab_size: int
    """Ids in all: the codec's, then BOS, then EOS."""
    padded_vocab_size: int | None = None
    """Rows of the tables, at least `vocab_size`; None: the next multiple of 128, so that the table
    divides over devices. Ids from vocab_size on have probability zero."""
    vocabulary: Vocabulary = LearnedEmbedding()
    """What turns ids into vectors and vectors into logits; see `research.vocabularies`."""
    bos: int | None = None
    eos: int | None = None
    """`bos`, `eos`: ids of BOS and EOS where they are not the last two (other people's tokenizers).
    """

    def __post_init__(self):
        if self.vocab_size < 3:
            raise UsageError(f"vocab_size counts BOS and EOS too; {self.vocab_size} is too small")
        if self.rows < self.vocab_size:
            raise UsageError(f"padded_vocab_size={self.rows} is below vocab_size={self.vocab_size}")

    @property
    def rows(self) -> int:
        """Rows V of the tables."""
        if self.padded_vocab_size is None:
            return -(-self.vocab_size // 128) * 128
        return self.padded_vocab_size

    @property
    def bos_id(self) -> int:
        """The id every training sequence starts with."""
        return self.vocab_size - 2 if self.bos is None else self.bos

    @property
    def eos_id(self) -> int:
        """The id that ends a document."""
        return self.vocab_size - 1 if self.eos is None else self.eos


def as_dict(config: LanguageModelConfig) -> dict[str, Any]:
    """`dataclasses.asdict` without the options of other people's families that are not used, so
    that a model that needs none is described as it always was."""
    fields = dataclasses.asdict(config)
    for name in FAMILY_FIELDS:
        if name not in config.trunk.family_options:
            del fields["trunk"][name]
    vocabulary = fields["vocabulary"]
    for part, name in (
        (fields, "bos"), (fields, "eos"), (vocabulary, "softcap"), (vocabulary, "bias")
    ):  # fmt: skip
        if part.get(name) is None or part[name] is False:
            part.pop(name, None)
    return fields


def init(key: jax.Array, config: LanguageModelConfig) -> dict[str, Any]:
    """Fresh float32 parameters."""
    trunk_key, vocabulary_key = jax.random.split(key)
    return {
        "trunk": transformer.init(trunk_key, config.trunk),
        "vocabulary": config.vocabulary.init(vocabulary_key, config.rows, config.trunk.row_dim),
    }


def abstract_params(config: LanguageModelConfig) -> dict[str, Any]:
    """The tree of `init`, shapes and dtypes in place of arrays."""
    return jax.eval_shape(lambda key: init(key, config), jax.random.key(0))


def hidden(
    params: Params,
    config: LanguageModelConfig,
    ids_BxL: jax.Array,
    *,
    keys_Bx2: jax.Array | None = None,
    table: EmbeddingTable | None = None,
) -> jax.Array:
    """What the readout sees, [B, L, D].

    Args:
      keys_Bx2: uint32, decides what the vocabulary draws for each sequence
        (`vocabularies.sequence_keys`); learned and canonical ones need none.
      table: stands in for the vocabulary's.
    """
    batch = {"inputs_BxL": ids_BxL, "keys_Bx2": keys_Bx2}
    return _readout_inputs(params, config, batch, table)[2]


def logits(
    params: Params,
    config: LanguageModelConfig,
    ids_BxL: jax.Array,
    segments_BxL: jax.Array | None = None,
    positions_BxL: jax.Array | None = None,
    *,
    keys_Bx2: jax.Array | None = None,
    table: EmbeddingTable | None = None,
) -> jax.Array:
    """float32 [B, L, V]: entry l scores the id at l + 1; padded ids are -inf. See `hidden`."""
    batch = {
        "inputs_BxL": ids_BxL,
        "segments_BxL": segments_BxL,
        "positions_BxL": positions_BxL,
        "keys_Bx2": keys_Bx2,
    }
    vocabulary, table, x_BxLxD, vocab_size = _readout_inputs(params, config, batch, table)
    return vocabulary.readout(table, x_BxLxD, vocab_size)


def token_losses(
    params: Params,
    config: LanguageModelConfig,
    batch: Mapping[str, jax.Array | np.ndarray],
    *,
    chunk_size: int | None = None,
    table: EmbeddingTable | None = None,
) -> cross_entropy.TokenLosses:
    """Nats, log Z and correctness of every position of a batch, each [B, L], unweighted.

    A batch holds inputs_BxL, targets_BxL and may hold segments_BxL, positions_BxL, keys_Bx2
    (uint32, for vocabularies that draw) and vocab_size_B (int32, all equal): the number of real
    ids where the config's is only an upper bound, so that codecs of different sizes share one
    compiled step.
    """
    vocabulary, table, x_BxLxD, vocab_size = _readout_inputs(params, config, batch, table)
    loss_config = LossConfig(vocab_size, chunk_size)
    targets_BxL = jnp.asarray(batch["targets_BxL"])
    return vocabulary.losses(table, x_BxLxD, targets_BxL, loss_config)


def loss(
    params: Params,
    config: LanguageModelConfig,
    batch: dict[str, jax.Array],
    *,
    z_loss: float = 0.0,
    chunk_size: int | None = None,
    data_shards: int = 1,
    table: EmbeddingTable | None = None,
) -> tuple[jax.Array, dict[str, jax.Array]]:
    """What training minimises, as sums over the positions with weight.

    Args:
      batch: see `token_losses`; weights_BxL (float32) counts positions, absent: all.
      z_loss: weight of log(Z)^2, which keeps logits from drifting (the paper has 1e-4).
      chunk_size: positions of each sequence in the readout at once.
      data_shards: devices among which the batch axis is divided; see `cross_entropy.summed_loss`.
      table: stands in for the learned vocabulary; readout rows [V, D].

    Returns:
      nats + z_loss * log(Z)^2 summed (float32; divide by tokens), and sums {'nats', 'tokens',
      'z_loss' (its term), 'correct'}; bits per byte come from 'nats' alone.
    """
    vocabulary, table, x_BxLxD, vocab_size = _readout_inputs(params, config, batch, table)
    weights_BxL = batch.get("weights_BxL")
    if weights_BxL is None:
        weights_BxL = jnp.ones(x_BxLxD.shape[:2], jnp.float32)
    loss_config = LossConfig(vocab_size, chunk_size, z_loss, data_shards)
    total, losses = vocabulary.loss(
        table, x_BxLxD, batch["targets_BxL"], weights_BxL.astype(jnp.float32), loss_config
    )
    sums = {
        "nats": jnp.sum(weights_BxL * losses.nats_BxL),
        "tokens": jnp.sum(weights_BxL),
        "z_loss": z_loss * jnp.sum(weights_BxL * jnp.square(losses.log_z_BxL)),
        "correct": jnp.sum(weights_BxL * losses.correct_BxL),
    }
    return total, jax.lax.stop_gradient(sums)


def exact_loss(
    params: Params, config: LanguageModelConfig, batch: Mapping[str, jax.Array | np.ndarray]
) -> tuple[jax.Array, dict[str, jax.Array]]:
    """For evaluation: the sum of nats, and sums {'nats', 'tokens', 'correct'}, as `loss` gives.

    `loss` may train on an upper bound (a vocabulary of many random rows); this never does.
    """
    losses = token_losses(params, config, batch)
    weights_BxL = batch.get("weights_BxL")
    if weights_BxL is None:
        weights_BxL = jnp.ones_like(losses.nats_BxL)
    nats = jnp.sum(weights_BxL * losses.nats_BxL)
    correct = jnp.sum(weights_BxL * losses.correct_BxL)
    return nats, {"nats": nats, "tokens": jnp.sum(weights_BxL), "correct": correct}


def _readout_inputs(
    params: Params, config: LanguageModelConfig, batch: Mapping[str, Any], table: Any
) -> tuple[Vocabulary, EmbeddingTable, jax.Array, Any]:
    """The vocabulary, its table, what its readout sees, and the number of real ids.

    A table that is given is read like a learned embedding.
    """
    ids_BxL, segments_BxL = batch["inputs_BxL"], batch.get("segments_BxL")
    vocabulary, vocab_size = config.vocabulary, config.vocab_size
    if "vocab_size_B" in batch:
        vocab_size = jnp.max(batch["vocab_size_B"])
    if table is not None:
        vocabulary = LearnedEmbedding(softcap=getattr(vocabulary, "softcap", None))
    else:
        table = vocabulary.table(
            params["vocabulary"],
            ids_BxL,
            batch.get("keys_Bx2"),
            rows=config.rows,
            vocab_size=vocab_size,
        )
    matches_BxLxL = None
    if orders := config.trunk.ngram_heads:
        matches_BxLxL = ngram_heads.matches(ids_BxL, max(orders), segments_BxL)
    x_BxLxD = transformer.apply(
        params["trunk"],
        config.trunk,
        vocabulary.embed(table, ids_BxL),
        segments_BxL,
        batch.get("positions_BxL"),
        matches_BxLxL,
    )
    return vocabulary, table, x_BxLxD, vocab_size
