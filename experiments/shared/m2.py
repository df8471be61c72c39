"""What an M2Config stands for in the library."""

import dataclasses

from configs.shared import M2Config
from research.errors import UsageError
from research.models import sizes
from research.models.language_model import LanguageModelConfig
from research.models.sizes import TrunkConfig
from research.training import parallelism
from research.training.config import TrainConfig
from research.training.lm import LM
from research.vocabularies.learned import LearnedEmbedding


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
