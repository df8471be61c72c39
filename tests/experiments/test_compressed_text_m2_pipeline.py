"""What the tables are built from: codecs by label, one compiled step, honest rows."""

import dataclasses
import math

import numpy as np
import pytest

from configs.compressed_text import gzip_header
from configs.compressed_text.presets import (
    QUICK_CORPUS,
    QUICK_EXAMPLES,
    QUICK_M1,
    QUICK_M2,
    TrainedTable,
)
from configs.shared import CodecConfig, M1Config
from experiments.compressed_text import m2, m2_pipeline
from experiments.shared import compressors
from research.cli import arguments
from research.errors import UsageError
from research.training import lm
from research.training.config import ParallelismConfig


@pytest.fixture(scope="module")
def corpus():
    return compressors.load_corpus(QUICK_CORPUS)


@pytest.fixture(scope="module")
def workdir(tmp_path_factory):
    return tmp_path_factory.mktemp("setting")


def quiet(line: str) -> None:
    pass


def table(*codecs, **changes) -> TrainedTable:
    return TrainedTable(
        **{
            "corpus": QUICK_CORPUS,
            "m1": QUICK_M1,
            "codecs": codecs,
            "m2": QUICK_M2,
            "train_bytes": 8_000,
            "valid_bytes": 2_000,
            "examples": QUICK_EXAMPLES,
        }
        | changes
    )


def test_rows_of_different_vocabularies_share_one_compiled_step(workdir):
    lm.compiled_step.cache_clear()
    lm.evaluator.cache_clear()
    config = table(
        CodecConfig("bytes"),
        CodecConfig("gzip", bits_per_token=12),
        CodecConfig("codebook", window_bits=12),
    )
    rows = m2_pipeline.train_rows(config, workdir, quiet)
    assert [row["vocabulary"] for row in rows] == [256, 4096, 4096]
    assert lm.compiled_step.cache_info().misses == 1
    assert lm.evaluator.cache_info().misses == 1


def test_a_row_is_measured_on_all_tokens_of_the_validation_text(corpus, workdir):
    """Two steps of training leave a model near uniform: nats a token near ln of all real ids."""
    config = table(CodecConfig("bytes"))
    row = m2_pipeline.train_rows(config, workdir, quiet)[0]
    codec = compressors.build_codec(config.codecs[0], config.m1, corpus, workdir, quiet)
    valid = m2_pipeline.store(codec, corpus, "valid", config, workdir)
    assert row["ratio"] == 1.0 and valid.num_tokens == valid.num_bytes == 5 * config.m2.length
    assert row["bits_per_byte"] == pytest.approx(row["bits_per_token"], rel=1e-6)
    assert row["bits_per_token"] == pytest.approx(math.log2(258), rel=0.1)
    assert row["lost_share"] == 0.0 and row["bits_per_byte_all"] == row["bits_per_byte"]


def test_a_token_of_a_code_costs_as_much_as_the_bytes_that_it_stands_for(corpus, workdir):
    config = table(CodecConfig("ac", bits_per_token=8))
    row = m2_pipeline.train_rows(config, workdir, quiet)[0]
    codec = compressors.build_codec(config.codecs[0], config.m1, corpus, workdir, quiet)
    valid = m2_pipeline.store(codec, corpus, "valid", config, workdir)
    size, count = config.examples.example_bytes, valid.num_documents
    text = b"".join(compressors.documents(corpus, "valid", 2 * config.valid_bytes))
    examples = [text[size * number : size * (number + 1)] for number in range(count)]
    ratio = count * size / sum(map(len, codec.encode(examples)))
    assert row["ratio"] == pytest.approx(ratio) and ratio > 1.2
    assert row["bits_per_byte"] == pytest.approx(row["bits_per_token"] / ratio, rel=5e-3)
    assert row["by_position"] == pytest.approx(8, abs=0.3)  # AC: counts of so few ids know nothing


def test_an_encode_only_codec_says_so(workdir):
    row = m2_pipeline.train_rows(
        table(CodecConfig("equal_info", window_bits=12, bits_per_token=12, closing="point")),
        workdir,
        quiet,
    )[0]
    assert row["lost_share"] is None and row["bits_per_byte_all"] is None
    assert row["bits_per_byte"] > 0


