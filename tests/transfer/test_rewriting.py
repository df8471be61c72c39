"""Tables exchanged on disk: what changes changes rightly, and all else not by a bit."""

import json

import ml_dtypes
import numpy as np
import pytest

from research.codecs import tokenizer as tokenizers
from research.codecs.bpe_codec import BPECodec
from research.codecs.codebook import CodebookCodec
from research.errors import FreevocabError, UsageError
from research.models.pretrained import shards
from research.transfer import matching
from research.transfer.rewriting import (
    command,
    families,
    folder,
    positions,
    progress,
    special_ids,
    target_files,
)
from research.transfer.rewriting.request import Request
from tests.transfer import hf_folders


@pytest.fixture(scope="module")
def old(tmp_path_factory):
    path = tmp_path_factory.mktemp("old") / "old"
    names = ("<s>", "<pad>", "</s>", "<unk>", "<mask>")
    roles = dict(zip(("bos", "pad", "eos", "unk", "mask"), names, strict=True))
    return hf_folders.bpe(path, 420, names, cls="<s>", sep="</s>", **roles)


@pytest.fixture(scope="module")
def new(tmp_path_factory):
    """Longer entries, special tokens at the end and in another order, one of them unheard of."""
    path = tmp_path_factory.mktemp("new") / "new"
    names = ("[EOS]", "[BOS]", "[NEW]", "[PAD]", "[MASK]")
    roles = dict(zip(("eos", "bos", "pad", "mask"), (*names[:2], *names[3:]), strict=True))
    return hf_folders.bpe(path, 600, names, first=False, **roles)


def transfer(model, tokenizer, out, method="fvt", **options):
    said = []
    dry_run = options.pop("dry_run", False)
    asked = Request(str(model), str(tokenizer), method, str(out), **options)
    command.run(asked, dry_run=dry_run, say=said.append)
    return "\n".join(said)


def opened(path):
    config = families.read_config(path)
    checkpoint = shards.open_checkpoint(path)
    return config, checkpoint, families.layout(config, checkpoint)


@pytest.mark.parametrize("kind", hf_folders.NAMES)
def test_every_family_is_moved(kind, old, new, tmp_path):
    source, arrays = hf_folders.model(tmp_path / "m", kind, 420, tokenizer=old, padding=12)
    transfer(source, new, tmp_path / "out")
    config, checkpoint, layout = opened(tmp_path / "out")
    assert config["vocab_size"] == layout.rows == 605
    moved = {*layout.replaced, layout.positions}
    assert set(checkpoint) == set(arrays)
    for name, array in arrays.items():
        assert name in moved or checkpoint[name].read().tobytes() == array.tobytes()
    ours, theirs = tokenizers.load(tmp_path / "out"), tokenizers.load(source)
    assert ours.fingerprint() == tokenizers.load(new).fingerprint()
    match = matching.match(theirs, ours)
    assert len(match.overlap_target_N) > 300 and len(match.new_target_M) > 100
    for name in layout.replaced:
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


def rewrite(path, arrays):
    shards.write_checkpoint(path, [shards.entry(*one) for one in arrays.items()])


def edit(path, **changes):
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def test_special_ids_are_rewritten_by_role(old, new, tmp_path):
    source, _ = hf_folders.model(
        tmp_path / "m", "llama", 420, tokenizer=old,
        bos_token_id=0, eos_token_id=[2, 4, 3], pad_token_id=None, rope_theta=1e4,
        torch_dtype="float32", quite_unknown={"a": [1]},
    )  # fmt: skip
    generation = {"bos_token_id": 0, "eos_token_id": 2, "pad_token_id": 1, "top_p": 0.9,
                  "decoder_start_token_id": 0, "suppress_tokens": [7, 8]}  # fmt: skip
    (source / "generation_config.json").write_text(json.dumps(generation))
    said = transfer(source, new, tmp_path / "out")
    config = hf_folders.config_of(tmp_path / "out")
    assert (config["bos_token_id"], config["eos_token_id"]) == (601, [600, 604])
    assert config["pad_token_id"] is None  # the model was not trained with one
    assert list(config) == list(hf_folders.config_of(source))  # in the same order
    assert config["rope_theta"] == 1e4 and config["quite_unknown"] == {"a": [1]}
    assert hf_folders.config_of(tmp_path / "out", "generation_config.json") == {
        "bos_token_id": 601, "eos_token_id": 600, "pad_token_id": 603, "top_p": 0.9,
        "decoder_start_token_id": 601,
    }  # fmt: skip
    assert "suppress_tokens is left out" in said and "eos_token_id 3 has no successor" in said
    assert "mean row, nothing known: [NEW] (602)" in said


