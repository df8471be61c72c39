"""A BPE or WordPiece tokenizer as a Unigram: scores under which the best path is its own.

Zero-Shot Tokenizer Transfer (arXiv 2405.07883), section 5 and appendix: the sampled tokenizers
are Unigrams, so a tokenizer that is none gets scores by a linear program. Here with cuts: the
program starts without constraints; each round finds, by Viterbi under the scores so far, the
pretokens whose best path is not the original's pieces, adds a constraint for each and solves again,
until none is left to add or the rounds are over.

What is decided how:
- Prior scores s0: the log share of an entry among all substrings of the pretokens that are entries
  (with counts); one that never occurs as if it did half a time.
- "Equal piece counts": two segmentations that hold every entry equally often ("aa a", "a aa")
  score alike under any scores, so there is nothing to constrain. They are dropped and counted
  (`ties`). A common constant on all scores is not among what is decided: segmentations of
  different lengths feel it, and the distance to s0 fixes it.
- Ties go to the path whose last piece is the longest, as in the `tokenizers` library. Scores are
  multiples of 2^-20, so that sums are exact and a tie is one.
- Slack belongs to a constraint. Those of different pretokens with the same entries left on both
  sides are one constraint with the sum of their counts.
"""

import json
from collections import Counter
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

import numpy as np

from research.errors import UsageError
from research.numba_jit import compiled
from research.tokenizers import tokenizer_json
from research.tokenizers import trie as tries
from research.tokenizers.file_tokenizer import FileTokenizer
from research.tokenizers.protocol import Pieces
from research.transfer.sampling.pretokens import Words
from research.transfer.sampling.sampled_tokenizer import Unigram
from research.transfer.unigramify_lp import Constraints

_GRID = 2.0**-20
_NEVER = -float(1 << 20)  # a multiple of the grid, and far below every path of entries
_MARGIN = 1e-3  # by which the original segmentation is to be better
_PENALTY = 0.01  # of a nat of distance to the prior, where a nat of slack costs the count


class Unigramified(NamedTuple):
    """Scores, and how often their best path is the original's segmentation."""

    score_V: np.ndarray
    """Float64, 0 for special ids; entries that have another's bytes have its score."""
    agreement: float
    """Share of the texts' pretokens, by count."""
    held_out_agreement: float
    """The same of the held-out texts; NaN without any."""
    prior_agreement: float
    """The same on the texts under the prior scores."""
    rounds: int
    """Programs solved."""
    rows: int
    """Constraints of the last one."""
    ties: int
    """Pretokens (different ones) whose best path has equal piece counts."""
    change: float
    """Mean |s - s0| over the entries that are not special."""


class Pretokens(NamedTuple):
    """Different strings with their counts."""

    words: Words
    """The strings, each a text of its own."""
    count_W: np.ndarray
    """Int64."""
    original: Pieces
    """The pieces that the original makes of each, as numbers of `Entries.tokens`."""


def unigramify(
    tokenizer: FileTokenizer,
    texts: Iterable[bytes | str],
    *,
    held_out: Iterable[bytes | str] = (),
    max_pretokens: int = 100_000,
    rounds: int = 10,
    log: Callable[[str], None] | None = None,
) -> Unigramified:
    """Scores for the entries of `tokenizer`.

    Args:
      texts: what to agree on; their `max_pretokens` most frequent pretokens are used.
      held_out: only measured.
      rounds: programs at most; fewer if nothing is left to add.
      log: told what each round reached.

    Raises:
      UsageError: no pretoken in the texts that the tokenizer knows, or rounds < 0.
    """
    if rounds < 0:
        raise UsageError(f"unigramify: rounds is a number from 0 up, not {rounds}")
    entries = Entries(tokenizer)
    known = entries.pretokens(*tokenizer.pretokens(texts), max_pretokens)
    if not len(known.count_W):
        raise UsageError("unigramify: the texts hold no string that the tokenizer knows")
    prior_N = _on_grid(entries.prior(known))
    constraints, solved = Constraints(), 0
    score_N, best_N = prior_N, prior_N
    paths = entries.best_paths(known, score_N)
    first = best = _agreement(known, paths)
    say = log or (lambda line: None)
    say(f"{len(known.count_W):,} different pretokens; prior scores agree on {first:.2%}")
    while solved < rounds and _add_cuts(constraints, known, paths):
        solved += 1
        score_N = _on_grid(constraints.solve(prior_N, margin=_MARGIN, penalty=_PENALTY))
        paths = entries.best_paths(known, score_N)
        share = _agreement(known, paths)
        say(f"round {solved}: {len(constraints):,} constraints, agreement {share:.2%}")
        if share > best:  # a later program has more constraints, and need not agree more often
            best, best_N = share, score_N
    others = entries.pretokens(*tokenizer.pretokens(held_out), None)
    return Unigramified(
        score_V=entries.of_ids(best_N),
        agreement=best,
        held_out_agreement=_agreement(others, entries.best_paths(others, best_N)),
        prior_agreement=first,
        rounds=solved,
        rows=len(constraints),
        ties=_ties(known, entries.best_paths(known, best_N)),
        change=float(np.abs(best_N - prior_N)[: entries.size].mean()),
    )