def test_the_ac_ratio_is_eight_over_the_bits_per_byte_of_the_integers(corpus, workdir):
    config = CodecConfig("ac", bits_per_token=8)
    codec = compressors.build_codec(config, QUICK_M1, corpus, workdir, quiet)
    text = b"".join(compressors.documents(corpus, "valid", 5_000))[:5_000]
    order, model = codec.model.order, codec.model
    contexts = [text[max(0, end - order) : end] for end in range(len(text) + 1)]
    symbols = [*text, 256]
    frequencies = model.window_frequencies(contexts, 257)[np.arange(len(symbols)), symbols]
    bits = -np.log2(frequencies / 2**model.beta).sum()
    ratio = len(text) / len(codec.encode([text])[0])
    assert ratio == pytest.approx(8 / (bits / len(text)), rel=0.01)
    wide = compressors.build_codec(
        dataclasses.replace(config, bits_per_token=16), QUICK_M1, corpus, workdir, quiet
    )
    assert len(text) / len(wide.encode([text])[0]) == pytest.approx(2 * ratio, rel=5e-3)


def test_codecs_are_built_once(corpus, workdir):
    config = table(CodecConfig("codebook", window_bits=12), CodecConfig("bpe", vocab_size=300))
    lines: list[str] = []
    first = m2_pipeline.build_codecs(config, corpus, workdir / "once", lines.append)
    assert any("building" in line for line in lines)
    lines.clear()
    again = m2_pipeline.build_codecs(config, corpus, workdir / "once", lines.append)
    assert lines == []
    assert [c.fingerprint() for c in first.values()] == [c.fingerprint() for c in again.values()]


def test_two_rows_of_one_name_are_refused(corpus, workdir):
    with pytest.raises(UsageError, match="two rows are called 'Bytes'"):
        m2_pipeline.build_codecs(
            table(CodecConfig("bytes"), CodecConfig("bytes")), corpus, workdir, quiet
        )


def test_a_missing_data_folder_and_a_missing_m1_are_one_line(corpus, workdir):
    with pytest.raises(UsageError, match="FREEVOCAB_DATA, which is not set"):
        compressors.load_corpus(gzip_header.gpu().corpus)
    with pytest.raises(UsageError, match="freevocab train m1"):
        compressors.build_m1(M1Config(kind="saved", directory="nowhere"), corpus, workdir, quiet)


def test_a_vocabulary_above_the_padding_is_refused():
    with pytest.raises(UsageError, match="padded_vocab_size=4224 is below the 5000 ids"):
        m2.model_config(QUICK_M2, 5_000)
    with pytest.raises(UsageError, match="unknown model size 'huge'"):
        m2.trunk_config(dataclasses.replace(QUICK_M2, size="huge"))


def test_several_processes_give_the_ids_of_one(corpus, workdir):
    config = CodecConfig("equal_info", window_bits=24, bits_per_token=12)
    codec = compressors.build_codec(config, QUICK_M1, corpus, workdir, quiet)
    texts = [text[:300] for text in compressors.documents(corpus, "valid", 5_000)]
    with compressors.parallel(codec, 10_000, processes=2) as spread:
        assert spread.vocab_size == codec.vocab_size
        found = spread.encode(texts)
    for ours, theirs in zip(found, codec.encode(texts), strict=True):
        np.testing.assert_array_equal(ours, theirs)
    with compressors.parallel(codec, 10_000, processes=1) as same:
        assert same is codec


def test_a_row_is_the_same_on_eight_devices(workdir):
    single = table(CodecConfig("gzip", bits_per_token=12))
    mesh = dataclasses.replace(
        single, m2=dataclasses.replace(QUICK_M2, parallelism=ParallelismConfig(kind="mesh"))
    )
    one, eight = (m2_pipeline.train_rows(config, workdir, quiet)[0] for config in (single, mesh))
    assert eight["bits_per_byte"] == pytest.approx(one["bits_per_byte"], rel=1e-5)


@pytest.mark.parametrize(
    "change",
    ["m2.steps=-5", "m2.steps=0", "m2.z_loss=nan", "m1.order=-1", "m1.max_bytes=0"],
)
def test_a_number_out_of_range_is_refused_before_any_work(change):
    name = change.split(".")[1].split("=")[0]
    with pytest.raises(UsageError, match=f"{name} must be at least|{name}=nan: give a finite"):
        arguments.overridden(gzip_header.quick(), [change])


def test_a_codec_without_entries_is_refused():
    for field in ("vocab_size", "bits_per_token", "window_bits"):
        with pytest.raises(UsageError, match=f"{field} must be at least 1"):
            CodecConfig(**{field: 0})
