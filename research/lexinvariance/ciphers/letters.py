"""Letter n-grams: how likely a letter is after the few before it, as dense arrays.

A model is counted (`tally`), smoothed (`smooth`) and shipped as counts (`letters_file`). With 27
letters and order 5 there are 14 million entries, of which English uses one million; a dense array
is read by compiled loops at one look-up per letter, whatever the context.

Smoothing. "kneser-ney" is modified Kneser-Ney, interpolated (Chen and Goodman, 1999): a count less
its discount, and the discounts of a context go to the lower order, whose counts are of distinct
continuations. "witten-bell" gives the lower order as many counts as a context has distinct
letters. Every entry of either is above zero.
"""

import dataclasses
import functools
import unicodedata
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from research.errors import UsageError
from research.lexinvariance.ciphers import ciphers, languages, letters_file

SMOOTHINGS = ("kneser-ney", "witten-bell")
ASCII = "".join(map(chr, range(32, 127)))
SHIPPED = Path(__file__).resolve().parent / "shipped"
_FILES = {
    "clear": "letters.bin",
    "enciphered": "letters.bin",
    "none": "letters-no-spaces.bin",
    "ascii": "ascii.bin",
}
_MOST_ENTRIES = 1 << 27
_DROP = 255
_PENDING = 4_000_000  # letters whose codes are counted at once
_PLAIN_FORM = str.maketrans("‘’ʼ‚“”„‐‑‒–—―−…", "''''\"\"\"-------.")


@dataclasses.dataclass(frozen=True, eq=False)
class LetterNGrams:
    """A letter model; all arrays are float32, finite and read-only."""

    alphabet: str
    """Its A letters, each numbered by its place."""
    order: int
    """n."""
    log_p: np.ndarray
    """[A] * n, ln p(last letter | the n - 1 before it)."""
    lower: tuple[np.ndarray, ...]
    """The same for orders 1 to n - 1, for the beginning of a text; each is a model of its own, with
    counts of n-grams and not of continuations on top."""
    digest: str = ""
    """SHA-256, hex, of the counts it was made from, if it was loaded from a file."""
    notes: dict = dataclasses.field(default_factory=dict)
    """What a loaded file says of its making."""

    def shorter(self, order: int) -> "LetterNGrams":
        """The model of a lower order."""
        if not 1 <= order <= self.order:
            raise UsageError(f"the order must lie in 1..{self.order}, not {order}")
        every = (*self.lower, self.log_p)
        return dataclasses.replace(
            self, order=order, log_p=every[order - 1], lower=every[: order - 1]
        )


def load(name: str = "clear", language: str = "english") -> LetterNGrams:
    """A shipped model of a language: for a condition of `ciphers`, or "ascii".

    clear, enciphered: a to z and the space, order 5; none: a to z, order 5; ascii (English only):
    the 95 printable characters, order 3. Loaded once.

    Raises:
      UsageError: if there is no such model.
      FreevocabError: if its file is missing or damaged.
    """
    if name not in _FILES:
        raise UsageError(f"no letter model {name!r}; there are {', '.join(_FILES)}")
    if name == "ascii" and language != "english":
        raise UsageError(f"no model of all characters in {languages.known(language)}")
    return _opened(SHIPPED / f"{languages.known(language)}-{_FILES[name]}")


@functools.cache
def _opened(path):
    saved = letters_file.read(path)
    model = smooth(saved.counts, saved.alphabet, saved.smoothing)
    return dataclasses.replace(model, digest=saved.digest, notes=saved.notes)


def count(
    texts: Iterable[bytes | str], alphabet: str, order: int, smoothing: str = "kneser-ney"
) -> LetterNGrams:
    """The model of some texts."""
    return smooth(tally(texts, alphabet, order), alphabet, smoothing)


def ids(text: bytes | str, alphabet: str) -> np.ndarray:
    """A text as letters, uint8.

    a to z, with a space or without, goes as in `ciphers.normalise`. In another alphabet runs of
    white space are one space, quotation marks and dashes take their plain form where it is in the
    alphabet, accents are dropped unless it has letters with accents, and so is everything else.
    """
    if alphabet in (ciphers.LETTERS, ciphers.LETTERS + " "):
        return ciphers.letter_ids(text, spaces=" " in alphabet)
    if isinstance(text, bytes):
        text = text.decode("utf-8", "replace")
    if " " in alphabet:
        text = " ".join(text.split())
    if not set(text) <= set(alphabet):
        if {"'", '"', "-"} <= set(alphabet):
            text = text.translate(_PLAIN_FORM)
        if unicodedata.is_normalized("NFKD", alphabet):
            text = unicodedata.normalize("NFKD", text)
    points_L = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), np.uint32)
    ids_L = _table(alphabet)[np.minimum(points_L, 0x10FFFF)]
    return ids_L[ids_L != _DROP]


@functools.cache
def _table(alphabet):
    """uint8 [0x110000]: the place of each code point in the alphabet, or _DROP."""
    if len(set(alphabet)) != len(alphabet) or not 1 <= len(alphabet) <= ciphers.MOST_SYMBOLS:
        raise UsageError(f"an alphabet has 1 to {ciphers.MOST_SYMBOLS} letters, all different")
    table = np.full(0x110000, _DROP, np.uint8)
    table[[ord(letter) for letter in alphabet]] = np.arange(len(alphabet))
    return table