def unigram_json(tokenizer: FileTokenizer, score_V: np.ndarray) -> bytes:
    """The tokenizer.json of `tokenizer` with a Unigram of these scores for its model.

    Ids, normaliser and pre-tokenizer stay. Where entries are marked as going on within a word
    ("##"), the others are marked as starting one instead (U+2581); what a WordPiece does not know
    is then a character, no longer the whole word.
    """
    spec = dict(tokenizer.spec)
    model, prefix = spec["model"], tokenizer_json.continuing_prefix(spec)
    unknown = tokenizer_json.unknown_id(spec)
    names = {id_: token for token, id_ in tokenizer_json.vocabulary(spec)}
    names |= {token["id"]: token["content"] for token in spec["added_tokens"]}
    if prefix:
        space = tokenizer_json.SPACE
        steps = [spec["pre_tokenizer"], {"type": "Metaspace", "replacement": space}]
        steps[1] |= {"prepend_scheme": "always", "split": False}
        spec["pre_tokenizer"] = {"type": "Sequence", "pretokenizers": steps}
        spec["decoder"] = steps[1]
        mark = np.where(tokenizer.starts_word_V, space, "").tolist()
        names = {
            id_: token if tokenizer.special_V[id_] else mark[id_] + token.removeprefix(prefix)
            for id_, token in names.items()
        }
    free = "\U0010fffe{}\U0010ffff"
    vocabulary = [
        [names.get(id_, free.format(id_)), float(score_V[id_])] for id_ in range(len(score_V))
    ]
    fallback = bool(model.get("byte_fallback"))
    unigram: dict[str, Any] = {"type": "Unigram", "unk_id": unknown, "vocab": vocabulary}
    spec["model"] = unigram | {"byte_fallback": fallback}
    return json.dumps(spec, ensure_ascii=False).encode()


def _add_cuts(constraints: Constraints, known: Pretokens, paths: Pieces) -> bool:
    """Adds a constraint for each pretoken whose best path is another; True if any is new."""
    added = False
    for w in np.flatnonzero(differing(known.original, paths)).tolist():
        added |= constraints.add(
            w,
            known.original.ids_N[known.original.start_T[w] : known.original.start_T[w + 1]],
            paths.ids_N[paths.start_T[w] : paths.start_T[w + 1]],
            int(known.count_W[w]),
        )
    return added


def _agreement(known: Pretokens, paths: Pieces) -> float:
    wrong_W = differing(known.original, paths)
    total = int(known.count_W.sum())
    return 1.0 - int(known.count_W[wrong_W].sum()) / total if total else float("nan")


def _ties(known: Pretokens, paths: Pieces) -> int:
    """Pretokens whose best path is another with equal piece counts."""
    wrong = np.flatnonzero(differing(known.original, paths))
    sides = [Counter(zip(_rows(p), p.ids_N.tolist(), strict=True))
             for p in (known.original.take(wrong), paths.take(wrong))]  # fmt: skip
    unequal = {row for row, _ in (sides[0] - sides[1]) + (sides[1] - sides[0])}
    return len(wrong) - len(unequal)


def _rows(pieces: Pieces) -> list[int]:
    return np.repeat(np.arange(len(pieces.counts_T)), pieces.counts_T).tolist()


def _on_grid(score_N: np.ndarray) -> np.ndarray:
    return np.round(score_N / _GRID) * _GRID


