"""The losses of a hypernetwork: its rows around a trunk, and the first stage of zett's form.

`make_loss_fn` puts predicted rows around a language model. `make_identity_loss_fn` is the first
stage of zett's form: the source's own rows, predicted from their own piece (arXiv 2405.07883,
section 3.3, "MIMICK-style warm-up": 10,000 steps of 16,384 random ids). The residual form needs
none: it starts there.
"""

import dataclasses
from collections.abc import Callable
from typing import Any, Literal

import jax
import jax.numpy as jnp

from research.errors import UsageError
from research.models import language_model
from research.models.language_model import LanguageModelConfig
from research.training.config import check_least
from research.training.parallelism import AXIS
from research.transfer.hypernet import alm
from research.vocabularies import hypernetwork, learned
from research.vocabularies.hypernetwork import HypernetworkConfig, Layout, Packed, encoder
from research.vocabularies.hypernetwork.encoder import split_rows
from research.vocabularies.protocol import EmbeddingTable


@dataclasses.dataclass(frozen=True)
class HypernetLossConfig:
    """The terms of the loss, and which rows it sees."""

    loss: Literal["lm", "alm", "both"] = "lm"
    """lm: language modelling (or masked language modelling) through the frozen trunk; alm:
    distillation from the model with its own tokenizer; both: their sum."""
    auxiliary: float = 0.5
    """Weight of the pull of tokens with one piece to the source's row of that piece."""
    alm: float = 1.0
    """Weight of the distillation where both are used."""
    tau: float = 100.0
    """Temperature of the distillation."""
    sampled_rows: int = 0
    """Softmax over this many entries: those of the batch and others drawn uniformly, weighed up so
    that the sum is right in the mean; 0: over the whole vocabulary."""
    copy_overlap: bool = False
    """Tokens with one piece take the source's row instead of a prediction."""
    masked_share: float = 0.15
    """Masked language models: share of the ids that are hidden."""
    train_trunk: bool = False
    """n-shot: a copy of the trunk is trained as well."""
    margin: float = 0.1
    """Room in the packed layout above what the first tokenizers need."""

    def __post_init__(self):
        check_least(self, auxiliary=0, alm=0, tau=1e-6, sampled_rows=0, margin=0)
        if self.loss not in ("lm", "alm", "both"):
            raise UsageError(f"loss must be lm, alm or both, not {self.loss!r}")
        if not 0 < self.masked_share < 1:
            raise UsageError(f"masked_share must lie between 0 and 1, not {self.masked_share}")

    @property
    def distils(self) -> bool:
        """Is the teacher run at all?"""
        return self.loss != "lm"


def make_loss_fn(
    model: LanguageModelConfig,
    network: HypernetworkConfig,
    layout: Layout,
    config: HypernetLossConfig,
    *,
    data_shards: int = 1,
) -> Callable[[Any, dict[str, jax.Array]], tuple[jax.Array, dict[str, jax.Array]]]:
    """loss_fn(params, batch) for `research.training.loop`.

    params: {'hypernetwork', 'model': {'vocabulary', 'trunk'}} and, where a trunk is trained,
    'trunk' (then 'model/trunk' is needed only to distil). batch: from `HypernetBatches`.

    The sums: 'tokens'; 'nats' of the language modelling; 'auxiliary' and 'alm', times tokens, so
    that a log shows their means.
    """
    student = dataclasses.replace(
        model, vocab_size=layout.rows, padded_vocab_size=layout.rows, bos=None, eos=None
    )

    def loss_fn(params, batch):
        source = learned.table(params["model"]["vocabulary"])
        table, auxiliary = predicted(params["hypernetwork"], network, source, batch, layout)
        trunk = {"trunk": params["trunk"] if "trunk" in params else params["model"]["trunk"]}
        tokens = jnp.sum(batch["weights_BxL"])
        if config.distils:
            total, sums = _distilled(params, batch, table, trunk, tokens)
        else:
            total, sums = language_model.loss(
                trunk, student, _text(batch), table=table, data_shards=data_shards
            )
            sums = {name: sums[name] for name in ("nats", "tokens", "correct")}
        if config.auxiliary:
            total += config.auxiliary * tokens * auxiliary
            sums["auxiliary"] = jax.lax.stop_gradient(tokens * auxiliary)
        return total, sums

    def _distilled(params, batch, table, trunk, tokens):
        losses = language_model.token_losses(trunk, student, _text(batch), table=table)
        nats = jnp.sum(batch["weights_BxL"] * losses.nats_BxL)
        taught = language_model.token_losses(
            jax.lax.stop_gradient(params["model"]),
            model,
            {
                "inputs_BxL": batch["teacher_inputs_BxS"],
                "targets_BxL": batch["teacher_targets_BxS"],
            },
        )
        summed, chunks = alm.chunk_losses(
            -taught.nats_BxL,
            -losses.nats_BxL,
            batch["teacher_chunks_BxS"],
            batch["chunks_BxL"],
            config.tau,
        )
        # The mean over all chunks, however they are spread over devices, counted once a token.
        per_chunk = _over_devices(tokens) / jnp.maximum(_over_devices(chunks), 1.0)
        distilled = per_chunk * summed
        total = distilled if config.loss == "alm" else nats + config.alm * distilled
        sums = {"nats": nats, "tokens": tokens, "alm": distilled}
        return total, jax.lax.stop_gradient(sums)

    return loss_fn


