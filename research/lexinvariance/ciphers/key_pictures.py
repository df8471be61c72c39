"""Pictures of a posterior over letters: how it sharpens with context (Figures 5 and 6)."""

import os
from collections.abc import Mapping

import numpy as np

from research import files


def save(
    path: str | os.PathLike, title: str, letters: np.ndarray, matrices: Mapping[str, np.ndarray]
) -> None:
    """Draws matrices of log-probabilities side by side, as a PNG.

    Args:
      letters: ids of the letters, ASCII; rows (true letter) and columns (letter read) are named.
      matrices: caption -> float [N, N] in nats; NaN is drawn grey.
    """
    from matplotlib import colormaps
    from matplotlib.figure import Figure

    names = [chr(97 + n) for n in range(len(letters))]
    colours = colormaps["viridis"].with_extremes(bad="lightgrey")
    count = max(1, len(matrices))
    figure = Figure(figsize=(3.2 * count, 3.6), layout="constrained")
    plots = figure.subplots(1, count, squeeze=False)[0]
    image = None
    for plot, (caption, matrix) in zip(plots, matrices.items(), strict=False):
        image = plot.imshow(np.exp(matrix), cmap=colours, vmin=0, vmax=1)
        plot.set_title(caption, fontsize="small")
        plot.set_xticks(range(len(names)), names, fontsize=5)
        plot.set_yticks(range(len(names)), names, fontsize=5)
    plots[0].set(xlabel="letter read", ylabel="true letter")
    if image is not None:
        figure.colorbar(image, ax=list(plots), shrink=0.8)
    figure.suptitle(title)
    with files.atomic_path(path) as temporary:
        figure.savefig(temporary, format="png", dpi=90, metadata={"Software": None})


def save_candidates(
    path: str | os.PathLike,
    title: str,
    places_N: np.ndarray,
    candidates: Mapping[str, np.ndarray],
    truth: str,
) -> None:
    """Draws what one cipher symbol is taken for where it occurs, as a PNG (Figure 6).

    Args:
      places_N: positions of the symbol.
      candidates: letter -> its probability at each place, [N].
      truth: the letter that the symbol means, drawn thicker.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7, 3.6), layout="constrained")
    plot = figure.subplots()
    for letter, values_N in candidates.items():
        plot.plot(places_N, values_N, marker="o", label=letter, linewidth=1 + 2 * (letter == truth))
    plot.set(title=title, xlabel="position", ylabel="probability", ylim=(0, 1))
    plot.legend(title=f"in truth {truth}", fontsize="small")
    plot.grid(alpha=0.3)
    with files.atomic_path(path) as temporary:
        figure.savefig(temporary, format="png", dpi=90, metadata={"Software": None})