def test_one_token_for_beginning_and_end_becomes_two(old, new, tmp_path):
    one = hf_folders.bpe(tmp_path / "one", 300, ("<|end|>",), False, bos="<|end|>", eos="<|end|>")
    source, _ = hf_folders.model(
        tmp_path / "m", "gpt2", 301, tokenizer=one, bos_token_id=300, eos_token_id=300,
        pad_token_id=300,
    )  # fmt: skip
    transfer(source, new, tmp_path / "out")
    config = hf_folders.config_of(tmp_path / "out")
    assert [config[f"{role}_token_id"] for role in ("bos", "eos", "pad")] == [601, 600, 600]
    back, _ = hf_folders.model(tmp_path / "back", "llama", 420, tokenizer=old)
    transfer(back, one, tmp_path / "out")  # what stands there is ours: replaced
    config = hf_folders.config_of(tmp_path / "out")
    assert [config[f"{role}_token_id"] for role in ("bos", "eos")] == [300, 300]


def test_special_tokens_are_mapped_by_hand(old, new, tmp_path):
    source, arrays = hf_folders.model(tmp_path / "m", "llama", 420, tokenizer=old)
    said = transfer(source, new, tmp_path / "out", map_special=("<unk>=[NEW]", "4=pad"))
    assert "<unk> (3) -> [NEW] (602)" in said and "mean row" not in said
    table = shards.open_checkpoint(tmp_path / "out")["lm_head.weight"].read()
    np.testing.assert_array_equal(table[[602, 603]], arrays["lm_head.weight"][[3, 4]])
    before, after = tokenizers.load(old), tokenizers.load(new)
    assert special_ids.parse_map(["bos=[NEW]", "0=602"], before, after) == {0: 602}
    for pair, says in (
        ("<unk>", "wants SRC=DST"),
        ("<nothing>=[NEW]", "the old tokenizer has no special token '<nothing>'"),
        ("<unk>=[NOTHING]", "the new tokenizer has no special token '[NOTHING]'; it has [EOS]"),
        ("99999=[NEW]", "the old tokenizer"),
    ):
        with pytest.raises(UsageError, match=".*") as caught:
            special_ids.parse_map([pair], before, after)
        assert says in str(caught.value)


def test_what_stands_around_a_text_is_compared(old, new, tmp_path):
    def framed(path, token, id_):
        content = hf_folders.config_of(path, "tokenizer.json")
        first, text = {"id": token, "type_id": 0}, {"id": "A", "type_id": 0}
        pieces = [{"SpecialToken": first}, {"Sequence": text}]
        special = {token: {"id": token, "ids": [id_], "tokens": [token]}}
        content["post_processor"] = {"type": "TemplateProcessing", "single": pieces,
                                     "pair": pieces, "special_tokens": special}  # fmt: skip
        (path / "tokenizer.json").write_text(json.dumps(content))

    source, _ = hf_folders.model(tmp_path / "m", "llama", 420, tokenizer=old)
    target, _ = hf_folders.model(tmp_path / "t", "llama", 605, tokenizer=new)
    assert "around every text" not in transfer(source, target, tmp_path / "out")
    framed(source, "<s>", 0)
    edit(source / "tokenizer_config.json", chat_template="{{ messages }}")
    said = transfer(source, target, tmp_path / "out")
    assert "the old tokenizer puts <s> (0) around every text, the new one nothing; " in said
    assert "put [BOS] (601) there yourself" in said and "chat template is left out" in said
    framed(target, "[BOS]", 601)
    assert "around every text" not in transfer(source, target, tmp_path / "out")
    said = transfer(target, old, tmp_path / "out")
    assert "put <s> (0) there yourself" in said
    said = transfer(hf_folders.model(tmp_path / "m", "llama", 420, tokenizer=old)[0],
                    target, tmp_path / "out")  # fmt: skip
    assert "the new tokenizer puts [BOS] (601) around every text, which the model has not" in said