def predicted(
    params: Any,
    network: HypernetworkConfig,
    source: EmbeddingTable,
    batch: dict[str, jax.Array],
    layout: Layout,
) -> tuple[EmbeddingTable, jax.Array]:
    """The table of a step, [R, D], rows copied that are; and the auxiliary loss.

    The auxiliary loss is the squared distance of tokens with one piece to the source's row of that
    piece, averaged over them, over the mean norm of the source's rows; the mean of input and
    output (arXiv 2405.07883, section 3.3). Copied rows do not count.
    """
    packed = Packed(*(batch[name] for name in Packed._fields))
    languages_G = batch.get("languages_G")
    rows = hypernetwork.apply(params, network, source, packed, layout, languages_G)
    copies_R, offsets_R = batch["copies_GxT"].reshape(-1), batch["offsets_GxT"].reshape(-1)
    pieces_R, first_R = _pieces(packed, layout)
    single_R = ((pieces_R == 1) & (copies_R < 0) & jnp.isfinite(offsets_R)).astype(jnp.float32)
    distance = jnp.zeros(())
    for rows_RxD, rows_VxD in zip(rows[:2], source[:2], strict=True):
        if rows_RxD is None:
            continue
        own_RxD = jnp.take(rows_VxD, first_R, axis=0, mode="fill")
        squares_R = jnp.sum(jnp.square(rows_RxD - own_RxD), axis=-1)
        mean = _over_devices(jnp.sum(single_R * squares_R))
        mean /= jnp.maximum(_over_devices(jnp.sum(single_R)), 1.0)
        distance += mean / jnp.mean(jnp.linalg.norm(rows_VxD, axis=-1))
    distance /= 1 if rows.output_VxD is None else 2

    def copied(rows_R, rows_V):
        if rows_R is None:
            return None
        own = jnp.take(rows_V, jnp.maximum(copies_R, 0), axis=0, mode="fill")
        here = (copies_R >= 0).reshape((-1,) + (1,) * (rows_R.ndim - 1))
        return jnp.where(here, own, rows_R)

    bias_R = copied(rows.bias_V, source.bias_V)
    if bias_R is None and source.bias_V is not None:  # the model's bias, not predicted: its mean
        bias_R = copied(jnp.full(copies_R.size, jnp.mean(source.bias_V)), source.bias_V)
    bias_R = offsets_R if bias_R is None else jnp.where(
        jnp.isfinite(offsets_R), bias_R + offsets_R, -jnp.inf
    )  # fmt: skip
    table = EmbeddingTable(
        copied(rows.input_VxD, source.input_VxD), copied(rows.output_VxD, source.output_VxD), bias_R
    )
    return jax.tree.map(_whole, table), distance


def _text(batch):
    return {name: batch[name] for name in ("inputs_BxL", "targets_BxL", "weights_BxL")}


def _pieces(packed: Packed, layout: Layout) -> tuple[jax.Array, jax.Array]:
    """Pieces of each row's token, and the first of them."""
    spans = encoder.spans_of(layout.widths, layout.tokens)
    counts = encoder.token_sums(packed.counts_GxN, spans).reshape(-1)
    return counts, encoder.first_slots(packed.ids_GxN, spans).reshape(-1)


def _under_pmap() -> bool:
    """Is this traced once for every device, rather than once for all of them?"""
    try:
        jax.lax.axis_index(AXIS)
    except NameError:
        return False
    return True


def _over_devices(value: jax.Array) -> jax.Array:
    """The sum over devices of what each has counted."""
    return jax.lax.psum(value, AXIS) if _under_pmap() else value


def _whole(rows_R: jax.Array) -> jax.Array:
    """All rows on every device (of a column of the mesh)."""
    if _under_pmap():
        return jax.lax.all_gather(rows_R, AXIS, axis=0, tiled=True)
    return split_rows(rows_R)


def make_identity_loss_fn(network: HypernetworkConfig, layout: Layout) -> Callable[[Any, Any], Any]:
    """loss_fn(params, batch): squared distances to the source's rows, summed over D and tokens,
    the mean of input and output. params: {'hypernetwork', 'model': {'vocabulary'}}."""

    def loss_fn(params, batch):
        source = learned.table(params["model"]["vocabulary"])
        packed = Packed(*(batch[name] for name in Packed._fields))
        languages_G = None
        if network.languages:
            languages_G = jnp.zeros(packed.ids_GxN.shape[0], jnp.int32)
        rows = hypernetwork.apply(
            params["hypernetwork"], network, source, packed, layout, languages_G
        )
        ids_R = packed.ids_GxN.reshape(-1)
        total, parts = 0.0, 0
        for rows_RxD, rows_VxD in zip(rows[:2], source[:2], strict=True):
            if rows_RxD is not None:
                own_RxD = jnp.take(rows_VxD, ids_R, axis=0, mode="fill")
                total, parts = total + jnp.sum(jnp.square(rows_RxD - own_RxD)), parts + 1
        if network.bias:
            own_R = jnp.take(source.bias_V, ids_R, mode="fill")
            total += jnp.sum(jnp.square(rows.bias_V - own_R))
        return total / parts, {"tokens": jnp.asarray(ids_R.size, jnp.float32)}

    return loss_fn
