"""Perplexity by position: standard against lexinvariant, with floors (Figures 3 and 7).

    freevocab reproduce lexinvariant/perplexity_by_position [--scale gpu|paper]

Held-out text is cut into sequences. The perplexity of a window is P(x_i..x_i+99 | x_1..x_i-1) to
the power -1/100, averaged over sequences; the figure's x is i. Under the models: in-context n-grams
of orders 0 to 5, gzip and xz of each prefix, the uniform distribution, and what a key costs.

cpu: documentation, three models of half a million kernels for 600 steps of 8 x 256, of code the
  floors alone. Mean perplexity at i = 1 and 150: learned 9.7 and 10.9, canonical 42.2 and 28.0,
  gaussian 96.5 and 85.6 (16 draws: 77.3 and 68.1), best in-context n-gram 45.3 and 19.0. 4.5
  minutes on 2 cores, the training of the shared models in it.
hours: letters of novels, 27 symbols; learned, gaussian and canonical models of four layers and, for
  comparison and ours, gaussian and orthogonal ones of two layers with n-gram heads, which know
  where the last ids stood before (`configs.lexinvariant.presets`). So far, at i = 1 and 413:
  learned (18.4 M letters) 3.5 and 3.3, gaussian with n-gram heads (8.6 M letters) 20.2 and 12.8,
  four draws averaged 19.6 and 12.2, the best in-context n-gram 12.6.
gpu: 25,567,232 parameters (25,427,968 kernels), 50.86 MFLOPs/byte, 38.9 MB a device
  (eight devices, characters, learned). Novels, encyclopaedia and code, characters and a 32k Unigram
  vocabulary, learned, gaussian and (characters) canonical models of 25m, shared with the other gpu
  tables. Not yet run.
paper: 151,288,832 parameters (150,994,944 kernels), 301.99 MFLOPs/byte, 77.4 MB a device
  (likewise). The Pile, Wiki-40B and GitHub, the 151m model, 250,000 steps. The paper, characters:
  28.1 at i = 1 and 4.12 at 413 on the Pile (standard 2.86 and 2.20), 19.7 and 3.12 on Wiki-40B,
  23.2 and 2.11 on GitHub. Not run here.
The paper's curves are means of perplexities, which a few hard sequences dominate, over 100
sequences (a standard deviation of a half of the mean at 1); ours have the mean log-loss too.
"""

from dataclasses import dataclass, replace

from configs.lexinvariant import presets
from configs.shared import DOCUMENTATION, QUICK_TEXT, ModelConfig, TextConfig, Weights


@dataclass(frozen=True)
class Config:
    """Models on texts, and floors."""

    texts: tuple[TextConfig, ...]
    """Each with every model and every floor."""
    models: tuple[ModelConfig, ...]
    """The learned one of the same ids is what the others lose over."""
    floor_texts: tuple[TextConfig, ...] = ()
    """With the floors alone."""
    num_sequences: int = 100
    """Sequences of the models' length, spread evenly over the held-out text."""
    window: int = 100
    """Positions of a window."""
    order: int = 5
    """Of the longest in-context n-gram."""
    draws: tuple[int, ...] = (1, 4, 16)
    """For vocabularies that are drawn, the numbers of draws whose predictions are averaged."""
    batch_size: int = 20
    """Sequences that are evaluated together."""
    seed: int = 0
    """Training and draws."""
    weights: Weights = ""
    """Where trained models come from; see `experiments.shared.weights`."""
    only: tuple[str, ...] = ()
    """Folder names of the models that are trained and evaluated ('gaussian-n-gram-heads'); empty:
    all."""


def cpu() -> Config:
    """The shared models; of code the floors alone."""
    return Config(texts=(DOCUMENTATION,), models=presets.CPU_MODELS, floor_texts=(presets.CODE,))


def hours() -> Config:
    """Letters of novels, and the rows with n-gram heads (ours)."""
    return Config(**presets.HOURS, draws=(1, 4))


def gpu() -> Config:
    """Three kinds of text, two kinds of ids."""
    return Config(**presets.GPU)


def paper() -> Config:
    """The paper's texts and model."""
    return Config(**presets.PAPER)


def quick() -> Config:
    """Seconds, for tests."""
    return Config(
        texts=(QUICK_TEXT,),
        models=presets.vocabularies(presets.QUICK_MODEL),
        floor_texts=(replace(QUICK_TEXT, name="made up too"),),
        num_sequences=6,
        window=8,
        order=2,
        draws=(1, 2),
        batch_size=4,
    )