def tally(texts: Iterable[bytes | str], alphabet: str, order: int) -> np.ndarray:
    """How often each n-gram occurs, int64 [A] * order; none reaches over the end of a text.

    Raises:
      UsageError: if that array would have more than 2^27 entries.
    """
    size = len(alphabet)
    if order < 1 or size**order > _MOST_ENTRIES:
        raise UsageError(f"order {order} over {size} letters is too much for a dense array")
    counts, pending, waiting = np.zeros(size**order, np.int64), [], 0
    for text in texts:
        codes_N = _codes(ids(text, alphabet), size, order)
        pending.append(codes_N)
        waiting += len(codes_N)
        if waiting > _PENDING:
            counts += np.bincount(np.concatenate(pending), minlength=len(counts))
            pending, waiting = [], 0
    if waiting:
        counts += np.bincount(np.concatenate(pending), minlength=len(counts))
    return counts.reshape((size,) * order)


def _codes(ids_L, size, order):
    """The number of the n-gram at each place, int64 [L - order + 1]."""
    ids_L = np.asarray(ids_L, np.int64)
    total = max(0, len(ids_L) - order + 1)
    codes_N = np.zeros(total, np.int64)
    for place in range(order):
        codes_N *= size
        codes_N += ids_L[place : place + total]
    return codes_N


def smooth(counts: np.ndarray, alphabet: str, smoothing: str = "kneser-ney") -> LetterNGrams:
    """The model of some counts.

    Args:
      counts: int [A] * order, as `tally` makes them; lower orders are its margins.
    """
    if smoothing not in SMOOTHINGS:
        raise UsageError(f"unknown smoothing {smoothing!r}; there are {', '.join(SMOOTHINGS)}")
    order = counts.ndim
    margins = [counts]
    while len(margins) < order:
        margins.insert(0, margins[0].sum(axis=0))
    below = np.full(len(alphabet), 1 / len(alphabet), np.float32)
    tables = []
    for n, counts_n in enumerate(margins, 1):
        if smoothing == "witten-bell":
            below = _witten_bell(counts_n, below)
            tables.append(below)
            continue
        tables.append(_discounted(counts_n, below))
        if n < order:
            below = _discounted(np.count_nonzero(margins[n], axis=0), below)
    logs = []
    for table in tables:
        log_p = np.log(table)
        log_p.flags.writeable = False
        logs.append(log_p)
    return LetterNGrams(alphabet, order, logs[-1], tuple(logs[:-1]))


def discounts(counts: np.ndarray) -> np.ndarray:
    """What is taken from a count of 0, 1, 2, and 3 or more, float64 [4].

    Chen and Goodman's estimates from the numbers of n-grams seen once to four times. With few
    letters hardly any n-gram may be that rare: then a fixed half, and never under 0.1.
    """
    n1, n2, n3, n4 = (int(np.count_nonzero(counts == n)) for n in (1, 2, 3, 4))
    if not (n1 and n2 and n3):
        return np.array([0.0, 0.5, 0.5, 0.5])
    share = n1 / (n1 + 2 * n2)
    taken = np.array([1 - 2 * share * n2 / n1, 2 - 3 * share * n3 / n2, 3 - 4 * share * n4 / n3])
    return np.concatenate([[0.0], np.clip(taken, 0.1, [0.95, 1.9, 2.85])])


def _discounted(counts, below):
    """Discounted counts over a lower order, float32 like `counts`."""
    less_4 = discounts(counts)
    places, values = _nonzero(counts)
    taken = less_4[np.minimum(values, 3)]
    return _interpolated(counts, below, places, values - taken, taken)


def _witten_bell(counts, below):
    places, values = _nonzero(counts)
    return _interpolated(counts, below, places, values, np.ones(len(places)))


def _nonzero(counts):
    flat = counts.reshape(-1)
    places = np.flatnonzero(flat)
    return places, flat[places].astype(np.int64)


def _interpolated(counts, below, places, own, shared):
    """(own + sum shared * below) / (sum own + sum shared) in each context, `below` where it is new.

    Only the n-grams at `places` (flat) occur: a hundredth to a tenth of all.
    """
    size = counts.shape[-1]
    contexts = places // size
    total = counts.size // size
    shared_H = np.bincount(contexts, shared, minlength=total)
    sums_H = np.bincount(contexts, own, minlength=total) + shared_H
    new_H = sums_H == 0
    scale_H = np.where(new_H, 1.0, shared_H / np.where(new_H, 1.0, sums_H)).astype(np.float32)
    table = scale_H.reshape((*counts.shape[:-1], 1)) * below
    table.reshape(-1)[places] += (own / sums_H[contexts]).astype(np.float32)
    return table


def score(model: LetterNGrams, ids_L: np.ndarray) -> float:
    """-ln p of a text, in nats: the first letters under the lower orders."""
    return float(-log_likelihoods(model, ids_L).sum())


def log_likelihoods(model: LetterNGrams, ids_L: np.ndarray) -> np.ndarray:
    """ln p of each letter given those before it, float64 [L]."""
    ids_L = np.asarray(ids_L, np.int64)
    if len(ids_L) and not 0 <= ids_L.min() <= ids_L.max() < len(model.alphabet):
        raise UsageError(f"letters must lie in 0..{len(model.alphabet) - 1}")
    first = [table[tuple(ids_L[: n + 1])] for n, table in enumerate(model.lower)][: len(ids_L)]
    codes_N = _codes(ids_L, len(model.alphabet), model.order)
    return np.concatenate([np.array(first), model.log_p.reshape(-1)[codes_N].astype(np.float64)])
