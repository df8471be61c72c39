"""A step's tokenizer, its entries in the source's pieces and a batch of ids, against plain Python.

    python -m experiments.benchmarks.tokenizer_sampling [--corpus SPEC] [--steps N] [--out FILE]

Per step: 128 new texts of 2048 bytes in a queue of 16 such batches, 32,768 entries by frequency x
length with noise, each decomposed into the source tokenizer's pieces (GPT-2's where
$FREEVOCAB_DATA has its tokenizer.json, else 8,192 entries trained on the text), and 128 rows of 128
ids. Both sides do the same work on the same texts in one process, one thread: seconds of CPU time,
means over steps when the queue is full and caches are warm (`worst`: the slowest step).

Plain Python counts each batch into a Counter and sums the queue's 16, finds and encodes with
`tokenizers` (pre-tokenizer, `models.Unigram`, whole texts, cut to 128 ids), and decomposes token by
token with `Tokenizer.encode`, remembering what it has met. Expected: at most .3 s a step, .15 aimed
at.
"""

import os
import time
from collections import Counter, deque
from pathlib import Path
from typing import Any

# Read when the package is imported: one thread.
os.environ["RAYON_NUM_THREADS"] = "1"
os.environ["TOKENIZERS_PARALLELISM"] = "false"

import numpy as np  # noqa: E402
import tokenizers  # noqa: E402

from experiments.benchmarks import report  # noqa: E402
from research import corpora  # noqa: E402
from research import tokenizers as tokenizer_files  # noqa: E402
from research.codecs.codec_tokenizer import CodecTokenizer  # noqa: E402
from research.codecs.subword import BPECodec  # noqa: E402
from research.tokenizers.tokenizer_json import byte_alphabet  # noqa: E402
from research.transfer import sampling  # noqa: E402
from research.transfer.sampling import kinds, pretokens  # noqa: E402
from research.transfer.sampling.batches import encoded  # noqa: E402
from research.transfer.sampling.sampled_tokenizer import SampledTokenizer  # noqa: E402

GPT2 = "tokenizers/llm/gpt-2/tokenizer.json"
PARTS = ("count", "sample", "encode", "decompose")
Row = dict[str, Any]


def run(
    corpus: str = "builtin",
    pieces: int = 32768,
    rows: int = 128,
    length: int = 128,
    queue: int = 16,
    steps: int = 30,
    plain_steps: int = 4,
) -> list[Row]:
    """One row for each part of a step and one for all: seconds of both, and the ratio.

    Args:
      corpus: text to sample from.
      rows, length: texts in a batch, and ids of a row.
      queue: batches in the queue.
      steps: timed, after the queue has filled.
    """
    store = sampling.byte_store(corpora.load(corpus).documents("train"))
    windows = sampling.TextWindows(store, rows=rows)
    source, content = _source(store)
    ours = _Ours(windows, pieces, length, queue, source)
    spent = [ours.step(step) for step in range(queue + steps)][queue:]
    plain = _Plain(windows, pieces, length, queue, content)
    plain_spent = [plain.step(step) for step in range(1 + plain_steps)][1:]
    facts = {"steps": steps, "plain_steps": plain_steps, "source": source.name}
    result = [
        _row(part, [s[part] for s in spent], [s[part] for s in plain_spent]) for part in PARTS
    ]
    totals = [sum(s.values()) for s in spent]
    result.append(_row("all", totals, [sum(s.values()) for s in plain_spent]))
    return [row | facts for row in result]


class _Ours:
    def __init__(self, windows, pieces: int, length: int, queue: int, source):
        self.windows, self.pieces, self.length, self.source = windows, pieces, length, source
        self.kind, self.cut = sampling.Substrings(), sampling.Pretokens()
        self.queue = sampling.Queue(lambda n: _texts(windows.batch(n)), queue)

    def step(self, step: int) -> dict[str, float]:
        clock = _Clock()
        counts, _ = self.queue.at(step, self.cut, self.kind.candidates)
        clock.lap("count")
        rng = np.random.default_rng([0, step])
        tokens, unigram = kinds.sample_substrings(self.kind, counts, self.pieces, rng)
        tokenizer = SampledTokenizer(tokens, unigram, self.cut, pieces=self.pieces)
        clock.lap("sample")
        encoded(tokenizer, self.windows.batch(step), self.length)
        clock.lap("encode")
        self.source.decompose(tokens)
        return clock.lap("decompose")


