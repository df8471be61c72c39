"""What to sample: plain data, nothing imported."""

import dataclasses


@dataclasses.dataclass(frozen=True)
class Pretokens:
    """How text is cut before tokens are found in it.

    Attributes:
      digits: "together" (GPT-2: a number with the space before it), or "single", "left", "right":
        digits alone, or in groups of three from the left or from the right, no space before them.
      marks: combining marks belong to the letters that they stand on (`\\p{M}`); GPT-2's own
        expression, with False, cuts Indic and Arabic words at their vowels.
      whole: do not cut at all.
    """

    digits: str = "together"
    marks: bool = True
    whole: bool = False


@dataclasses.dataclass(frozen=True)
class Candidates:
    """Which substrings of pretokens are counted.

    Attributes:
      max_characters: longest, in characters, so that all scripts have the same limit.
      max_bytes: and in bytes.
      stride: a substring begins at every so many characters of its pretoken (zett: 4).
      aligned: substrings begin and end between characters; False: between any two bytes, and
        max_characters and stride count bytes (zett's, for ablations).
    """

    max_characters: int = 16
    max_bytes: int = 64
    stride: int = 1
    aligned: bool = True


@dataclasses.dataclass(frozen=True)
class Substrings:
    """The paper's: frequency x length, noise, the best V; one Unigram without training.

    Attributes:
      noise_median, noise_spread: sigma ~ LogNormal(ln noise_median, noise_spread) of the noise on
        scores that sum to 1; noise_median = 0: none.
      length: of a substring in its score, in "characters" (all scripts alike) or "bytes".
    """

    noise_median: float = 1e-5
    noise_spread: float = 4.0
    length: str = "characters"
    candidates: Candidates = Candidates()


@dataclasses.dataclass(frozen=True)
class UnigramEM:
    """A trained Unigram: seed entries, expectation-maximisation, pruning down to V.

    Attributes:
      batches: of the queue's, drawn anew for each tokenizer: how many it is trained on.
      seeds: the best seeds x V substrings are the first vocabulary.
      keep: share of the entries that stays in one round of pruning.
      rounds: of expectation and maximisation before each pruning.
    """

    batches: int = 4
    seeds: int = 4
    keep: float = 0.75
    rounds: int = 2
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
    """A shipped equal-info codebook, text not cut: coarser windows, or all of it if V is enough.

    Attributes:
      name: as in `codecs.load`.
    """

    name: str = "english-b16"


Kind = Substrings | UnigramEM | BPE | WordPiece | Codebook


@dataclasses.dataclass(frozen=True)
class Sampling:
    """A distribution over tokenizers.

    Attributes:
      vocab_size: V without special tokens, the 256 bytes included.
      special: roles of the special tokens, whose ids follow.
      queue: batches of text that a tokenizer is sampled from.
      kinds: kinds of tokenizer and how often each comes, in proportion.
      digits: how digits are cut (`Pretokens.digits`) and how often, in proportion.
      marks: see `Pretokens`.
    """

    vocab_size: int = 32768
    special: tuple[str, ...] = ("bos", "eos")
    queue: int = 16
    kinds: tuple[tuple[Kind, float], ...] = ((Substrings(), 1.0),)
    digits: tuple[tuple[str, float], ...] = (("together", 1.0),)
    marks: bool = True
