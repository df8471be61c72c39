"""Windows of held-out sequences: their perplexity by models and floors, the paper's, a picture.

No floor (`floors_of`) has seen any other text. The n-grams and the uniform distribution know how
many ids there are, BOS and EOS (which do not occur) left out. Rows have columns "start N".
"""

import math
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np

from research.codecs.protocol import Codec
from research.errors import UsageError
from research.lexinvariance import baselines, ngrams
from research.reporting import plots
from research.reporting.tables import Row
from research.training.data.token_store import TokenStore

PAPERS, STANDARD = "gaussian", "learned"
STARTS = (1, 25, 50, 100, 150, 200, 250, 300, 350, 400, 413)
KINDS = {  # of the texts that rows name
    "novels": "general English",
    "the Pile": "general English",
    "Wiki-40B": "encyclopaedia",
    "GitHub": "code",
}
ORDER = "n-gram, order "
UNIFORM = "uniform"
NEW_ALONE = "new ids alone"
"""ln(V - k) at ids that have not occurred, nothing at others: an exactly lexinvariant model gives
all ids that have not occurred the same probability, so none can be below this anywhere."""
KEY = "learned + key"
"""The learned model's loss and, at new ids, ln(V - k): a key, told as it is needed. The ideal
lexinvariant counterpart of the learned model loses no more than this from the start up to any
position, on every sequence (so also in the first window; later windows may differ)."""


