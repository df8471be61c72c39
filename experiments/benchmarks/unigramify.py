"""A BPE and a WordPiece tokenizer as Unigrams: how often they agree, and how long it takes.

    python -m experiments.benchmarks.unigramify [--corpus SPEC] [--megabytes N] [--out FILE]

GPT-2's own tokenizer where $FREEVOCAB_DATA has it (else a byte-level BPE of `--entries`, trained on
the text), and a WordPiece of `--entries` in small letters. Agreement is by count, on the pretokens
that the scores were made for and on those of the corpus' validation part. The paper's figures (gpt2
99.02 %, bert 99.44 %) are for other texts and for the published tokenizers. Expected on two cores,
10 MB of Python's documentation and library: GPT-2 99.9 % (held out 99.7 %) in half a minute, a
WordPiece 100 % (99.8 %) in five seconds.
"""

import os
import time
from pathlib import Path
from typing import Any

from experiments.benchmarks import report
from research import corpora
from research.testing.tokenizers import tokenizer_json
from research.tokenizers import FileTokenizer, load
from research.tokenizers.load import of_json
from research.transfer.unigramify import unigramify

GPT2 = "tokenizers/llm/gpt-2"
_HELD_OUT = 0.1  # of the megabytes


def run(
    corpus: str = "builtin", megabytes: float = 10.0, entries: int = 30_000, rounds: int = 6
) -> list[dict[str, Any]]:
    """One row per tokenizer.

    Args:
      corpus: text to agree on, `megabytes` of it.
      entries: of tokenizers trained here.
      rounds: linear programs at most.
    """
    texts = _texts(corpus, "train", megabytes)
    held_out = _texts(corpus, "valid", megabytes * _HELD_OUT)
    rows = []
    for tokenizer, what, paper in (_bpe(texts, entries), _wordpiece(texts, entries)):
        tokenizer.pretokens(["warm up"])
        start = time.perf_counter()
        result = unigramify(tokenizer, texts, held_out=held_out, rounds=rounds)
        seconds = time.perf_counter() - start
        rows.append(
            {"tokenizer": what, "entries": tokenizer.vocab_size}
            | {"agreement": round(result.agreement, 5)}
            | {"held_out_agreement": round(result.held_out_agreement, 5)}
            | {"prior_agreement": round(result.prior_agreement, 5), "paper": paper}
            | {"rounds": result.rounds, "constraints": result.rows, "ties": result.ties}
            | {"mean_change": round(result.change, 3), "seconds": round(seconds, 1)}
            | {"bytes": sum(map(len, texts))}
        )
    return rows


def _bpe(texts: list[str], entries: int) -> tuple[FileTokenizer, str, float | None]:
    folder = Path(os.environ.get("FREEVOCAB_DATA", "")) / GPT2
    if folder.is_dir():
        return load(folder), "GPT-2", 0.9902
    return of_json(tokenizer_json("byte-level", entries, texts), name="bpe"), "BPE", None


def _wordpiece(texts: list[str], entries: int) -> tuple[FileTokenizer, str, float | None]:
    content = tokenizer_json("wordpiece", entries, texts)
    return of_json(content, name="wordpiece"), "WordPiece", None


def _texts(corpus: str, split: str, megabytes: float) -> list[str]:
    texts, left = [], int(megabytes * 1e6)
    for document in corpora.load(corpus).documents(split):
        texts.append(document[:left].decode("utf-8", "ignore"))
        left -= len(document)
        if left <= 0:
            break
    return texts


def main() -> None:
    """Reads the command line, prints the rows and writes them."""
    report.main("unigramify", run, __doc__, seeds=())


if __name__ == "__main__":
    main()