def test_roberta_positions_follow_the_padding_id(old, new, tmp_path):
    source, arrays = hf_folders.model(tmp_path / "m", "roberta", 420, tokenizer=old)
    name = "roberta.embeddings.position_embeddings.weight"
    arrays["roberta.embeddings.position_ids"] = np.arange(40)[None]
    rewrite(source, arrays)
    said = transfer(source, new, tmp_path / "out")
    config, checkpoint, _ = opened(tmp_path / "out")
    assert config["pad_token_id"] == 603 and config["max_position_embeddings"] == 40 + 602
    assert "the position table has 642 rows" in said
    moved = checkpoint[name].read()
    np.testing.assert_array_equal(moved[604:], arrays[name][2:])
    np.testing.assert_array_equal(moved[603], arrays[name][1])
    assert "roberta.embeddings.position_ids" not in checkpoint
    rng = np.random.default_rng(0).normal(size=(9, 4))
    np.testing.assert_array_equal(positions.move(positions.move(rng, 1, 5), 5, 1)[1:], rng[1:])
    bare = hf_folders.bpe(tmp_path / "bare", 300, ("<s>",), bos="<s>")
    assert "--map-special pad=TOKEN" in message(UsageError, source, bare, tmp_path / "o")


def test_special_tokens_beyond_the_table_take_the_mean(old, new, tmp_path):
    source, arrays = hf_folders.model(tmp_path / "m", "gpt2", 419, tokenizer=old)
    said = message(FreevocabError, source, new, tmp_path / "o")
    assert "its tokenizer has 420 ids, its table only 419 rows" in said
    last = hf_folders.bpe(tmp_path / "last", 300, ("<s>", "<pad>"), False, bos="<s>", pad="<pad>")
    source, arrays = hf_folders.model(tmp_path / "m2", "gpt2", 301, tokenizer=last)
    transfer(source, new, tmp_path / "out")
    table = shards.open_checkpoint(tmp_path / "out")["transformer.wte.weight"].read()
    mean = arrays["transformer.wte.weight"].mean(0)
    np.testing.assert_allclose(table[603], mean, rtol=1e-4, atol=1e-6)


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
    announced = folder.planned(*planned(source, new, tmp_path / "out")).new_nbytes
    transfer(source, new, tmp_path / "out")
    assert announced == shards.open_checkpoint(tmp_path / "out").nbytes


def planned(source, new, out):
    opened_source, tokenizer = folder.open_source(source), tokenizers.load(new)
    match = matching.match(opened_source.tokenizer, tokenizer)
    asked = Request(str(source), str(new), "fvt", str(out))
    return asked, opened_source, folder.target(opened_source, tokenizer, match, None)


def message(kind, source, new, out, method="fvt", **options):
    with pytest.raises(kind) as caught:
        transfer(source, new, out, method, **options)
    assert "\n" not in str(caught.value) and not out.exists()
    left = [path.name for path in out.parent.iterdir() if path.name.startswith(f".{out.name}")]
    assert left == []
    return str(caught.value)


def test_failing_in_the_middle_leaves_nothing(old, new, tmp_path, monkeypatch):
    source, _ = hf_folders.model(tmp_path / "m", "llama", 420, tokenizer=old)
    out = tmp_path / "out"
    transfer(source, new, out, "mean")
    before = (out / "model.safetensors").read_bytes()

    def fails_with(error):
        def write(*_, **__):
            raise error

        return write

    for error in (OSError(28, "No space left on device"), KeyboardInterrupt(), SystemExit(143)):
        for where, what in ((shards, "_write"), (folder, "write_json"), (command, "write_text")):
            with monkeypatch.context() as patch:
                patch.setattr(where, what, fails_with(error))
                with pytest.raises(type(error)):
                    transfer(source, new, out)
                with pytest.raises(type(error)):
                    transfer(source, new, tmp_path / "fresh")
            assert (out / "model.safetensors").read_bytes() == before
            assert sorted(path.name for path in tmp_path.iterdir()) == ["m", "out"]


