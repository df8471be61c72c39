"""What preparing C4 costs through each codec: MB of text for each second of a core, by stage.

    python -m experiments.benchmarks.preparation [--out FILE] [--page docs/scale.md]

The stages are those of `freevocab prepare` on gzip-compressed JSON lines, as C4 is distributed:
  read    unpack, parse, check, hash, and put into one file for each part
  encode  the codec
  write   gather a shard, drop duplicates, sort, and write ids with their digests
Rates are of processor time, threads included, so that more cores and other processes do not change
them; disk and network are not in them. `write` is measured once, in seconds for each byte of text
and for each id, and put together for each codec. The best of the repeats counts. Codecs that run a
model for every byte read `--slow-kilobytes` of the text, the others `--megabytes`.

C4's English part is 305 GB of files and about 750 GB of text (arXiv 1910.10683, section 2.2).
"""

import gzip
import json
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import jax

from experiments.benchmarks import report
from research import codecs, corpora, files
from research.codecs.arithmetic import ArithmeticCodec
from research.codecs.byte_models.ngram import NGramModel, UnigramModel
from research.codecs.byte_models.transformer import TransformerModel
from research.codecs.protocol import Codec
from research.codecs.subword import BPECodec
from research.models import language_model
from research.models.language_model import LanguageModelConfig
from research.models.sizes import size as trunk_size
from research.training.data import token_store
from research.training.prepare import job as jobs
from research.training.prepare import shards, spill

C4_TEXT_BYTES = 750e9
C4_DOCUMENTS = 365e6
BEGIN = "<!-- c4: written by `python -m experiments.benchmarks.preparation --page` -->"
END = "<!-- /c4 -->"
BETA = 14
_SHARDS = 4
Row = dict[str, Any]


def run(
    corpus: str = "builtin:novels",
    megabytes: float = 8.0,
    slow_kilobytes: int = 64,
    entries: int = 32_000,
    model: str = "3m",
    repeats: int = 3,
    page: str = "",
) -> list[Row]:
    """One row for each codec.

    Args:
      corpus: text to prepare, `megabytes` of it.
      entries: of the BPE, which is trained on the text.
      model: shape of the Transformer that drives one of the arithmetic coders, random weights.
      page: a page whose table is written again from the rows.
    """
    texts = list(
        token_store.first_bytes(corpora.load(corpus).documents("train"), int(megabytes * 1e6))
    )
    few = list(token_store.first_bytes(texts, 1000 * slow_kilobytes))
    read, gathered, written = _read_and_write(texts, repeats)
    rows = []
    for name, codec, is_slow in _codecs(texts, entries, model):
        chosen = few if is_slow else texts
        encode, tokens = _encode(codec, chosen, repeats)
        num_bytes = sum(map(len, chosen))
        ratio = num_bytes / tokens
        seconds = {"read": read, "encode": encode, "write": gathered + written / ratio}
        rows.append(_row(name, num_bytes, ratio, seconds))
    if page:
        write_page(page, rows)
    return rows


def _row(name: str, num_bytes: int, ratio: float, seconds: dict[str, float]) -> Row:
    """A row out of the seconds of a core for each byte of text, by stage."""
    hours = {stage: C4_TEXT_BYTES * each / 3600 for stage, each in seconds.items()}
    rates = {f"{stage}_megabytes_per_second": 1e-6 / each for stage, each in seconds.items()}
    return {
        "codec": name,
        "bytes": num_bytes,
        "bytes_per_token": round(ratio, 3),
        **{name: round(rate, 4) for name, rate in rates.items()},
        "c4_core_hours": round(sum(hours.values()), 1),
        "c4_bottleneck": max(hours, key=lambda stage: hours[stage]),
        # An id has 4 bytes; a document has EOS and its place in two lists, too.
        "c4_store_gigabytes": round((4 * C4_TEXT_BYTES / ratio + 20 * C4_DOCUMENTS) / 1e9),
    }


