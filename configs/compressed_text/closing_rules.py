"""How a window closes decides whether it can be decoded (ours; the paper's Delay is Table 17).

    freevocab reproduce compressed_text/closing_rules [--scale gpu|paper]

Each rule cuts validation text into windows; both decoders get nothing but the codes: the paper's
("lengthen while the re-encoding matches, then back off", stopped after 64 bytes, which is wrong)
and ours (the first prefix that has the code).

cpu: novels, M1 = byte 5-gram, W = 12 and beta = 12, 6,000 windows. Bytes a window
  3.62 (point), 2.76 (dyadic), 3.12 (point+delay); read back right as the paper describes it 0 %,
  86 %, 0 %, by the first match 62 %, 81 %, 100 %.
hours: novels, a byte 5-gram at W = 16 and beta = 14, 10,000 windows; counts alone, a minute.
  Bytes a window 5.72 (point), 4.72 (dyadic), 4.84 (point+delay: .85 of point); read back right as
  the paper describes it 0 %, 81 %, 0 %, by the first match 49 %, 68 %, 100 %.
gpu: text in $FREEVOCAB_DATA, the 5-gram at W = 16 and beta = 14, 10,000 windows. No accelerator
  is used. Not yet run.
paper: C4 and the 3m Transformer, 100,000 windows. The paper: ratio 5.31 greedy, 4.40 Delay; it
  never decodes, but argues that 99.4 % of sequences could be. Not run here.
In a trial on other text at W = 16: point 0 % right, dyadic about 80 %, point+delay (read by the
first match) 100 %; Delay/greedy 0.79 to 0.81, the paper's 0.827.
"""

from dataclasses import dataclass

from configs.compressed_text import presets
from configs.shared import M1Config


@dataclass(frozen=True)
class Config:
    """Windows of window_bits bits are cut from validation text until there are num_windows."""

    corpus: str
    m1: M1Config
    window_bits: int
    num_windows: int
    seed: int = 0


def cpu() -> Config:
    """A 12-bit window."""
    return Config(corpus=presets.BUILTIN, m1=presets.CPU_M1, window_bits=12, num_windows=6_000)


def hours() -> Config:
    """The paper's 16-bit window on novels; no training, seconds."""
    return Config(corpus=presets.NOVELS, m1=presets.COUNTED_M1, window_bits=16, num_windows=10_000)


def gpu() -> Config:
    """The paper's 16-bit window."""
    return Config(
        corpus=presets.LOCAL_TEXT, m1=presets.COUNTED_M1, window_bits=16, num_windows=10_000
    )


def paper() -> Config:
    """The paper's M1."""
    return Config(corpus=presets.C4, m1=presets.PAPER_M1, window_bits=16, num_windows=100_000)


def quick() -> Config:
    """Seconds, for tests."""
    return Config(corpus=presets.QUICK_CORPUS, m1=presets.QUICK_M1, window_bits=12, num_windows=200)