class Entries:
    """The different strings of a tokenizer (its `match_bytes`), numbered.

    Attributes:
      number_V: int64, the number of each id's string; -1 for special ids.
      size: strings that entries have. Single bytes that are none come after them.
      tokens: all strings.
    """

    def __init__(self, tokenizer: FileTokenizer):
        number: dict[bytes, int] = {}
        match = tokenizer.match_bytes()
        self.number_V = np.full(len(match), -1, np.int64)
        for id_ in np.flatnonzero(~tokenizer.special_V).tolist():
            self.number_V[id_] = number.setdefault(match[id_], len(number))
        self.size = len(number)
        for byte in range(256):
            number.setdefault(bytes([byte]), len(number))
        self.tokens = list(number)

    def pretokens(self, pieces: Pieces, count_W: np.ndarray, most: int | None) -> Pretokens:
        """The first `most` pretokens without special or unknown ids (None: all)."""
        number_N = np.append(self.number_V[pieces.ids_N], 0)
        known_W = np.minimum.reduceat(number_N, pieces.start_T[:-1]) >= 0
        first_W = np.flatnonzero(known_W & (pieces.counts_T > 0))[:most]
        original = Pieces(number_N[:-1].astype(np.int32), pieces.start_T).take(first_W)
        length_N = np.array([len(token) for token in self.tokens], np.int64)[original.ids_N]
        end_N = np.concatenate([[0], np.cumsum(length_N)])
        data = b"".join([self.tokens[n] for n in original.ids_N.tolist()])
        words = Words(
            np.frombuffer(data, np.uint8), end_N[original.start_T], np.arange(len(first_W) + 1)
        )
        return Pretokens(words, count_W[first_W], original)

    def prior(self, known: Pretokens) -> np.ndarray:
        """Log share of each string among all substrings of the pretokens that are entries.

        float64 [N]. One that never occurs counts half; bytes that are no entries stay far below
        every path of entries.
        """
        count_N = np.zeros(len(self.tokens), np.int64)
        packed = tries.build(self.tokens).packed
        compiled(_occurrences)(known.words.data, known.words.start_W, known.count_W, *packed,
                               count_N)  # fmt: skip
        shares_N = np.maximum(count_N, 0.5) / np.maximum(count_N[: self.size], 0.5).sum()
        score_N = np.log(shares_N)
        score_N[self.size :] = _NEVER
        return score_N

    def best_paths(self, known: Pretokens, score_N: np.ndarray) -> Pieces:
        """What a Unigram with these scores makes of the pretokens."""
        ids_N, count_W = Unigram(self.tokens, score_N).segment(known.words)
        return Pieces(ids_N, np.concatenate([[0], np.cumsum(count_W)]))

    def of_ids(self, score_N: np.ndarray) -> np.ndarray:
        """Scores of strings as scores of ids, 0 for special ones."""
        return np.where(self.number_V >= 0, score_N[self.number_V], 0.0)


def differing(one: Pieces, other: Pieces) -> np.ndarray:
    """bool [W]: the two segmentations of a string are not the same."""
    differ_W = one.counts_T != other.counts_T
    same = np.flatnonzero(~differ_W)
    one, other = one.take(same), other.take(same)
    row_N = np.repeat(np.arange(len(same)), one.counts_T)
    wrong_N = one.ids_N != other.ids_N
    differ_W[same[np.unique(row_N[wrong_N])]] = True
    return differ_W


def _occurrences(data, start_W, count_W, cells, pairs, singles, count_N):
    """Adds, for each entry, how often it occurs in the words, anywhere and overlapping."""
    for w in range(len(start_W) - 1):
        end = start_W[w + 1]
        for i in range(start_W[w], end):
            byte = np.int64(data[i])
            count_N[singles[byte]] += count_W[w]
            if i + 1 == end:
                continue
            cell = pairs[(byte << 8) | np.int64(data[i + 1])]
            if cell & 511 == 2:
                count_N[((cell >> 9) & 0x1FFFFFF) - 1] += count_W[w]
            for j in range(i + 2, end):
                label = np.int64(data[j])
                cell = cells[(cell >> 34) + label]
                if cell & 511 != label:
                    break
                id_ = ((cell >> 9) & 0x1FFFFFF) - 1
                if id_ >= 0:
                    count_N[id_] += count_W[w]
