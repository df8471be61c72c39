"""A base model's table for a target tokenizer by every method, and what it is worth."""

import dataclasses
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from configs.tokenizer_transfer.presets import TokenizerConfig, TransferConfig
from experiments.shared import compressors
from experiments.shared.tables import Log, slug
from experiments.tokenizer_transfer import base_models, hypernetworks, target_tokenizers
from experiments.tokenizer_transfer.base_models import Base
from research.codecs.codec_tokenizer import CodecTokenizer
from research.codecs.protocol import Codec
from research.corpora import Corpus
from research.training.data import token_store
from research.training.data.token_store import TokenStore
from research.training.step import EvalTotals
from research.transfer import matching
from research.transfer import methods as registry
from research.transfer.matching import Match
from research.transfer.methods.auxiliary import Auxiliary, Donor
from research.transfer.vectors import SVDConfig
from research.vocabularies import learned
from research.vocabularies.protocol import EmbeddingTable

STEP_0, HYPERNETWORK = "hypernetwork, step 0", "hypernetwork"
WITH_OVERLAP = "hypernetwork + overlap"
HYPERNETWORKS = (HYPERNETWORK, WITH_OVERLAP)
OMP = "omp"
METHODS = (
    "random", "mean", "fvt", "wechsel", "focus", "omp-aux", OMP, STEP_0, HYPERNETWORK, WITH_OVERLAP,
)  # fmt: skip


def draws(method: str) -> bool:
    """Whether the method gives another table for another seed: of what is drawn, or trained."""
    return method in HYPERNETWORKS or method != STEP_0 and registry.METHODS[method].draws


@dataclasses.dataclass(frozen=True)
class Target:
    """A tokenizer to move to."""

    label: str
    """What rows call it."""
    codec: Codec
    """Text to ids."""
    tokenizer: CodecTokenizer
    """The codec with BOS and EOS."""
    match: Match
    """With the base model's tokenizer."""
    store: TokenStore
    """The validation text in its ids."""
    lost_share: float
    """Of the bytes of that text."""
    auxiliary: Auxiliary
    """The base model's own text, from which FOCUS, OMP and WECHSEL have their vectors."""
    donor: EmbeddingTable | None = None
    """Of a smaller model that was trained with this tokenizer."""

    def methods(self, only: tuple[str, ...] = ()) -> tuple[str, ...]:
        """Those of METHODS that there is everything for; of these, `only` (none named: all)."""
        there = (name for name in METHODS if name != OMP or self.donor is not None)
        return tuple(name for name in there if not only or name in only)

    @property
    def entries(self) -> int:
        """Entries that stand for text."""
        return int((~self.tokenizer.special_V).sum())

    def facts(self, hypernet: "hypernetworks.Hypernetwork | None" = None) -> dict[str, Any]:
        """Columns that do not depend on the method."""
        facts: dict[str, Any] = {
            "target": self.label,
            "tokens_per_byte": self.store.num_tokens / self.store.num_bytes,
            "entries": self.entries,
            "overlap": 100 * len(self.match.overlap_target_N) / self.entries,
            "lost_share": self.lost_share,
        }
        if hypernet is not None and self.label in hypernet.seen:
            facts["seen"] = hypernet.seen[self.label]
        return facts


@dataclasses.dataclass(frozen=True)
class _Texts:
    """The first bytes of a corpus's training documents, as often as they are asked for."""

    corpus: Corpus
    max_bytes: int

    def __iter__(self) -> Iterator[bytes]:
        return iter(token_store.first_bytes(self.corpus.documents("train"), self.max_bytes))


def target(
    config: TransferConfig,
    base: Base,
    described: TokenizerConfig,
    workdir: Path,
    log: Log,
    *,
    donor: EmbeddingTable | None = None,
) -> Target:
    """One of the config's targets, for a base model.

    Args:
      donor: from `donor_table`, for OMP.
    """
    codec = target_tokenizers.build(described, base.corpus, workdir, log)
    tokenizer = CodecTokenizer(codec)
    return Target(
        label=described.label or codec.name,
        codec=codec,
        tokenizer=tokenizer,
        match=matching.match(base.tokenizer, tokenizer),
        store=base_models.valid_store(base, codec, workdir),
        lost_share=compressors.lost_share(codec, base.corpus, base.text.valid_bytes) or 0.0,
        auxiliary=Auxiliary(
            aux_text=_Texts(base.corpus, config.aux_bytes), svd=SVDConfig(dim=config.aux_dim)
        ),
        donor=donor,
    )


def donor_table(
    config: TransferConfig, index: int, workdir: Path, log: Log
) -> EmbeddingTable | None:
    """The table of a model trained with the target of this index; None: the config has none."""
    donors = config.donors
    if donors is None or index not in donors.targets:
        return None
    target_config = config.targets[index]
    model = dataclasses.replace(config.model, size=donors.size, steps=donors.steps)
    name = f"donor-{slug(target_config.label)}"
    donor = base_models.stored(config, model, target_config, name, config.seeds[0], workdir, log)
    return base_models.real_rows(learned.table(donor.params["vocabulary"]), donor.config.vocab_size)


def table(
    method: str, base: Base, to: Target, hypernet: "hypernetworks.Hypernetwork | None", seed: int
) -> EmbeddingTable:
    """The base model's table for the target's ids.

    Args:
      hypernet: the trained hypernetwork, for the methods that need one.
    """
    if method in (STEP_0, *HYPERNETWORKS):
        assert hypernet is not None, f"{method} needs a hypernetwork"
        params = hypernet.initial if method == STEP_0 else hypernet.params
        return hypernetworks.table(
            hypernet, params, base, to.tokenizer, to.match, copy_overlap=method == WITH_OVERLAP
        )
    auxiliary = None
    if method == OMP:
        assert to.donor is not None, f"{to.label} has no donor"
        auxiliary = Auxiliary(donor=Donor(to.donor, to.tokenizer))
    elif registry.METHODS[method].needs:
        auxiliary = to.auxiliary
    make_table = registry.make(method, auxiliary)
    return make_table(base.table, base.tokenizer, to.tokenizer, match=to.match, seed=seed)


def evaluate(base: Base, of_target: EmbeddingTable, to: Target) -> EvalTotals:
    """Exact sums over the validation text in the target's ids."""
    return base_models.evaluate(base, base.params, of_target, to.store)
