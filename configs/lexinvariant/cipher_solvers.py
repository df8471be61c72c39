"""The same ciphers, by length, for every way to solve them (ours; the paper has no baseline).

    freevocab reproduce lexinvariant/cipher_solvers [--scale gpu|paper]

Held-out text in small letters under keys never seen, 16 to 512 enciphered symbols, spaces in the
clear (26 letters enciphered) or enciphered too (27). `model only`: a canonical lexinvariant model
of letters and a probe on it (`research.lexinvariance.probe`), read in three ways. `n-grams only`:
letter n-grams counted on the same training text. `both`: the probe's posterior starts and steers
the climber. PyPI's `subbreaker` (quadgrams of its own, spaces left out, at most 200 rounds, a few
texts from length 64 on) is a row where it is installed.

cpu: documentation, 16 texts of each length. 4.8 minutes (289 s) on 2 idle cores. Symbol error
  rates, spaces in the clear, 16 / 32 / 64 / 128 / 256 / 512 symbols: 5-gram climbing .203 / .006 /
  .001 / .002 / .0005 / .0001, the probe alone .93 to .73 (its model has hardly begun to learn),
  subbreaker .161 / .008 / .004 / 0 of 3 texts from 64 symbols on, in 8 to 67 times the climber's
  time. The probe's posterior helps the climber nowhere.
gpu: novels; a 25m model; n-grams counted on 50 MB; 200 texts of each length. Not yet run.
paper: as gpu with the 151m model on the Pile; the paper has no such table. Not run here.

Shapes of the model on 8 devices, parameters and optimizer (a test):
  gpu: 25,570,304 parameters (25,427,968 kernels), 50.86 MFLOPs/byte, 39.8 MB a device
  paper: 151,030,784 parameters (150,994,944 kernels), 301.99 MFLOPs/byte, 76.4 MB a device
"""

from dataclasses import dataclass, replace

from configs.lexinvariant import presets
from configs.lexinvariant.deciphering import GPU_PROBE, PAPER_PROBE, QUICK_PROBE, ProbeConfig
from configs.shared import DATA_NOVELS, DOCUMENTATION, QUICK_TEXT, ModelConfig, TextConfig

LENGTHS = (16, 32, 64, 128, 256, 512)
CONDITIONS = ("clear", "enciphered")


@dataclass(frozen=True)
class Config:
    """Ciphers and solvers."""

    text: TextConfig
    """Its train split teaches n-grams and the model, its held-out part is enciphered."""
    model: ModelConfig
    """The lexinvariant model, over the ids of letters."""
    probe: ProbeConfig
    """On the model."""
    lengths: tuple[int, ...] = LENGTHS
    """Enciphered symbols of a text."""
    conditions: tuple[str, ...] = CONDITIONS
    """Of `research.lexinvariance.ciphers.ciphers`."""
    texts: int = 20
    """Of each length and condition; all solvers get the same ones."""
    orders: tuple[int, ...] = (3, 5)
    """Of the n-grams that climbing is done with."""
    beam: int = 1_000
    """Hypotheses of the beam search."""
    subbreaker_texts: int = 3
    """Of each length that `subbreaker` gets, where it is installed."""
    seed: int = 0
    """Texts, keys, weights, searches."""


def cpu() -> Config:
    """Documentation, and the shape of the shared models."""
    model = replace(presets.CPU_MODEL, vocabulary="canonical", ids="letters")
    return Config(DOCUMENTATION, model, ProbeConfig(), texts=16)


def gpu() -> Config:
    """English novels."""
    model = replace(presets.GPU_MODEL, vocabulary="canonical", ids="letters")
    return Config(DATA_NOVELS, model, GPU_PROBE, texts=200)


def paper() -> Config:
    """The paper's model and vocabulary."""
    model = replace(presets.PAPER_MODEL, vocabulary="gaussian", ids="letters")
    return Config(presets.PILE, model, PAPER_PROBE, texts=1_000)


def quick() -> Config:
    """Seconds, for tests."""
    model = replace(
        presets.QUICK_MODEL, vocabulary="canonical", ids="letters", options=(("slots", 64),)
    )
    return Config(
        QUICK_TEXT,
        model,
        QUICK_PROBE,
        lengths=(16, 32),
        texts=3,
        orders=(3,),
        beam=20,
        subbreaker_texts=0,
    )
