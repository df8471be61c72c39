"""LookUp and Permutation: tasks that only the context can solve (Tables 1 and 2).

    freevocab reproduce lexinvariant/reasoning [--scale gpu|paper]

Each model answers 1,000 prompts of each task with symbols drawn uniformly over the types of its
training text, and 1,000 with symbols drawn as often as they occur there. All models of a text get
the same prompts. How many demonstrations the paper shows is unknown: 4 here, and 1, 2 and 8 (at cpu
scale on 200 prompts). The paper has the second sampling in an appendix; its "4X" is of the first.

cpu: documentation in characters, the three models that the main tables share: 39 s
  beyond them on 2 cores. Right, uniform and by frequency: LookUp 0 and 0 % (learned),
  .1 and .6 (gaussian), 2.0 and 6.6 (canonical); Permutation 0 and 1.2, 0 and .2, 0 and 0. A copy
  of any candidate would be right 26 to 33 % of the time: half a million kernels and 600 steps
  learn next to nothing of these tasks.
hours: the models of perplexity_by_position, letters of novels; z stands for the arrow. LookUp,
  symbols uniform and by frequency: gaussian rows with n-gram heads (ours) 99.6 and 99.6 % right,
  learned rows 3.2 and 6.9, a copy of any candidate 28; Permutation 6.7 and 9.8, learned 3.0 and
  5.4, both below a copy of any candidate (33).
gpu: novels, encyclopaedia and code, characters and a 32k Unigram vocabulary, learned, gaussian and
  (characters) canonical models of 25m, shared with the other gpu tables. Not yet run.
paper: the Pile, Wiki-40B and GitHub, the 151m model, 250,000 steps. The paper, means of its six
  cells, standard and lexinvariant: uniform LookUp 27.3 and 78.3, Permutation 18.5 and 60.9; by
  frequency 62.6 and 78.1, 37.5 and 60.4. Not run here.

Shapes of the first model on 8 devices, parameters and optimizer (a test):
  gpu: 25,567,232 parameters (25,427,968 kernels), 50.86 MFLOPs/byte, 38.9 MB a device
  paper: 151,288,832 parameters (150,994,944 kernels), 301.99 MFLOPs/byte, 77.4 MB a device
"""

from dataclasses import dataclass, replace

from configs.lexinvariant import presets
from configs.shared import DOCUMENTATION, QUICK_TEXT, ModelConfig, TextConfig, Weights


@dataclass(frozen=True)
class Config:
    """Models on texts, and prompts."""

    texts: tuple[TextConfig, ...]
    """Each with every model."""
    models: tuple[ModelConfig, ...]
    """Compared with the learned one of the same ids, which comes first."""
    examples: int = 1_000
    """Prompts of each task and sampling, with four demonstrations."""
    other_examples: int = 1_000
    """The same with one, two and eight."""
    batch_size: int = 100
    """Prompts that run together."""
    resamples: int = 2_000
    """Of the bootstrap."""
    seed: int = 0
    """Training, prompts, draws and resamples."""
    weights: Weights = ""
    """Where trained models come from; see `experiments.shared.weights`."""


def cpu() -> Config:
    """The shared models."""
    return Config(texts=(DOCUMENTATION,), models=presets.CPU_MODELS, other_examples=200)


def hours() -> Config:
    """The models of perplexity_by_position: letters of novels, z for the arrow."""
    return Config(**presets.HOURS, other_examples=200)


def gpu() -> Config:
    """Three kinds of text, two kinds of ids."""
    return Config(**presets.GPU, batch_size=20)


def paper() -> Config:
    """The paper's texts and model."""
    return Config(**presets.PAPER, batch_size=20)


def quick() -> Config:
    """Seconds, for tests."""
    return Config(
        texts=(QUICK_TEXT,),
        models=(
            replace(presets.QUICK_MODEL, vocabulary="learned"),
            replace(presets.QUICK_MODEL, vocabulary="gaussian"),
            replace(presets.QUICK_MODEL, vocabulary="canonical", options=(("slots", 128),)),
        ),
        examples=8,
        other_examples=8,
        batch_size=8,
        resamples=50,
    )
