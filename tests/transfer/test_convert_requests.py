"""Requests that are refused, and transfers that end early: one line, and nothing is left."""

import numpy as np
import pytest

from research.cli import transfer as command
from research.errors import FreevocabError, UsageError
from research.models import safetensors_shards as shards
from research.transfer.convert import hf_folder, plan
from tests.transfer import hf_folders
from tests.transfer.hf_folders import edit, message, rewrite, transfer


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
        for where, what in ((shards, "_write"), (hf_folder, "write_json"), (command, "write_text")):
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
    usage = plan.shutil.disk_usage(tmp_path)._replace(free=1000)
    monkeypatch.setattr(plan.shutil, "disk_usage", lambda path: usage)
    assert "make room" in message(FreevocabError, source, new, tmp_path / "out")


def test_progress_tells_rate_and_time_left():
    said, now = [], [0.0]
    count = plan.Progress(1000, said.append, lambda: now[0])
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
    assert "theirs holds thesis.tex" in refused(tmp_path / "theirs")
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
    assert "not finite" in after(bad(**{"lm_head.weight": nan}), FreevocabError)
    (tmp_path / "tok.json").write_text('{"model": 1}')
    said = message(FreevocabError, source, tmp_path / "tok.json", out)
    assert "tok.json" in said