def test_too_small_a_disk_is_noticed_first(old, new, tmp_path, monkeypatch):
    source, _ = hf_folders.model(tmp_path / "m", "llama", 420, tokenizer=old)
    usage = command.shutil.disk_usage(tmp_path)._replace(free=1000)
    monkeypatch.setattr(command.shutil, "disk_usage", lambda path: usage)
    assert "make room" in message(FreevocabError, source, new, tmp_path / "out")


def test_progress_tells_rate_and_time_left():
    said, now = [], [0.0]
    count = progress.Progress(1000, said.append, lambda: now[0])
    for seconds in (1.0, 6.0, 7.0, 12.0):
        now[0] = seconds
        count(100)
    assert said == ["200 B of 1 kB written, 33.3 B/s, 0:24 left",
                    "400 B of 1 kB written, 33.3 B/s, 0:18 left"]  # fmt: skip


def test_requests_that_make_no_sense(old, new, tmp_path):
    source, _ = hf_folders.model(tmp_path / "m", "llama", 420, tokenizer=old)
    out = tmp_path / "out"

    def said(method="fvt", model=source, tokenizer=new, **options):
        return message(UsageError, model, tokenizer, out, method, **options)

    assert "--model: there is no folder" in said(model=tmp_path / "nowhere")
    assert "no file, folder or codec" in said(tokenizer=tmp_path / "nowhere")
    for method, flags in (
        ("wechsel", "--vectors or --aux-text"),
        ("focus", "--vectors or --aux-text"),
        ("ofa", "--vectors (with --aux-text it is ofa-aux)"),
        ("omp", "--donor (with --vectors or --aux-text it is omp-aux)"),
        ("hypernetwork", "--hypernetwork, which `freevocab train hypernetwork` makes"),
    ):
        assert said(method) == f"method {method} needs {flags}"
    words = str(tmp_path / "x.vec")
    assert "fvt has no use for --donor" in said(donor=str(source))
    assert "fvt has no use for --copy-overlap" in said(copy_overlap=True)
    assert "no use for --vectors" in said("hypernetwork", hypernetwork=str(old), vectors=words)
    assert "omp has no use for --vectors" in said("omp", donor=str(source), vectors=words)
    assert "needs --dictionary" in said("ofa", vectors=words, source_vectors=words)
    assert "--vectors: there is no file" in said("focus", vectors=words)
    assert "matches no file" in said("focus", aux_text=str(tmp_path / "*.txt"))
    assert "--donor: there is no folder" in said("omp", donor=words)
    assert "no config.json" in said("omp", donor=str(old))
    masked, _ = hf_folders.model(tmp_path / "masked", "roberta", 420, tokenizer=old)
    assert "has no bits/byte" in said(model=masked, eval_text=__file__)
    assert "--eval-text: there is no file" in said(eval_text=str(tmp_path / "x.txt"))
    assert "--method is one of" in said("magic")
    assert "--dtype is one of" in said(dtype="int8")
    assert "--seed must be" in said(seed=-1)


def test_out_is_never_somebody_elses(old, new, tmp_path):
    source, _ = hf_folders.model(tmp_path / "m", "llama", 420, tokenizer=old)

    def refused(out):
        with pytest.raises(UsageError) as caught:
            transfer(source, new, out)
        return str(caught.value)

    assert "would replace --model" in refused(source)
    assert "would replace --model" in refused(tmp_path)
    assert "would replace --tokenizer" in refused(new)
    (tmp_path / "file").write_text("x")
    assert "is a file" in refused(tmp_path / "file")
    (tmp_path / "theirs").mkdir()
    (tmp_path / "theirs" / "thesis.tex").write_text("x")
    assert "freevocab transfer did not write it" in refused(tmp_path / "theirs")
    (tmp_path / "empty").mkdir()
    transfer(source, new, tmp_path / "empty")


