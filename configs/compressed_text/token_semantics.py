"""What a compressed token means: windows of a sentence, and meaning by position (Tables 7, 8, 14).

    freevocab reproduce compressed_text/token_semantics [--scale gpu|paper]

cpu: novels, M1 = byte 5-gram, W = 12 (beta 12), tokens of 6 bits: two to a window, as the paper's
  tokens of 8 bits are to its windows of 16. 40,000 windows. The committed record is of Python's
  text and a sentence that was copied wrongly.
hours: novels, M1 = byte 5-gram, W = 16, tokens of 8 bits, 200,000 windows; counts alone.
  The sentence is 25 windows; the commonest first two bytes are those of 68 % of the windows with a
  given first token, 8 % with a given second one, 3 % of all; a code seen twice had one text in 40 %
  of the cases under the greedy rule, in all under point+delay.
gpu: text in $FREEVOCAB_DATA, W = 16, tokens of 8 bits. No accelerator is used. Not yet run.
paper: C4, 3m Transformer. The paper: 24 windows for the sentence; token 151 in first position is
  always "le...", 185 always "or..."; in second position no pattern. Not run here.
"""

from dataclasses import dataclass

from configs.compressed_text import presets
from configs.compressed_text.token_stability import SENTENCE
from configs.shared import M1Config


@dataclass(frozen=True)
class Config:
    """A window's code is cut into tokens of bits_per_token; `tokens` are shown by position.

    Without `tokens` the two most frequent in first position are shown.
    """

    corpus: str
    m1: M1Config
    window_bits: int
    bits_per_token: int
    num_windows: int
    tokens: tuple[int, ...] = ()
    sentence: str = SENTENCE
    seed: int = 0


def cpu() -> Config:
    """12-bit windows."""
    return Config(presets.BUILTIN, presets.CPU_M1, 12, 6, 40_000)


def hours() -> Config:
    """The paper's windows and tokens, on all validation text."""
    return Config(presets.NOVELS, presets.COUNTED_M1, 16, 8, 200_000)


def gpu() -> Config:
    """The paper's windows and tokens."""
    return Config(presets.LOCAL_TEXT, presets.COUNTED_M1, 16, 8, 200_000, (151, 185))


def paper() -> Config:
    """The paper's M1."""
    return Config(presets.C4, presets.PAPER_M1, 16, 8, 200_000, (151, 185))


def quick() -> Config:
    """Seconds, for tests."""
    return Config(presets.QUICK_CORPUS, presets.QUICK_M1, 12, 6, 200)
