"""Tables exchanged on disk: what changes changes rightly, and all else not by a bit."""

import json

import ml_dtypes
import numpy as np
import pytest

from research import tokenizers
from research.codecs.codebook import CodebookCodec
from research.codecs.subword import BPECodec
from research.errors import FreevocabError, UsageError
from research.models import safetensors_shards as shards
from research.transfer import matching
from research.transfer.convert import plan, target_tokenizer
from research.transfer.convert.hf_folder import HFSource
from tests.transfer import hf_folders
from tests.transfer.hf_folders import edit, message, opened, rewrite, transfer


@pytest.mark.parametrize("kind", hf_folders.NAMES)
def test_every_family_is_moved(kind, old, new, tmp_path):
    source, arrays = hf_folders.model(tmp_path / "m", kind, 420, tokenizer=old, padding=12)
    transfer(source, new, tmp_path / "out")
    config, checkpoint, layout = opened(tmp_path / "out")
    assert config["vocab_size"] == layout.rows == 605
    moved = {*hf_folders.replaced(layout), layout.positions}
    assert set(checkpoint) == set(arrays)
    for name, array in arrays.items():
        assert name in moved or checkpoint[name].read().tobytes() == array.tobytes()
    ours, theirs = tokenizers.load(tmp_path / "out"), tokenizers.load(source)
    assert ours.fingerprint() == tokenizers.load(new).fingerprint()
    match = matching.match(theirs, ours)
    assert len(match.overlap_target_N) > 300 and len(match.new_target_M) > 100
    for name in hf_folders.replaced(layout):
        after, before = checkpoint[name].read(), arrays[name]
        np.testing.assert_array_equal(after[match.overlap_target_N], before[match.overlap_source_N])
        np.testing.assert_array_equal(after[match.special_target_S], before[match.special_source_S])
        mean = before[:420][~theirs.special_V].mean(0, dtype=np.float64)
        np.testing.assert_allclose(after[602], mean, rtol=1e-5)
    assert ours.special_names[602] == "[NEW]"
    ids = [config.get(f"{role}_token_id") for role in ("bos", "eos")]
    assert ids == ([None, None] if "qwen" in kind else [601, 600])


def test_the_same_tokenizer_gives_the_same_checkpoint(old, tmp_path):
    for kind in ("llama", "xlm-roberta"):
        source, arrays = hf_folders.model(
            tmp_path / kind, kind, 420, tokenizer=old, dtype=ml_dtypes.bfloat16
        )
        transfer(source, old, tmp_path / "out")
        config, checkpoint, _ = opened(tmp_path / "out")
        for name, array in arrays.items():
            assert checkpoint[name].read().tobytes() == array.tobytes()
            assert checkpoint[name].dtype == array.dtype
        before = hf_folders.config_of(source)
        assert {key: config[key] for key in before} == before


def test_shards_stay_within_memory_and_bound(old, new, tmp_path):
    source, arrays = hf_folders.model(tmp_path / "m", "llama", 420, tokenizer=old)
    (source / shards.SINGLE).unlink()
    entries = [shards.entry(*one) for one in arrays.items()]
    shards.write_checkpoint(source, entries, max_shard_bytes=30_000)
    assert (source / shards.INDEX).is_file()
    transfer(source, new, tmp_path / "out")
    checkpoint = shards.open_checkpoint(tmp_path / "out")
    np.testing.assert_array_equal(checkpoint[hf_folders.TRUNK].read(), arrays[hf_folders.TRUNK])


