"""A base model's table for a target tokenizer by every method, and what it is worth."""

import dataclasses
import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any

from configs.tokenizer_transfer.setting import Setting, TokenizerConfig
from experiments.shared import m2_pipeline, weights
from experiments.tokenizer_transfer import base_models, hypernetworks, target_tokenizers
from experiments.tokenizer_transfer.base_models import Base
from research.codecs.codec_tokenizer import CodecTokenizer
from research.codecs.protocol import Codec
from research.training import evaluation
from research.training.data import token_store
from research.training.data.token_store import TokenStore
from research.transfer import matching
from research.transfer import methods as heuristics
from research.transfer.matching import Match
from research.transfer.vectors import SVDConfig, TokenVectors, cooccurrence, words
from research.vocabularies import learned
from research.vocabularies.table import Table

Log = Callable[[str], None]
STEP_0, HYPERNETWORK = "hypernetwork, step 0", "hypernetwork"
WITH_OVERLAP = "hypernetwork + overlap"
HYPERNETWORKS = (HYPERNETWORK, WITH_OVERLAP)
OMP = "omp"
METHODS = (
    "random", "mean", "fvt", "wechsel", "focus", "omp-aux", OMP, STEP_0, HYPERNETWORK, WITH_OVERLAP,
)  # fmt: skip
_DRAW = ("random", "overlap", "focus", "wechsel", *HYPERNETWORKS)


def draws(method: str) -> bool:
    """Whether the method gives another table for another seed."""
    return method in _DRAW


@dataclasses.dataclass(frozen=True)
class Target:
    """A tokenizer to move to.

    Attributes:
      label: what rows call it.
      codec, tokenizer: text to ids; the same with BOS and EOS.
      match: with the base model's tokenizer.
      store: the validation text in its ids.
      lost_share: of the bytes of that text.
      auxiliary: vectors when they are first asked for.
      donor: a smaller model that was trained with this tokenizer, or None.
    """

    label: str
    codec: Codec
    tokenizer: CodecTokenizer
    match: Match
    store: TokenStore
    lost_share: float
    auxiliary: "Auxiliary"
    donor: "Table | None" = None

    def methods(self, wanted: tuple[str, ...] = ()) -> tuple[str, ...]:
        """Those of METHODS that there is everything for, and that are wanted (none named: all)."""
        there = (name for name in METHODS if name != OMP or self.donor is not None)
        return tuple(name for name in there if not wanted or name in wanted)

    @property
    def entries(self) -> int:
        """Entries that stand for text."""
        return int((~self.tokenizer.special_V).sum())

    def facts(self, found: "hypernetworks.Trained | None" = None) -> dict[str, Any]:
        """Columns that do not depend on the method."""
        facts = {
            "target": self.label,
            "tokens_per_byte": self.store.num_tokens / self.store.num_bytes,
            "entries": self.entries,
            "overlap": 100 * len(self.match.overlap_target_N) / self.entries,
            "lost_share": self.lost_share,
        }
        if found is not None and self.label in found.seen:
            facts["seen"] = found.seen[self.label]
        return facts


@dataclasses.dataclass(frozen=True)
class Auxiliary:
    """What FOCUS, OMP and WECHSEL are told of meaning, from the base model's own text."""

    base: Base
    tokenizer: CodecTokenizer
    max_bytes: int
    dim: int

    def prepared(self, takes: str) -> dict[str, TokenVectors]:
        """What a method's function takes besides tables and tokenizers."""
        if takes == "target":
            return {"vectors": self.tokens}
        if takes == "both":
            return {"source_vectors": self.both[0], "target_vectors": self.both[1]}
        return {}

    def _texts(self):
        return token_store.first_bytes(self.base.corpus.documents("train"), self.max_bytes)

    @functools.cached_property
    def tokens(self) -> TokenVectors:
        """Vectors of the target's entries, from text in its tokens (FOCUS)."""
        return cooccurrence.train(self.tokenizer, self._texts(), SVDConfig(dim=self.dim))

    @functools.cached_property
    def both(self) -> tuple[TokenVectors, TokenVectors]:
        """Vectors of the source's and the target's entries, from the vectors of words (WECHSEL)."""
        found = words.train(self._texts(), SVDConfig(dim=self.dim))
        return (
            words.token_vectors(self.base.tokenizer, found),
            words.token_vectors(self.tokenizer, found),
        )


def target(
    config: Setting,
    base: Base,
    wanted: TokenizerConfig,
    workdir: Path,
    log: Log,
    *,
    donor: Table | None = None,
) -> Target:
    """One of the config's targets, for a base model.

    Args:
      donor: from `donor_table`, for OMP.
    """
    codec = target_tokenizers.build(wanted, base.corpus, workdir, log)
    tokenizer = CodecTokenizer(codec)
    return Target(
        label=wanted.label or codec.name,
        codec=codec,
        tokenizer=tokenizer,
        match=matching.match(base.tokenizer, tokenizer),
        store=base_models.valid_store(base, codec, workdir),
        lost_share=m2_pipeline.lost_share(codec, base.corpus, base.text.valid_bytes) or 0.0,
        auxiliary=Auxiliary(base, tokenizer, config.aux_bytes, config.aux_dim),
        donor=donor,
    )


def donor_table(config: Setting, index: int, workdir: Path, log: Log) -> Table | None:
    """The table of a model trained with the target of this index; None: the config has none."""
    donors = config.donors
    if donors is None or index not in donors.targets:
        return None
    wanted = config.targets[index]
    model = dataclasses.replace(config.model, size=donors.size, steps=donors.steps)
    name = f"donor-{weights.slug(wanted.label)}"
    found = base_models.kept(config, model, wanted, name, config.seeds[0], workdir, log)
    table = learned.table(found.params["vocabulary"])
    return base_models.real_rows(table, found.config.vocab_size)


def table(
    method: str, base: Base, to: Target, found: "hypernetworks.Trained | None", seed: int
) -> Table:
    """The base model's table for the target's ids.

    Args:
      found: the trained hypernetwork, for the methods that need one.
    """
    if method in (STEP_0, *HYPERNETWORKS):
        params = found.initial if method == STEP_0 else found.params
        return hypernetworks.table(
            found, params, base, to.tokenizer, to.match, copy_overlap=method == WITH_OVERLAP
        )
    chosen = heuristics.METHODS[method]
    auxiliary = to.auxiliary.prepared(chosen.takes)
    if chosen.takes == "donor":
        auxiliary = {"donor_table": to.donor, "donor": to.tokenizer}
    return chosen.load()(
        base.table, base.tokenizer, to.tokenizer, match=to.match, seed=seed, **auxiliary
    )


def evaluate(base: Base, made: Table, to: Target, params: Any = None) -> evaluation.Sums:
    """Exact sums over the validation text in the target's ids.

    Args:
      params: of the trunk, where it is not the base model's.
    """
    return base_models.evaluate(base, base.params if params is None else params, made, to.store)