class _Plain:
    def __init__(self, windows, pieces: int, length: int, queue: int, content: bytes):
        self.windows, self.pieces, self.length = windows, pieces, length
        self.library = tokenizers.Tokenizer.from_str(content.decode())
        self.library.pre_tokenizer = None
        self.pieces_of: dict[str, list[int]] = {}
        pattern = pretokens.pattern(sampling.Pretokens())
        self.pre_tokenizer = tokenizers.pre_tokenizers.Sequence(
            [
                tokenizers.pre_tokenizers.Split(tokenizers.Regex(pattern), "isolated"),
                tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
            ]
        )
        batches = (self._counter(number) for number in range(queue - 1))
        self.queue = queue
        self.counters = deque(batches, maxlen=queue)

    def _counter(self, number: int) -> Counter:
        """Substrings of up to 16 characters (of the byte-level alphabet)."""
        words: Counter = Counter()
        for text in _texts(self.windows.batch(number)):
            split = self.pre_tokenizer.pre_tokenize_str(text.decode("utf-8", "replace"))
            words.update(word for word, _ in split)
        counter: Counter = Counter()
        for word, count in words.items():
            for i in range(len(word)):
                for j in range(i + 1, min(len(word), i + 16) + 1):
                    counter[word[i:j]] += count
        return counter

    def step(self, step: int) -> dict[str, float]:
        clock = _Clock()
        self.counters.append(self._counter(step + self.queue - 1))
        total: Counter = Counter()
        for counter in self.counters:
            total.update(counter)
        clock.lap("count")
        rng = np.random.default_rng([0, step])
        strings = list(total)
        weights = np.array([total[string] * len(string) for string in strings], np.float64)
        sigma = kinds.draw_sigma(sampling.Substrings(), rng)
        p = weights / weights.sum() + sigma * rng.standard_normal(len(weights))
        order = np.argsort(-p)[: self.pieces - 256]
        least = max(1e-30, float(p[order].min()))
        scores = {token: float(np.log(least)) for token in byte_alphabet()}
        scores |= {strings[n]: float(np.log(max(p[n], least))) for n in order}
        clock.lap("sample")
        model = tokenizers.models.Unigram(list(scores.items()), None, False)
        tokenizer = tokenizers.Tokenizer(model)
        tokenizer.pre_tokenizer = self.pre_tokenizer
        texts = [text.decode("utf-8", "replace") for text in _texts(self.windows.batch(step))]
        [one.ids[: self.length] for one in tokenizer.encode_batch_fast(texts)]
        clock.lap("encode")
        for token in scores:
            if token not in self.pieces_of:
                self.pieces_of[token] = self.library.encode(token, add_special_tokens=False).ids
        return clock.lap("decompose")


class _Clock:
    """Seconds of this process's CPU time from one lap to the next."""

    def __init__(self):
        self.spent: dict[str, float] = {}
        self.last = time.process_time()

    def lap(self, part: str) -> dict[str, float]:
        now = time.process_time()
        self.spent[part], self.last = now - self.last, now
        return self.spent


def _row(part: str, ours: list[float], plain: list[float]) -> Row:
    mean, peer = float(np.mean(ours)), float(np.mean(plain))
    figures = {"ours": mean, "worst": max(ours), "plain": peer, "times": peer / mean}
    return {"part": part} | {name: float(f"{value:.3g}") for name, value in figures.items()}


def _source(store):
    """The tokenizer to decompose into, and its tokenizer.json (a byte-level BPE)."""
    path = Path(os.environ.get("FREEVOCAB_DATA", "")) / GPT2
    if path.is_file():
        return tokenizer_files.load(path), path.read_bytes()
    documents = (store.document(n).astype(np.uint8).tobytes() for n in range(store.num_documents))
    codec = BPECodec.train(documents, 8192, max_bytes=5_000_000)
    return CodecTokenizer(codec), codec.content


def _texts(batch) -> list[bytes]:
    return [part for row in batch for part in row]


def main() -> None:
    """Reads the command line, prints the rows and writes them."""
    report.main("tokenizer_sampling", run, __doc__)


if __name__ == "__main__":
    main()
