"""`freevocab unigramify`: a BPE or WordPiece tokenizer as a Unigram, by linear programming."""

import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from research.errors import UsageError
from research.training.config import check_least


@dataclass(frozen=True)
class Unigramify:
    """Give a BPE or WordPiece tokenizer scores under which a Unigram splits text as it does.

    Writes a tokenizer.json with the same ids. How often the two agree is printed: on the text that
    the scores were made for, and on held-out text.
    """

    tokenizer: str
    """tokenizer.json, tiktoken file, sentencepiece .model of a BPE, or a folder with one."""
    out: str
    """File to write, a tokenizer.json."""
    text: str = "builtin"
    """What to agree on: GLOB of text files, or a corpus (builtin, text:GLOB, tfds:NAME)."""
    max_bytes: int = 10_000_000
    """Of that text; a tenth as much is held out."""
    max_pretokens: int = 100_000
    """Use only so many different pretokens, the most frequent ones."""
    rounds: int = 6
    """Linear programs at most, each with more constraints than the last."""

    def __post_init__(self):
        check_least(self, max_bytes=1000, max_pretokens=1, rounds=0)


def run(options: Unigramify) -> None:
    """Makes the scores and writes the file.

    Raises:
      UsageError: no such tokenizer, one that is a Unigram already, text without its tokens.
      FreevocabError: damaged.
    """
    from research import corpora, files
    from research.tokenizers import load
    from research.training.data.token_store import first_bytes
    from research.transfer.unigramify import unigram_json, unigramify

    out = Path(options.out)
    if out.is_dir():
        raise UsageError(f"--out {out} is a folder; give a file's name, e.g. {out}/tokenizer.json")
    tokenizer = load(options.tokenizer)
    if out.exists() and any(out.samefile(path) for path in _files(options.tokenizer)):
        raise UsageError(f"--out {out} would replace the tokenizer itself: choose another name")
    kind = tokenizer.spec["model"]["type"]
    if kind not in ("BPE", "WordPiece"):
        raise UsageError(f"{options.tokenizer} is a {kind}; only a BPE or a WordPiece is made one")
    corpus = corpora.load_files_or(options.text)
    texts = list(first_bytes(corpus.documents("train"), options.max_bytes))
    held_out = list(first_bytes(corpus.documents("valid"), options.max_bytes // 10))
    if not held_out:
        texts, held_out = end_apart(texts)
    print(
        f"{tokenizer.name}: {tokenizer.vocab_size:,} ids, to agree on {sum(map(len, texts)):,} "
        f"bytes of {corpus.name}; at most {options.rounds} linear programs, each takes seconds to "
        "a minute"
    )
    start = time.perf_counter()

    def say(line: str) -> None:
        print(f"{time.perf_counter() - start:4.0f} s  {line}", flush=True)

    unigram = unigramify(
        tokenizer,
        texts,
        held_out=held_out,
        max_pretokens=options.max_pretokens,
        rounds=options.rounds,
        log=say,
    )
    files.write_bytes(out, unigram_json(tokenizer, unigram.score_V))
    print(
        f"wrote {out}: the same pieces for {unigram.agreement:.2%} of the pretokens, and for "
        f"{unigram.held_out_agreement:.2%} of held-out ones ({unigram.prior_agreement:.2%} before)"
    )


def end_apart(texts: list[bytes]) -> tuple[list[bytes], list[bytes]]:
    """The texts without their last tenth, and that; of a single text the cut is before a word."""
    size, rest = sum(map(len, texts)) // 10, list(texts)
    apart: list[bytes] = []
    while sum(map(len, apart)) < size:
        last, missing = rest.pop(), size - sum(map(len, apart))
        if len(last) > 2 * missing or not rest:
            cut = max(0, last.rfind(b" ", 0, len(last) - missing))
            rest += [last[:cut]] * bool(cut)
            last = last[cut:]
        apart.insert(0, last)
    return rest, apart


def _files(tokenizer: str) -> Iterator[Path]:
    path = Path(tokenizer)
    yield from (Path(entry) for entry in os.scandir(path)) if path.is_dir() else (path,)