def _read_and_write(texts: Sequence[bytes], repeats: int) -> tuple[float, float, float]:
    """Seconds of a core: to read a byte of text, to gather one, and to write an id."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "part.jsonl.gz"
        with gzip.open(path, "wt", encoding="utf-8") as file:
            file.writelines(json.dumps({"text": text.decode()}) + "\n" for text in texts)
        corpus = corpora.load(f"text:{path}")
        # Ids of bytes cost nothing to make, and are as many as bytes.
        made = jobs.make(corpus, "bytes", Path(folder) / "out", num_shards=_SHARDS)
        jobs.start(made, [])
        (task,) = jobs.tasks(corpus.source.pieces())

        def read() -> None:
            spill.path_of(made, 0).unlink(missing_ok=True)
            spill.write(made, (0, task))

        def gather() -> None:
            for shard in range(_SHARDS):
                shards.unique(spill.read(made, shard, 1))

        def write() -> None:
            for shard in range(_SHARDS):
                shards.write(made, shard, spill.read(made, shard, 1))

        reading, gathering, writing = (_seconds(call, repeats) for call in (read, gather, write))
        num_bytes = sum(map(len, texts))
        return reading / num_bytes, gathering / num_bytes, (writing - gathering) / num_bytes


def _encode(codec: Codec, texts: Sequence[bytes], repeats: int) -> tuple[float, int]:
    """Seconds of a core for a byte of text, and the number of ids."""
    groups = list(token_store.grouped(texts, token_store.GROUP_DOCUMENTS))
    codec.encode(texts[:1])  # compile
    tokens = sum(len(ids) for group in groups for ids in codec.encode(group))

    def encode() -> None:
        for group in groups:
            codec.encode(group)

    return _seconds(encode, repeats) / sum(map(len, texts)), tokens


def _seconds(call: Callable[[], None], repeats: int) -> float:
    """The least processor time of some calls."""
    best = float("inf")
    for _ in range(repeats):
        started = time.process_time()
        call()
        best = min(best, time.process_time() - started)
    return best


def _codecs(texts: Sequence[bytes], entries: int, model: str) -> list[tuple[str, Codec, bool]]:
    """(name, codec, whether it runs a model for every byte)."""
    config = LanguageModelConfig(trunk_size(model), 258)
    init = jax.jit(language_model.init, static_argnums=1)
    transformer = TransformerModel(init(jax.random.key(0), config), config, BETA)
    return [
        ("bytes", codecs.load("bytes"), False),
        ("english-b16", codecs.load("english-b16"), False),
        ("english-dictionary", codecs.load("english-dictionary"), False),
        (f"BPE, {entries:,} entries", BPECodec.train(texts, entries), False),
        ("gzip", codecs.load("gzip"), False),
        ("StaticAC (unigram)", ArithmeticCodec(UnigramModel.train(texts, beta=BETA), 16), False),
        ("AC, n-grams of order 5", ArithmeticCodec(NGramModel.train(texts, beta=BETA), 16), True),
        (f"AC, {model} Transformer", ArithmeticCodec(transformer, 16), True),
    ]


def table(rows: Sequence[Row]) -> str:
    """The rows as Markdown."""
    lines = [
        "| codec | bytes/token | read | encode | write | core hours | bottleneck | store |",
        "| --- | ---: | ---: | ---: | ---: | ---: | --- | ---: |",
    ]
    for row in rows:
        rates = (row[f"{stage}_megabytes_per_second"] for stage in ("read", "encode", "write"))
        cells = [
            row["codec"],
            f"{row['bytes_per_token']:.2f}",
            *(f"{rate:.3g} MB/s" for rate in rates),
            f"{row['c4_core_hours']:,.0f}",
            row["c4_bottleneck"],
            f"{row['c4_store_gigabytes']:,} GB",
        ]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def write_page(page: str, rows: Sequence[Row]) -> None:
    """Puts the table in place of what stands between the page's two marks."""
    text = Path(page).read_text(encoding="utf-8")
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    files.write_text(page, f"{before}{BEGIN}\n\n{table(rows)}\n\n{END}{after}")


def main() -> None:
    """Reads the command line, prints the rows and writes them."""
    report.main("preparation", run, __doc__, show=_shown)


def _shown(row: Row) -> str:
    return (
        f"{row['codec']:24} {row['bytes_per_token']:6.2f} bytes/token"
        f"  encode {row['encode_megabytes_per_second']:9.3f} MB/s of a core"
        f"  C4: {row['c4_core_hours']:10,.0f} core hours, most to {row['c4_bottleneck']}"
    )


if __name__ == "__main__":
    main()
