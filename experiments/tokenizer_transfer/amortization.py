"""FLOPs of the hypernetwork and of its model: of a token, of a step, and with packing."""

import dataclasses
import functools
from pathlib import Path

import jax
import numpy as np

from configs.tokenizer_transfer.amortization import Config
from experiments.shared import language_models
from experiments.shared.tables import Log, Row, remarks_on, with_corpus
from experiments.tokenizer_transfer import target_tokenizers
from research.codecs.codec_tokenizer import CodecTokenizer
from research.models import language_model, sizes
from research.models.language_model import LanguageModelConfig
from research.training.compile import matmul_flops
from research.vocabularies import hypernetwork
from research.vocabularies.hypernetwork import HypernetworkConfig, Layout
from research.vocabularies.hypernetwork.network import flops

TITLE = "FLOPs of a hypernetwork beside its model's (the paper's amortization)"
COLUMNS = ("model", "layout", "mflops_per_token", "mflops_per_row", "share", "pieces", "filled",
           "step_tflops", "network_tflops", "ratio")  # fmt: skip
MEANING = {
    "model": "the size of the model whose tokenizer is exchanged",
    "layout": "how entries are laid out for the network",
    "mflops_per_token": "of the model, forward",
    "mflops_per_row": "of the hypernetwork, forward, for one predicted entry",
    "share": "% that mflops_per_row is of mflops_per_token",
    "pieces": "of a token, mean",
    "filled": "% of slots that hold one",
    "step_tflops": (
        "of a training step of batch x length ids, the model's (frozen: forward, and backward"
        " to its inputs)"
    ),
    "network_tflops": "of the same step, the hypernetwork's",
    "ratio": "network_tflops over step_tflops",
}
PAPER_ROWS: list[Row] = [
    {"model": "mistral-7b", "mflops_per_token": 15_400.0, "mflops_per_row": 132.1, "share": 0.9}
]


def run(config: Config, *, workdir: Path, log: Log) -> list[Row]:
    """A row for each model and layout; nothing is computed but shapes."""
    corpus = language_models.load_corpus(config.text)
    source = CodecTokenizer(target_tokenizers.build(config.tokenizer, corpus, workdir, log))
    target = target_tokenizers.build(config.target, corpus, workdir, log)
    counts_T = source.decompose([token for token in target.token_bytes() or () if token]).counts_T
    counts_T = counts_T[: config.entries]
    rows = []
    for name in config.models:
        model = LanguageModelConfig(sizes.size(name), config.vocab_size)
        per_token = _model_flops(model, 1, config.length) / config.length
        step = 2 * _model_flops(model, config.batch_size, config.length)
        network = HypernetworkConfig(model.trunk.d_model, tied=False, max_slots=config.slots)
        for label, layout in _layouts(config, counts_T):
            forward = flops(network, layout)
            rows.append(
                {
                    "group": name,
                    "model": name,
                    "layout": label,
                    "mflops_per_token": per_token / 1e6,
                    "mflops_per_row": forward / layout.rows / 1e6,
                    "share": 100 * forward / layout.rows / per_token,
                    "pieces": float(counts_T.mean()),
                    "filled": 100 * float(np.minimum(counts_T, config.slots).sum())
                    / (layout.groups * layout.slots),
                    "step_tflops": step / 1e12,
                    "network_tflops": 3 * forward / 1e12,
                    "ratio": 3 * forward / step,
                }
            )
            log(f"{name}, {label}: a step of the network is {3 * forward / step:.2f} of the model")
    return with_corpus(rows, corpus)


def _layouts(config, counts_T) -> list[tuple[str, Layout]]:
    """zett's rectangle, and ours."""
    packed = hypernetwork.layout_for([counts_T], rows=len(counts_T), max_slots=config.slots)
    padded = dataclasses.replace(packed, widths=(config.slots,), tokens=(len(counts_T),))
    return [(f"padded to {config.slots}", padded), ("packed by length", packed)]


def _model_flops(model: LanguageModelConfig, batch: int, length: int) -> int:
    """Matrix multiplications of a forward pass, readout included."""
    ids = jax.ShapeDtypeStruct((batch, length), np.int32)
    params = jax.eval_shape(functools.partial(language_model.init, config=model), jax.random.key(0))
    traced = jax.make_jaxpr(
        lambda params, ids: language_model.loss(
            params, model, {"inputs_BxL": ids, "targets_BxL": ids}
        )[0]
    )(params, ids)
    return matmul_flops(traced)


def remarks(rows: list[Row]) -> list[str]:
    """The paper's 0.9 %, and what training costs."""
    lines = []
    for row in rows:
        if row["layout"].startswith("packed"):
            padded = next(r for r in rows if r["model"] == row["model"] and r is not row)
            lines.append(
                f"{row['model']}: a predicted row costs {padded['share']:.1f} % of a token of the"
                f" model padded, {row['share']:.1f} % packed; a training step {padded['ratio']:.2f}"
                f" and {row['ratio']:.2f} times the model's"
            )
    lines.append(
        "the paper has 0.9 % for Mistral-7B. Its 132 MFLOPs a row are less than one"
        " multiplication for each of its hypernetwork's 673 M weights, so rows must be counted in"
        " another way; ours are all matrix products of one row, which serve every later use of it"
    )
    return remarks_on(rows, *lines)