class Sequences(NamedTuple):
    """What every model and floor is evaluated on."""

    ids_NxL: np.ndarray
    """int32, without BOS and EOS."""
    vocab_size: int
    """Ids of the codec, BOS and EOS not counted."""
    codec: Codec
    """Gives their text."""
    starts: tuple[int, ...]
    """The first positions of windows, from 1, of STARTS those whose windows fit."""
    window: int
    """Positions of a window."""

    @classmethod
    def of(cls, store: TokenStore, codec: Codec, config, length: int) -> "Sequences":
        """config.num_sequences of the store's text, without EOS, spread evenly over it.

        Fewer, if the text has no more.

        Raises:
          UsageError: if it has not one, or the sequences are shorter than a window.
        """
        text_T = store.ids[store.ids < codec.vocab_size]
        rows_NxL = text_T[: len(text_T) // length * length].reshape(-1, length)
        if not len(rows_NxL):
            raise UsageError(f"the validation text has no {length} ids: raise valid_bytes")
        if length < config.window:
            raise UsageError(f"sequences of {length} have no window of {config.window}")
        count = min(config.num_sequences, len(rows_NxL))
        chosen_N = np.arange(count) * len(rows_NxL) // count
        starts = tuple(start for start in STARTS if start - 1 + config.window <= length)
        return cls(rows_NxL[chosen_N].astype(np.int32), codec.vocab_size, codec, starts,
                   config.window)


def row_of(
    sequences: Sequences, nats: np.ndarray, standard_NxL: np.ndarray | None
) -> dict[str, Any]:
    """A row's figures.

    Args:
      nats: of positions, [N, L]; or sums over each window, [N, windows], which say nothing of
        single ids.
      standard_NxL: the learned model's nats, for excess_bits.
    """
    starts, window = sequences.starts, sequences.window
    by_position = nats.shape == sequences.ids_NxL.shape
    sums_NxW = nats
    if by_position:
        sums_NxW = np.stack(
            [nats[:, start - 1 : start - 1 + window].sum(axis=1) for start in starts], axis=1
        )
    perplexity_NxW = np.exp(sums_NxW / window)
    row: dict[str, Any] = {
        f"start {start}": float(perplexity_NxW[:, index].mean())
        for index, start in enumerate(starts)
    }
    row["spread_first"] = float(perplexity_NxW[:, 0].std())
    row["spread_last"] = float(perplexity_NxW[:, -1].std())
    row["nats_last"] = float(sums_NxW[:, -1].mean() / window)
    row["sequences"] = len(nats)
    if not by_position:
        return row
    new_NxL = baselines.novel(sequences.ids_NxL)
    row["nats"] = float(nats.mean())
    row["nats_seen"] = float(nats[~new_NxL].mean())
    row["nats_new"] = float(nats[new_NxL].mean())
    if standard_NxL is not None:
        excess_N = (nats - standard_NxL).sum(axis=1) / math.log(2)
        row["excess_bits"] = float(excess_N.mean())
    return row


def floors_of(config, sequences: Sequences) -> dict[str, np.ndarray]:
    """Name -> nats of positions [N, L]; of compressors, sums over each window [N, windows]."""
    ids_NxL, vocab_size = sequences.ids_NxL, sequences.vocab_size
    by_order = ngrams.nats(ids_NxL, vocab_size=vocab_size, order=config.order)
    floors = {f"{ORDER}{order}": nats_NxL for order, nats_NxL in enumerate(by_order)}
    for method in baselines.COMPRESSORS:
        floors[method] = _compressed(sequences, method)
    floors[UNIFORM] = np.full(ids_NxL.shape, math.log(vocab_size))
    floors[NEW_ALONE] = baselines.key_nats(ids_NxL, vocab_size=vocab_size)
    return floors


def _compressed(sequences: Sequences, method: Literal["gzip", "xz"]) -> np.ndarray:
    """Growth of the compressed size over each window, in nats, [N, windows]."""
    ends = [start - 1 + sequences.window for start in sequences.starts]
    lengths = sorted({0, *ends, *(start - 1 for start in sequences.starts)})
    prefixes = [ids_L[:length] for ids_L in sequences.ids_NxL for length in lengths]
    bits = baselines.compressed_bits(sequences.codec.decode(prefixes), method)
    bits_NxP = bits.reshape(-1, len(lengths))
    column = {length: index for index, length in enumerate(lengths)}
    grown = [
        bits_NxP[:, column[end]] - bits_NxP[:, column[start - 1]]
        for start, end in zip(sequences.starts, ends, strict=True)
    ]
    return np.stack(grown, axis=1) * math.log(2)


# The paper's curves, and ours in short and drawn.


def _paper(model: str, text: str, ids: str, values: tuple, **others) -> dict[str, Any]:
    starts = dict(zip((f"start {start}" for start in STARTS), values, strict=True))
    return {
        "model": model, "kind": kind(text, ids), "text": text, **starts, "sequences": 100,
        **others,
    }  # fmt: skip


def kind(text: str, ids: str) -> str:
    """The kind of a text and of its ids: a panel of the plot."""
    return f"{KINDS.get(text, text)}, {ids}"


# Read off Figures 3 and 7; errors are below half a percent of the axis.
PAPER_ROWS: list[dict[str, Any]] = [
    _paper(
        "learned", "the Pile", "characters",
        (2.86, 2.59, 2.54, 2.39, 2.30, 2.26, 2.27, 2.31, 2.32, 2.25, 2.20), spread_last=0.64,
    ),
    _paper(
        "gaussian", "the Pile", "characters",
        (28.1, 16.7, 12.1, 7.71, 5.99, 5.05, 4.56, 4.51, 4.48, 4.26, 4.12),
        spread_first=14.05, spread_last=2.62,
    ),
    _paper(
        "gaussian", "Wiki-40B", "characters",
        (19.7, 11.2, 8.05, 5.62, 4.13, 3.62, 3.34, 3.23, 3.23, 3.13, 3.12),
    ),
    _paper(
        "gaussian", "GitHub", "characters",
        (23.2, 13.4, 8.39, 4.55, 3.23, 2.68, 2.42, 2.32, 2.17, 2.19, 2.11),
    ),
    _paper(
        "learned", "the Pile", "unigram",
        (26.0, 23.5, 22.7, 21.1, 20.0, 19.5, 19.4, 19.8, 20.2, 19.3, 18.9),
    ),
    _paper(
        "gaussian", "the Pile", "unigram",
        (9840, 6694, 5384, 3830, 3486, 2981, 2589, 2545, 2592, 2516, 2288),
    ),
    _paper(
        "gaussian", "Wiki-40B", "unigram",
        (8400, 6718, 5823, 4053, 3170, 2768, 2539, 2352, 2323, 2320, 2101),
    ),
    _paper(
        "gaussian", "GitHub", "unigram",
        (2293, 1273, 689, 416, 318, 237, 300, 383, 274, 301, 237),
    ),
]  # fmt: skip


def curve(row: Row) -> dict[int, float]:
    """Start of the window -> figure, of a row with columns "start N"."""
    figures = {
        int(match[1]): value
        for name, value in row.items()
        if value is not None and (match := re.fullmatch(r"start (\d+)", name))
    }
    return dict(sorted(figures.items()))


def is_floor(model: str) -> bool:
    """Is a row of n-grams that know the sequence alone, or of a compressor?"""
    return model.startswith(ORDER) or model in ("gzip", "xz")


COLOURS = {STANDARD: "tab:blue", PAPERS: "tab:orange", "canonical": "tab:green"}
OTHERS = ("tab:purple", "tab:brown", "tab:pink", "tab:olive")
FLOORS = "best of {} floors: n-grams counted in the sequence, gzip, xz"
NAMES = {
    STANDARD: "learned (standard)",
    PAPERS: "gaussian (the paper's)",
    "canonical": "canonical (ours)",
}
THEIR_TEXT = "the Pile"


def _kind(rows: Sequence[Row]) -> str:
    """The first kind of text on which models were trained."""
    trained = [row["kind"] for row in rows if row["model"] == PAPERS]
    return trained[0] if trained else rows[0]["kind"]


def papers_rows(paper_rows: Sequence[Row]) -> list[Row]:
    """The paper's curves on one text, of characters."""
    return [
        row for row in paper_rows
        if row["text"] == THEIR_TEXT and row["kind"].endswith("characters")
    ]


def _models(rows: Sequence[Row]) -> list[Row]:
    """One curve for each vocabulary: averages over draws are in the report."""
    return [row for row in rows if not row["floor"] and " draws" not in row["model"]]


def floor(rows: Sequence[Row]) -> Row | None:
    """What n-grams that know the sequence alone, gzip and xz come to: the least at each start."""
    curves = [curve(row) for row in rows if is_floor(row["model"])]
    if not curves:
        return None
    least = {f"start {at}": min(values[at] for values in curves) for at in curves[0]}
    return {"model": FLOORS.format(len(curves)), **least}


def summary(rows: Sequence[Row], paper_rows: Sequence[Row]) -> tuple[list[str], list[Row]]:
    """(columns, lines): perplexity in the first window, at 50, at 150 and in the last one."""
    here = [row for row in rows if row["kind"] == _kind(rows)]
    uniform = [row for row in here if row["model"] == "uniform"]
    shown = [*_models(here), *filter(None, [floor(here)]), *uniform]
    places = [at for at in (1, 50, 150) if at in curve(shown[0])]
    places += [at for at in list(curve(shown[0]))[-1:] if at not in places]
    paper = {row["model"]: curve(row) for row in papers_rows(paper_rows)}
    lines = []
    for row in shown:
        line = {"model": NAMES.get(row["model"], row["model"])}
        line |= {f"start {at}": round(curve(row)[at], 1) for at in places}
        theirs = [paper.get(row["model"], {}).get(at) for at in places]
        known = [f"{value:.3g}" for value in theirs if value is not None]
        lines.append(line | {f"paper ({THEIR_TEXT})": " / ".join(known) or None})
    return list(lines[0]), lines


def picture(path: Path, title: str, rows: Sequence[Row], paper_rows: Sequence[Row]) -> bool:
    """Perplexity by the start of the window; the paper's curves are dashed."""
    kind = _kind(rows)
    here = [row for row in rows if row["kind"] == kind]
    with plots.canvas(path, (9, 5.5)) as figure:
        plot = figure.subplots()
        spare = iter(OTHERS)
        for row in _models(here):
            name = row["model"]
            colour = COLOURS.get(name) or next(spare, "black")
            _curve(plot, row, f"{name}, ours", color=colour, linewidth=2, marker="o", markersize=4)
        if best := floor(here):
            label = best["model"].replace(": ", ":\n", 1)
            _curve(plot, best, label, color="black", linewidth=1.5)
        for row in here:
            if row["model"] == "uniform":
                _curve(plot, row, "uniform", color="grey", linewidth=1, linestyle=":")
        for row in papers_rows(paper_rows):
            style = {"color": COLOURS[row["model"]], "linewidth": 1, "linestyle": "--"}
            _curve(plot, row, f"{row['model']}, paper", **style)
        plot.set_yscale("log")
        plot.set(title=f"{title}\n{kind}", xlabel="start of the window", ylabel="perplexity")
        ticks = [value for value in (2, 5, 10, 20, 50, 100) if plot.get_ylim()[0] < value]
        plot.set_yticks(ticks, [f"{value}" for value in ticks])
        plot.set_yticks([], minor=True)
        plot.grid(alpha=0.3)
        figure.legend(loc="outside right upper", fontsize=9, frameon=False)
    return True


def _curve(plot: Any, row: Row, label: str, **style: Any) -> None:
    values = curve(row)
    plot.plot(list(values), list(values.values()), label=label, **style)
