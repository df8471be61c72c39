"""What an M2Config stands for in the library, its FLOPs, and what counting alone makes of its ids.

All sequences of a table begin with their message, so that some of GZip's ids (its header, its
Huffman table) can be told from their place alone: a tenth of its bits with tokens of 8 bits and
sequences of 128. A model has learned something of a code where it is below both counts, of ids and
of ids by their place.
"""

import dataclasses
import math

import numpy as np

from configs.shared import CodecConfig, M1Config, M2Config
from research.errors import UsageError
from research.evaluation import per_byte
from research.models import sizes
from research.models.language_model import LanguageModelConfig
from research.models.sizes import TrunkConfig
from research.training import parallelism
from research.training.config import TrainConfig
from research.training.data.token_store import TokenStore
from research.training.lm import LM
from research.vocabularies.learned import LearnedEmbedding

COUNTED_EXAMPLES = 4_096  # training examples that are counted, at most


def trunk_config(config: M2Config) -> TrunkConfig:
    """The shape that `config.size` names.

    Raises:
      UsageError: if no size has the name.
    """
    return sizes.size(
        config.size,
        dtype=config.dtype,
        remat=config.remat,
        embedding_dim=config.embedding_dim or None,
    )


def model_config(config: M2Config, vocab_size: int) -> LanguageModelConfig:
    """The model for `vocab_size` ids (BOS and EOS among them), as it is kept.

    Raises:
      UsageError: if padded_vocab_size is set and too small.
    """
    rows = config.padded_vocab_size
    if rows and rows < vocab_size:
        raise UsageError(
            f"padded_vocab_size={rows} is below the {vocab_size} ids of a codec:"
            " raise it, or set it to 0"
        )
    vocabulary = LearnedEmbedding(tied=config.tied)
    return LanguageModelConfig(trunk_config(config), vocab_size, rows or None, vocabulary)


def lm(config: M2Config, vocab_size: int) -> LM:
    """The model to train and to evaluate.

    Where tables are padded it is the same for all numbers of ids, so that the rows of a table
    compile it once; each batch says how many of the ids are real.
    """
    model = model_config(config, vocab_size)
    if config.padded_vocab_size:
        model = dataclasses.replace(model, vocab_size=config.padded_vocab_size)
    return LM(
        model,
        parallelism.make_mesh(config.parallelism),
        config.parallelism,
        z_loss=config.z_loss,
        chunk_size=config.chunk_size or None,
        exact=False,
        any_vocab_size=True,
    )


def train_config(config: M2Config, *, seed: int, eval_every: int = 0) -> TrainConfig:
    """The loop's settings of an M2."""
    return TrainConfig(
        steps=config.steps,
        seed=seed,
        optimizer=config.optimizer,
        parallelism=config.parallelism,
        log_every=max(1, min(50, config.steps // 4)),
        save_every=config.save_every,
        eval_every=eval_every,
    )


def parameters(config: M2Config) -> float:
    """M2's size for FLOPs: the paper's nominal number where it has one, else the kernels."""
    nominal = per_byte.NOMINAL_PARAMETERS.get(config.size)
    return nominal or sizes.kernel_count(trunk_config(config))


def m1_flops(codec: CodecConfig, m1: M1Config) -> float:
    """FLOPs of M1 for each byte: the paper's 6 million where a Transformer runs live, else 0.

    Counts cost look-ups, not FLOPs; a codebook needs no M1 once it is compiled; StaticAC's is a
    table (the paper counts none for it either).
    """
    live = codec.kind in ("ac", "equal_info")
    return per_byte.M1_FLOPS_PER_BYTE if live and m1.kind == "saved" else 0.0


def counted_bits_per_token(train: TokenStore, valid: TokenStore, vocabulary: int) -> float:
    """Bits a token of the better of two counts: of ids anywhere, and of ids by their place.

    Args:
      train, valid: stores of examples of one length L, without special ids.
      vocabulary: V, the codec's ids.
    """
    train_NxL, valid_NxL = (
        np.asarray(store.ids).reshape(store.num_documents, -1) for store in (train, valid)
    )
    anywhere, by_place = counted_nats(train_NxL, valid_NxL, vocabulary)
    return min(anywhere, by_place) / math.log(2)


def counted_nats(
    train_NxL: np.ndarray, valid_NxL: np.ndarray, vocabulary: int
) -> tuple[float, float]:
    """Mean -ln p of the validation ids under add-one counts of all training ids, and under the
    counts at each place.

    The latter are mixed with the former as Witten and Bell do: where n training ids at a place are
    t different ones, the counts there weigh n / (n + t).
    """
    counts_V = np.bincount(train_NxL.ravel(), minlength=vocabulary) + 1.0
    p_V = counts_V / counts_V.sum()
    n, length = train_NxL.shape
    place_L = np.arange(length) * vocabulary  # an id at a place, as one number
    keys_K, counts_K = np.unique(train_NxL.astype(np.int64) + place_L, return_counts=True)
    kinds_L = np.bincount(keys_K // vocabulary, minlength=length)
    valid_keys_NxL = valid_NxL.astype(np.int64) + place_L
    at_NxL = np.minimum(np.searchsorted(keys_K, valid_keys_NxL), len(keys_K) - 1)
    seen_NxL = np.where(keys_K[at_NxL] == valid_keys_NxL, counts_K[at_NxL], 0)
    mixed_NxL = (seen_NxL + kinds_L * p_V[valid_NxL]) / (n + kinds_L)
    return float(-np.log(p_V[valid_NxL]).mean()), float(-np.log(mixed_NxL).mean())