def test_tied_and_untied_by_config_and_tensors(old, new, tmp_path):
    source, arrays = hf_folders.model(
        tmp_path / "m", "llama", 420, tokenizer=old, tie_word_embeddings=True
    )
    assert opened(source)[2].tied
    # Both tensors in the file, and equal: both are written, and equal again.
    arrays["lm_head.weight"] = arrays["model.embed_tokens.weight"]
    rewrite(source, arrays)
    transfer(source, new, tmp_path / "out")
    checkpoint = shards.open_checkpoint(tmp_path / "out")
    both = [checkpoint[name].read() for name in ("lm_head.weight", "model.embed_tokens.weight")]
    assert both[0].shape == (605, hf_folders.D) and np.array_equal(*both)
    arrays["lm_head.weight"] = arrays["lm_head.weight"] + 1
    rewrite(source, arrays)
    assert '"tie_word_embeddings"' in message(FreevocabError, source, new, tmp_path / "o")
    del arrays["lm_head.weight"]
    rewrite(source, arrays)
    edit(source / "config.json", tie_word_embeddings=False)
    assert "lm_head.weight is missing" in message(FreevocabError, source, new, tmp_path / "o")
    edit(source / "config.json", architectures=["LlamaModel"])
    transfer(source, new, tmp_path / "headless")
    assert set(shards.open_checkpoint(tmp_path / "headless")) == set(arrays)


@pytest.mark.parametrize("name", ["float32", "float16", "bfloat16"])
def test_all_numbers_in_another_type(name, old, new, tmp_path):
    source, arrays = hf_folders.model(
        tmp_path / "m", "llama", 420, tokenizer=old, dtype=ml_dtypes.bfloat16, dtype_="x",
        torch_dtype="bfloat16",
    )  # fmt: skip
    transfer(source, new, tmp_path / "out", dtype=name)
    config, checkpoint, _ = opened(tmp_path / "out")
    assert config["torch_dtype"] == name and "dtype" not in config
    assert {tensor.dtype.name for tensor in checkpoint.values()} == {name}
    trunk = checkpoint[hf_folders.TRUNK].read().astype(np.float32)
    np.testing.assert_allclose(trunk, arrays[hf_folders.TRUNK].astype(np.float32), rtol=1e-2)
    arrays[hf_folders.TRUNK] = arrays[hf_folders.TRUNK] * np.array(1e6, ml_dtypes.bfloat16)
    rewrite(source, arrays)
    if name == "float16":
        said = message(FreevocabError, source, new, tmp_path / "o", dtype=name)
        assert f"{hf_folders.TRUNK} has numbers too large for float16" in said


def test_a_dry_run_says_everything_and_writes_nothing(old, new, tmp_path):
    source, _ = hf_folders.model(tmp_path / "m", "llama", 420, tokenizer=old, padding=12)
    said = transfer(source, new, tmp_path / "deep" / "out", dry_run=True)
    assert not (tmp_path / "deep").exists()
    for part in ("m (Llama, LlamaForCausalLM)", "432 x 16 (12 of padding)", "old", "420 ids",
                 "new: 605 ids, 5 of them special", "%", "2: ", "mean row, nothing known: [NEW]",
                 "memory", "writes", "kB"):  # fmt: skip
        assert part in said, part
    # What is announced is what is written.
    opened_source, tokenizer = HFSource(str(source)), tokenizers.load(new)
    match = matching.match(opened_source.tokenizer, tokenizer)
    move = opened_source.move(tokenizer, match, None, 1)
    announced = plan.of_move(opened_source, move, "fvt", "out").new_nbytes
    transfer(source, new, tmp_path / "out")
    assert announced == shards.open_checkpoint(tmp_path / "out").nbytes


def test_the_card_tells_what_was_done(old, new, tmp_path):
    source, _ = hf_folders.model(tmp_path / "m", "llama", 420, tokenizer=old)
    (source / "LICENSE.txt").write_text("As you like.")
    (source / "training_args.bin").write_bytes(b"x")
    transfer(source, new, tmp_path / "out", "random", seed=5, map_special=("<unk>=[NEW]",))
    card = (tmp_path / "out" / "README.md").read_text()
    for part in ("random, map_special ['<unk>=[NEW]'], seed 5", "605 ids", "LICENSE.txt",
                 "SHA-256 of config.json", "freevocab 0", "| entries in common |"):  # fmt: skip
        assert part in card, part
    assert str(tmp_path) not in card
    names = {path.name for path in (tmp_path / "out").iterdir()}
    assert "LICENSE.txt" in names and "training_args.bin" not in names
    record = hf_folders.config_of(tmp_path / "out", "freevocab_transfer.json")
    assert record["format"] == "freevocab-transfer" and record["options"]["seed"] == 5
    assert 0 < record["overlap_share"] < 1
    # The same seed, the same bytes; another, others.
    for seed, equal in ((5, True), (6, False)):
        transfer(source, new, tmp_path / "again", "random", seed=seed, map_special=("<unk>=[NEW]",))
        files = [tmp_path / name / "model.safetensors" for name in ("out", "again")]
        assert (files[0].read_bytes() == files[1].read_bytes()) is equal


