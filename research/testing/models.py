"""A language model small enough for tests and notebooks."""

import dataclasses
from typing import Any

from research.models.language_model import LanguageModelConfig
from research.models.sizes import TrunkConfig
from research.vocabularies.learned import LearnedEmbedding
from research.vocabularies.protocol import Vocabulary


def tiny_trunk_config(**changes: Any) -> TrunkConfig:
    """Two layers of width 16; `changes` replace fields."""
    config = TrunkConfig(d_model=16, num_heads=2, head_dim=8, num_layers=2, mlp_dim=32)
    return dataclasses.replace(config, **changes)


def tiny_config(
    vocab_size: int = 34, tied: bool = False, vocabulary: Vocabulary | None = None, **changes: Any
) -> LanguageModelConfig:
    """A language model of `vocab_size` ids (BOS and EOS among them) on a tiny trunk.

    Its vocabulary is learned, tied or not, unless another is given.
    """
    rows = -(-vocab_size // 8) * 8
    vocabulary = LearnedEmbedding(tied) if vocabulary is None else vocabulary
    return LanguageModelConfig(tiny_trunk_config(**changes), vocab_size, rows, vocabulary)


def tiny_model(seed: int = 0, **changes: Any) -> tuple[dict[str, Any], LanguageModelConfig]:
    """Fresh parameters and config; `changes` as for `tiny_config`."""
    import jax

    from research.models import language_model

    config = tiny_config(**changes)
    init = jax.jit(language_model.init, static_argnums=1)
    return init(jax.random.key(seed), config), config
