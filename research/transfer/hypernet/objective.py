"""The loss of a hypernetwork: its rows, put around a trunk, and what is asked of them."""

import dataclasses
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from research.models import language_model
from research.models.language_model import LanguageModelConfig
from research.training.parallelism import AXIS
from research.transfer.hypernet import alm
from research.transfer.hypernet.objective_config import Objective
from research.vocabularies import hypernetwork, learned
from research.vocabularies.hypernetwork import HypernetworkConfig, Layout, Packed
from research.vocabularies.hypernetwork.placement import split_rows
from research.vocabularies.table import Table


def make_loss_fn(
    model: LanguageModelConfig,
    network: HypernetworkConfig,
    layout: Layout,
    objective: Objective,
    *,
    data_shards: int = 1,
) -> Callable[[Any, dict[str, jax.Array]], tuple[jax.Array, dict[str, jax.Array]]]:
    """loss_fn(params, batch) for `research.training.loop`.

    params: {'hypernetwork', 'model': {'vocabulary', 'trunk'}} and, where a trunk is trained,
    'trunk' (then 'model/trunk' is needed only to distil). batch: from `step_batches`.

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
        if objective.distils:
            total, sums = _distilled(params, batch, table, trunk, tokens)
        else:
            total, sums = language_model.loss(
                trunk, student, _text(batch), table=table, data_shards=data_shards
            )
            sums = {name: sums[name] for name in ("nats", "tokens", "correct")}
        if objective.auxiliary:
            total += objective.auxiliary * tokens * auxiliary
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
            objective.tau,
        )
        # The mean over all chunks, however they are spread over devices, counted once a token.
        per_chunk = _over_devices(tokens) / jnp.maximum(_over_devices(chunks), 1.0)
        distilled = per_chunk * summed
        total = distilled if objective.loss == "alm" else nats + objective.alm * distilled
        sums = {"nats": nats, "tokens": tokens, "alm": distilled}
        return total, jax.lax.stop_gradient(sums)

    return loss_fn


def predicted(
    params: Any,
    network: HypernetworkConfig,
    source: Table,
    batch: dict[str, jax.Array],
    layout: Layout,
) -> tuple[Table, jax.Array]:
    """The table of a step, [R, D], rows copied that are; and the auxiliary loss.

    The auxiliary loss is the squared distance of tokens with one piece to the source's row of that
    piece, averaged over them, over the mean norm of the source's rows; the mean of input and
    output (arXiv 2405.07883, section 3.3). Copied rows do not count.
    """
    packed = Packed(*(batch[name] for name in Packed._fields))
    languages_G = batch.get("languages_G")
    made = hypernetwork.apply(params, network, source, packed, layout, languages_G)
    copies_R, offsets_R = batch["copies_GxT"].reshape(-1), batch["offsets_GxT"].reshape(-1)
    pieces_R, first_R = _pieces(packed, layout)
    single_R = ((pieces_R == 1) & (copies_R < 0) & jnp.isfinite(offsets_R)).astype(jnp.float32)
    distance = 0.0
    for rows_RxD, rows_VxD in zip(made[:2], source[:2], strict=True):
        if rows_RxD is None:
            continue
        wanted = jnp.take(rows_VxD, first_R, axis=0, mode="fill")
        squares_R = jnp.sum(jnp.square(rows_RxD - wanted), axis=-1)
        mean = _over_devices(jnp.sum(single_R * squares_R))
        mean /= jnp.maximum(_over_devices(jnp.sum(single_R)), 1.0)
        distance += mean / jnp.mean(jnp.linalg.norm(rows_VxD, axis=-1))
    distance /= 1 if made.output_VxD is None else 2

    def copied(rows_R, rows_V):
        if rows_R is None:
            return None
        own = jnp.take(rows_V, jnp.maximum(copies_R, 0), axis=0, mode="fill")
        here = (copies_R >= 0).reshape((-1,) + (1,) * (rows_R.ndim - 1))
        return jnp.where(here, own, rows_R)

    bias_R = copied(made.bias_V, source.bias_V)
    if bias_R is None and source.bias_V is not None:  # the model's bias, not predicted: its mean
        bias_R = copied(jnp.full(layout_rows(batch), jnp.mean(source.bias_V)), source.bias_V)
    bias_R = offsets_R if bias_R is None else jnp.where(
        jnp.isfinite(offsets_R), bias_R + offsets_R, -jnp.inf
    )  # fmt: skip
    rows = Table(
        copied(made.input_VxD, source.input_VxD), copied(made.output_VxD, source.output_VxD), bias_R
    )
    return jax.tree.map(_whole, rows), distance


def layout_rows(batch: dict[str, jax.Array]) -> int:
    """Rows that this device predicts."""
    return batch["copies_GxT"].size


def _text(batch):
    return {name: batch[name] for name in ("inputs_BxL", "targets_BxL", "weights_BxL")}


def _pieces(packed: Packed, layout: Layout) -> tuple[jax.Array, jax.Array]:
    """Pieces of each row's token, and the first of them."""
    from research.vocabularies.hypernetwork import encoder

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