def test_what_is_no_checkpoint_is_named(old, new, tmp_path):
    source, arrays = hf_folders.model(tmp_path / "m", "llama", 420, tokenizer=old)
    out = tmp_path / "out"

    def after(change, kind=UsageError):
        copy = tmp_path / "copy"
        copy.mkdir()
        for file in source.iterdir():
            (copy / file.name).write_bytes(file.read_bytes())
        change(copy)
        said = message(kind, copy, new, out)
        for file in copy.iterdir():
            file.unlink()
        copy.rmdir()
        return said

    config = lambda **changes: lambda copy: edit(copy / "config.json", **changes)  # noqa: E731
    assert "no config.json" in after(lambda copy: (copy / "config.json").unlink())
    foreign = config(model_type="mamba", architectures=["MambaForCausalLM"])
    assert "holds MambaForCausalLM (model_type mamba); known are GPT-2" in after(foreign)
    broken = lambda copy: (copy / "config.json").write_text("{")  # noqa: E731
    assert "config.json is damaged" in after(broken, FreevocabError)
    assert "vocab_size 7" in after(config(vocab_size=7), FreevocabError)
    assert "no tokenizer in" in after(lambda copy: (copy / "tokenizer.json").unlink())
    assert "neither" in after(lambda copy: (copy / "model.safetensors").unlink())

    def cut(copy):
        data = (copy / "model.safetensors").read_bytes()
        (copy / "model.safetensors").write_bytes(data[:-10])

    assert "is cut short" in after(cut, FreevocabError)
    bad = lambda **more: lambda copy: rewrite(copy, arrays | more)  # noqa: E731
    head = np.zeros((3, 3), np.float32)
    assert "lm_head.weight has the shape" in after(bad(**{"lm_head.weight": head}), FreevocabError)
    ids = np.zeros((420, 4), np.int8)
    said = after(bad(**{"model.embed_tokens.weight": ids}), FreevocabError)
    assert "I8[420, 4], no table" in said
    nan = np.full((420, hf_folders.D), np.nan, np.float32)
    assert "numbers that are none" in after(bad(**{"lm_head.weight": nan}), FreevocabError)
    (tmp_path / "tok.json").write_text('{"model": 1}')
    said = message(FreevocabError, source, tmp_path / "tok.json", out)
    assert "tok.json" in said


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


def test_the_tokenizers_files_go_along_as_they_are(old, new, tmp_path):
    target = tmp_path / "target"
    target.mkdir()
    for file in new.iterdir():
        (target / file.name).write_bytes(file.read_bytes())
    edit(target / "tokenizer_config.json", tokenizer_class="LlamaTokenizer", auto_map={"x": "y.z"})
    (target / "chat_template.jinja").write_text("{{ messages }}")
    for kind in ("llama", "qwen2"):
        source, _ = hf_folders.model(tmp_path / kind, kind, 420, tokenizer=old)
        transfer(source, target, tmp_path / "out")
        out = {file.name: file.read_bytes() for file in (tmp_path / "out").iterdir()}
        config = json.loads(out["tokenizer_config.json"])
        assert config["tokenizer_class"] == "PreTrainedTokenizerFast"
        assert config["eos_token"] == "[EOS]" and out["chat_template.jinja"] == b"{{ messages }}"
        assert out["tokenizer.json"] == (new / "tokenizer.json").read_bytes()
        # Where transformers would not take the class at its word.
        assert ("plain_tokenizer.py" in out) is ("auto_map" in config) is (kind == "qwen2")
    (target / "tokenizer_config.json").write_text("[]")
    message(FreevocabError, source, target, tmp_path / "o")


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
    assert target_files.is_codec("english-b16") and not target_files.is_codec(str(old))
    (tmp_path / "other").mkdir()
    said = message(UsageError, source, "gzip", tmp_path / "other" / "out")
    assert "cannot be written as a tokenizer.json" in said
