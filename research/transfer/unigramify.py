"""A BPE or WordPiece tokenizer as a Unigram: scores under which the best path is its own.

Zero-Shot Tokenizer Transfer (arXiv 2405.07883), section 5 and appendix: the sampled tokenizers
are Unigrams, so a tokenizer that is none gets scores by a linear program. Here with cuts: the
program starts without constraints; each round finds, by Viterbi under the scores so far, the
pretokens whose best path is not the original's pieces, adds a row for each and solves again, until
none is left to add or the rounds are over.

What is decided how:
- Prior scores s0: the log share of an entry among all substrings of the pretokens that are entries
  (with counts); one that never occurs as if it did half a time.
- "Equal piece counts": two segmentations that hold every entry equally often ("aa a", "a aa")
  score alike under any scores, so there is nothing to constrain. They are dropped and counted
  (`ties`). A common constant on all scores is not among what is decided: segmentations of
  different lengths feel it, and the distance to s0 fixes it.
- Ties go to the path whose last piece is the longest, as in the `tokenizers` library. Scores are
  multiples of 2^-20, so that sums are exact and a tie is one.
- Slack belongs to a row. Rows of different pretokens with the same entries left on both sides are
  one row with the sum of their counts.
"""

import json
from collections import Counter
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

import numpy as np

from research.errors import UsageError
from research.tokenizers import tokenizer_json
from research.tokenizers.file_tokenizer import FileTokenizer
from research.tokenizers.protocol import Pieces
from research.transfer.unigramify_lp import Rows
from research.transfer.unigramify_words import Entries, Pretokens, differing

_GRID = 2.0**-20


class Unigramified(NamedTuple):
    """Scores, and how often their best path is the original's segmentation.

    Attributes:
      score_V: float64, 0 for special ids; entries that have another's bytes have its score.
      agreement, held_out_agreement: share of the pretokens, by count, of the texts and of the
        held-out ones (NaN without any).
      prior_agreement: the same on the texts under the prior scores.
      rounds: programs solved.
      rows: constraints of the last one.
      ties: pretokens (different ones) whose best path has equal piece counts.
      change: mean |s - s0| over the entries that are not special.
    """

    score_V: np.ndarray
    agreement: float
    held_out_agreement: float
    prior_agreement: float
    rounds: int
    rows: int
    ties: int
    change: float


def unigramify(
    tokenizer: FileTokenizer,
    texts: Iterable[bytes | str],
    *,
    held_out: Iterable[bytes | str] = (),
    max_pretokens: int = 100_000,
    rounds: int = 10,
    margin: float = 1e-3,
    penalty: float = 0.01,
    log: Callable[[str], None] | None = None,
) -> Unigramified:
    """Scores for the entries of `tokenizer`.

    Args:
      texts: what to agree on; their `max_pretokens` most frequent pretokens are used.
      held_out: only measured.
      rounds: programs at most; fewer if nothing is left to add.
      margin: by which the wanted segmentation is to be better.
      penalty: what a nat of distance to the prior costs, where a nat of slack costs the count.
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
    rows, solved = Rows(), 0
    score_N, kept_N = prior_N, prior_N
    found = entries.best_paths(known, score_N)
    first = best = _agreement(known, found)
    say = log or (lambda line: None)
    say(f"{len(known.count_W):,} different pretokens; prior scores agree on {first:.2%}")
    while solved < rounds and _cut(rows, known, found):
        solved += 1
        score_N = _on_grid(rows.solve(prior_N, margin=margin, penalty=penalty))
        found = entries.best_paths(known, score_N)
        share = _agreement(known, found)
        say(f"round {solved}: {len(rows):,} constraints, agreement {share:.2%}")
        if share > best:  # a later program knows more rows, and need not agree more often
            best, kept_N = share, score_N
    others = entries.pretokens(*tokenizer.pretokens(held_out), None)
    return Unigramified(
        score_V=entries.of_ids(kept_N),
        agreement=best,
        held_out_agreement=_agreement(others, entries.best_paths(others, kept_N)),
        prior_agreement=first,
        rounds=solved,
        rows=len(rows),
        ties=_ties(known, entries.best_paths(known, kept_N)),
        change=float(np.abs(kept_N - prior_N)[: entries.size].mean()),
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


def _cut(rows: Rows, known: Pretokens, found: Pieces) -> bool:
    """Adds a row for each pretoken whose best path is another; True if any is new."""
    added = False
    for w in np.flatnonzero(differing(known.wanted, found)).tolist():
        added |= rows.add(
            w,
            known.wanted.ids_N[known.wanted.start_T[w] : known.wanted.start_T[w + 1]],
            found.ids_N[found.start_T[w] : found.start_T[w + 1]],
            int(known.count_W[w]),
        )
    return added


def _agreement(known: Pretokens, found: Pieces) -> float:
    wrong_W = differing(known.wanted, found)
    total = int(known.count_W.sum())
    return 1.0 - int(known.count_W[wrong_W].sum()) / total if total else float("nan")


def _ties(known: Pretokens, found: Pieces) -> int:
    """Pretokens whose best path is another with equal piece counts."""
    wrong = np.flatnonzero(differing(known.wanted, found))
    sides = [Counter(zip(_rows(p), p.ids_N.tolist(), strict=True))
             for p in (known.wanted.take(wrong), found.take(wrong))]  # fmt: skip
    unequal = {row for row, _ in (sides[0] - sides[1]) + (sides[1] - sides[0])}
    return len(wrong) - len(unequal)


def _rows(pieces: Pieces) -> list[int]:
    return np.repeat(np.arange(len(pieces.counts_T)), pieces.counts_T).tolist()


def _on_grid(score_N: np.ndarray) -> np.ndarray:
    return np.round(score_N / _GRID) * _GRID
