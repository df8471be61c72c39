"""What to sample: plain data, nothing imported."""

import dataclasses


@dataclasses.dataclass(frozen=True)
class Pretokens:
    """How text is cut before tokens are found in it."""

    digits: str = "together"
    """How digits are cut: "together" (GPT-2: a number with the space before it), "single", or
    "left" and "right": groups of three from that side; no space before them."""
    marks: bool = True
    """Combining marks belong to the letters that they stand on (`\\p{M}`); GPT-2's own expression,
    with False, cuts Indic and Arabic words at their vowels."""
    whole: bool = False
    """Do not cut at all."""


@dataclasses.dataclass(frozen=True)
class Candidates:
    """Which substrings of pretokens are counted."""

    max_characters: int = 16
    """Longest, in characters, so that all scripts have the same limit."""
    max_bytes: int = 64
    """And in bytes."""
    stride: int = 1
    """Characters of its pretoken from one begin of a substring to the next (zett: 4)."""
    aligned: bool = True
    """Substrings begin and end between characters; False: between any two bytes, and max_characters
    and stride count bytes (zett's, for ablations)."""


@dataclasses.dataclass(frozen=True)
class Substrings:
    """The paper's: frequency x length, noise, the best V; one Unigram without training."""

    noise_median: float = 1e-5
    """Sigma ~ LogNormal(ln noise_median, noise_spread) of the noise on scores that sum to 1; 0: no
    noise."""
    noise_spread: float = 4.0
    """See `noise_median`."""
    length: str = "characters"
    """Of a substring in its score, in "characters" (all scripts alike) or "bytes"."""
    candidates: Candidates = Candidates()


@dataclasses.dataclass(frozen=True)
class UnigramEM:
    """A trained Unigram: seed entries, expectation-maximisation, pruning down to V."""

    batches: int = 4
    """How many of the queue's it is trained on, drawn for each tokenizer."""
    seeds: int = 4
    """The best seeds x V substrings are the first vocabulary."""
    keep: float = 0.75
    """Share of the entries that stays in one round of pruning."""
    rounds: int = 2
    """Of expectation and maximisation before each pruning."""
    candidates: Candidates = Candidates()


@dataclasses.dataclass(frozen=True)
class BPE:
    """Byte-pair encoding trained on some of the queue's batches, by `tokenizers`."""

    batches: int = 4


@dataclasses.dataclass(frozen=True)
class WordPiece:
    """Entries as of BPE (WordPiece's trainer in `tokenizers` is that one), longest match."""

    batches: int = 4


@dataclasses.dataclass(frozen=True)
class Codebook:
    """A shipped equal-info codebook, text not cut: coarser windows, or all of it if V is enough."""

    name: str = "english-b16"
    """As in `codecs.load`."""


Kind = Substrings | UnigramEM | BPE | WordPiece | Codebook


@dataclasses.dataclass(frozen=True)
class Sampling:
    """A distribution over tokenizers."""

    vocab_size: int = 32768
    """V without special tokens, the 256 bytes included."""
    special: tuple[str, ...] = ("bos", "eos")
    """Roles of the special tokens, whose ids follow."""
    queue: int = 16
    """Batches of text that a tokenizer is sampled from."""
    kinds: tuple[tuple[Kind, float], ...] = ((Substrings(), 1.0),)
    """Kinds of tokenizer and how often each comes, in proportion."""
    digits: tuple[tuple[str, float], ...] = (("together", 1.0),)
    """How digits are cut (`Pretokens.digits`) and how often, in proportion."""
    marks: bool = True
    """See `Pretokens`."""
