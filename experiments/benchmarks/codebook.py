"""Codebook encode and decode against `tokenizers` and `sentencepiece`, one thread each, same text.

    python -m experiments.benchmarks.codebook [--corpus SPEC] [--megabytes N] [--out FILE]

Each peer runs by its own fast path: `Tokenizer.encode_batch_fast` (byte-level BPE with GPT-2's
regular expression; GPT-2's own tokenizer where $FREEVOCAB_DATA has it, else 32,000 entries trained
on the text) and `SentencePieceProcessor.encode(list, num_threads=1)` (Unigram; T5's 32,000 pieces
or 8,000 trained on the text). All are warmed up, take the same list of documents of up to 64 KiB,
and are timed in turn; the best of the repeats counts. Expected: encode at least 20 times the BPE
and 5 times sentencepiece, decode faster still.
"""

import io
import os
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

# Read when the packages are imported: one thread each.
os.environ["RAYON_NUM_THREADS"] = "1"
os.environ["TOKENIZERS_PARALLELISM"] = "false"

import sentencepiece  # noqa: E402
import tokenizers  # noqa: E402

from experiments.benchmarks import report  # noqa: E402
from research import codecs, corpora  # noqa: E402

GPT2 = "tokenizers/llm/gpt-2/tokenizer.json"
T5 = "tokenizers/t5-cc_all-32k/sentencepiece_cc_all.32000.100extra.model"
_PIECE = 65536
Row = dict[str, Any]


def run(corpus: str = "builtin:topics", megabytes: float = 2.0, repeats: int = 5) -> list[Row]:
    """One row per tokenizer and direction: megabytes per second and our multiple of it.

    Args:
      corpus: text to encode, `megabytes` of it.
    """
    texts = _texts(corpus, int(megabytes * 1e6))
    size = sum(map(len, texts))
    strings = [text.decode("utf-8") for text in texts]
    ways = [
        *(_codebook(name, texts) for name in ("english-b16", "english-dictionary")),
        _bpe(strings),
        _unigram(strings),
    ]
    best: dict[tuple[str, str], float] = {}
    ids = {name: encode() for name, _, encode, _ in ways}  # warm up, and something to decode
    for name, _, _, decode in ways:
        decode(ids[name])
    for _ in range(repeats):
        for name, _, encode, decode in ways:
            calls = {"encode": encode, "decode": lambda d=decode, n=name: d(ids[n])}
            for direction, call in calls.items():
                started = time.perf_counter()
                call()
                seconds = time.perf_counter() - started
                key = (name, direction)
                best[key] = min(seconds, best.get(key, seconds))
    rows = []
    for name, facts, _, _ in ways:
        for direction in ("encode", "decode"):
            speed = size / best[name, direction] / 1e6
            ours = size / best["english-b16", direction] / 1e6
            rows.append(
                {"tokenizer": name, "direction": direction, "megabytes_per_second": round(speed, 2)}
                | {"english_b16_is_times": round(ours / speed, 1), "threads": 1, "bytes": size}
                | {"bytes_per_token": round(size / _tokens(ids[name]), 3)}
                | facts
            )
    return rows


Way = tuple[str, Row, Callable[[], Any], Callable[[Any], Any]]


def _codebook(name: str, texts: Sequence[bytes]) -> Way:
    codec = codecs.load(name)
    return name, {"call": "codec.encode / codec.decode"}, lambda: codec.encode(texts), codec.decode


def _bpe(strings: Sequence[str]) -> Way:
    path = Path(os.environ.get("FREEVOCAB_DATA", "")) / GPT2
    if path.is_file():
        bpe, what = tokenizers.Tokenizer.from_file(str(path)), "GPT-2's tokenizer.json"
    else:
        bpe, what = tokenizers.Tokenizer(tokenizers.models.BPE()), "trained on the text"
        bpe.pre_tokenizer = tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False)
        bpe.decoder = tokenizers.decoders.ByteLevel()
        alphabet = tokenizers.pre_tokenizers.ByteLevel.alphabet()
        trainer = tokenizers.trainers.BpeTrainer(
            vocab_size=32000, initial_alphabet=alphabet, show_progress=False
        )
        bpe.train_from_iterator(strings, trainer)
    facts = {
        "what": f"byte-level BPE, {bpe.get_vocab_size()} entries, {what}",
        "call": "encode_batch_fast / decode_batch, RAYON_NUM_THREADS=1",
        "version": tokenizers.__version__,
    }
    return (
        "tokenizers BPE",
        facts,
        lambda: bpe.encode_batch_fast(strings),
        lambda encoded: bpe.decode_batch([one.ids for one in encoded]),
    )


def _unigram(strings: Sequence[str]) -> Way:
    path = Path(os.environ.get("FREEVOCAB_DATA", "")) / T5
    if path.is_file():
        model, what = path.read_bytes(), "T5's model"
    else:
        trained, what = io.BytesIO(), "trained on the text"
        lines = [line for text in strings for line in text.splitlines()]
        sentencepiece.SentencePieceTrainer.train(
            sentence_iterator=iter(lines),
            model_writer=trained,
            vocab_size=8000,
            hard_vocab_limit=False,
            byte_fallback=True,
            num_threads=1,
            minloglevel=2,
        )
        model = trained.getvalue()
    unigram = sentencepiece.SentencePieceProcessor(model_proto=model)
    facts = {
        "what": f"Unigram, {unigram.get_piece_size()} pieces, {what}",
        "call": "encode(list, num_threads=1) / decode(list, num_threads=1)",
        "version": sentencepiece.__version__,
    }
    return (
        "sentencepiece Unigram",
        facts,
        lambda: unigram.encode(list(strings), num_threads=1),
        lambda ids: unigram.decode(ids, num_threads=1),
    )


def _texts(corpus: str, size: int) -> list[bytes]:
    """Documents cut into pieces of at most 64 KiB that are UTF-8, `size` bytes or a little less."""
    texts, total = [], 0
    for document in corpora.load(corpus).documents("train"):
        for start in range(0, len(document), _PIECE):
            piece = document[start : start + min(_PIECE, size - total)]
            piece = piece.decode("utf-8", "ignore").encode("utf-8")
            texts.append(piece)
            total += len(piece)
            if total >= size - 8:
                return texts
    return texts


def _tokens(encoded: Sequence[Any]) -> int:
    return sum(len(one) for one in encoded)


def main() -> None:
    """Reads the command line, prints the rows and writes them."""
    report.main("codebook", run, __doc__, seeds=(), show=_shown)


def _shown(row: Row) -> str:
    return (
        f"{row['tokenizer']:22} {row['direction']}  {row['megabytes_per_second']:9.2f} MB/s"
        f"   english-b16 is {row['english_b16_is_times']:6.1f} times as fast"
    )


if __name__ == "__main__":
    main()
