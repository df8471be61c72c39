"""What the paper's Figures 3 and 7 show: perplexity by the start of a window, for each text."""

from typing import Any

STARTS = (1, 25, 50, 100, 150, 200, 250, 300, 350, 400, 413)
KINDS = {  # of the texts that rows name
    "novels": "general English",
    "the Pile": "general English",
    "Wiki-40B": "encyclopaedia",
    "GitHub": "code",
}


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