def test_every_method_with_what_it_needs(old, new, tmp_path):
    """The tool gives each method its auxiliary, and copies special rows whatever the method."""
    source, arrays = hf_folders.model(tmp_path / "m", "llama", 420, tokenizer=old)
    donor, _ = hf_folders.model(tmp_path / "donor", "gpt2", 605, tokenizer=new, seed=1)
    (tmp_path / "text.txt").write_text(hf_folders.text(60_000))
    words = sorted({word for word in hf_folders.text(20_000).split() if word.isalpha()})[:300]
    rng = np.random.default_rng(0)
    rows = [" ".join([word, *map(str, rng.normal(size=8).round(3))]) for word in words]
    (tmp_path / "words.vec").write_text("\n".join([f"{len(words)} 8", *rows]) + "\n")
    (tmp_path / "pairs.txt").write_text("".join(f"{word}\t{word}\n" for word in words))
    text, vectors = str(tmp_path / "te*t.txt"), str(tmp_path / "words.vec")
    two = dict(source_vectors=vectors, dictionary=str(tmp_path / "pairs.txt"))
    cases = [
        *(("plain", method, {}) for method in ("random", "mean", "overlap", "fvt", "byte-fvt")),
        *(("text", method, dict(aux_text=text)) for method in ("wechsel", "focus", "ofa", "omp")),
        *(("words", method, dict(vectors=vectors)) for method in ("focus", "ofa", "omp-aux")),
        ("two languages", "wechsel", dict(vectors=vectors, **two)),
        ("donor", "omp", dict(donor=str(donor))),
    ]
    tables = {}
    for kind, method, options in cases:
        said = transfer(source, new, tmp_path / "out", method, **options)
        tables[kind, method] = shards.open_checkpoint(tmp_path / "out")["lm_head.weight"].read()
        record = hf_folders.config_of(tmp_path / "out", "freevocab_transfer.json")
        aux = kind == "text" and method in ("ofa", "omp")
        assert record["method"] == (f"{method}-aux" if aux else method)
        assert "wrote" in said and str(tmp_path) not in json.dumps(record["options"])
    for table in tables.values():
        assert table.any(1).all() and np.isfinite(table).all()
        np.testing.assert_array_equal(table[[600, 601]], arrays["lm_head.weight"][[2, 0]])
    assert len({table.tobytes() for table in tables.values()}) == len(cases)


def test_a_model_moves_to_a_codec(old, tmp_path):
    """A codebook or a BPE of ours as a tokenizer.json with two more ids."""
    text = hf_folders.text(5000)
    strings = [bytes([byte]) for byte in range(256)] + [b"the ", b" of", b"\xff\x00", b"ing"]
    bpe = BPECodec.train([text.encode()], 300)
    for codec in (CodebookCodec(strings), bpe):
        source, _ = hf_folders.model(tmp_path / "m", "llama", 420, tokenizer=old)
        codec.save(tmp_path / codec.name)
        transfer(source, tmp_path / codec.name, tmp_path / "out")
        tokenizer = tokenizers.load(tmp_path / "out")
        assert tokenizer.vocab_size == codec.vocab_size + 2
        np.testing.assert_array_equal(tokenizer.encode([text])[0], codec.encode([text])[0])
        config = hf_folders.config_of(tmp_path / "out")
        ids = [config["bos_token_id"], config["eos_token_id"]]
        assert ids == [codec.vocab_size, codec.vocab_size + 1]
    assert target_tokenizer.is_codec("english-b16") and not target_tokenizer.is_codec(str(old))
    (tmp_path / "other").mkdir()
    said = message(UsageError, source, "gzip", tmp_path / "other" / "out")
    assert "cannot be written as a tokenizer.json" in said
