"""Other people's folders: what was silently wrong once, and what is said instead."""

import json

import numpy as np
import pytest
import tokenizers
from tokenizers import decoders, models, pre_tokenizers, trainers

from research.errors import FreevocabError, UsageError
from research.models import safetensors_shards as shards
from research.testing.tokenizers import sentencepiece_model
from research.transfer.convert import target_tokenizer
from tests.transfer.hf_folders import bpe, config_of, edit, message, model, opened, transfer


def ascii_bpe(path):
    """A byte-level BPE that was trained without the 256 bytes."""
    library = tokenizers.Tokenizer(models.BPE())
    library.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    library.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(vocab_size=80, special_tokens=["<e>"], show_progress=False)
    library.train_from_iterator(["the cat and the other cats of the house"], trainer)
    path.mkdir()
    library.save(str(path / "tokenizer.json"))
    (path / "tokenizer_config.json").write_text('{"eos_token": "<e>"}')
    return path, library.get_vocab_size()


def test_an_entry_that_no_piece_covers_takes_the_mean_row(tmp_path):
    old, size = ascii_bpe(tmp_path / "old")
    new = bpe(tmp_path / "new", 300, eos="</s>")
    source, arrays = model(tmp_path / "model", "gpt2", size, tokenizer=old)
    assert "none: " in transfer(source, new, tmp_path / "out")
    rows = arrays["transformer.wte.weight"]
    _, tensors, layout = opened(tmp_path / "out")
    table = tensors[layout.inputs[0]].read()
    library = tokenizers.Tokenizer.from_file(str(new / "tokenizer.json"))
    mean = rows[1:].mean(0, dtype=np.float64).astype(np.float32)
    np.testing.assert_allclose(table[library.token_to_id("\u0100")], mean, rtol=1e-6)
    assert not np.isclose(table[2:], rows[0]).all(1).any()


def test_other_weights_are_converted_with_the_class_that_keeps_the_readout(tmp_path):
    tokenizer = bpe(tmp_path / "tokenizer", 300)
    source, _ = model(tmp_path / "model", "llama", 300, tokenizer=tokenizer)
    (source / "model.safetensors").rename(source / "pytorch_model.bin")
    line = message(UsageError, source, tokenizer, tmp_path / "out")
    assert "LlamaForCausalLM.from_pretrained(DIR)" in line


def test_a_model_without_a_readout_is_not_called_tied(tmp_path):
    tokenizer = bpe(tmp_path / "tokenizer", 300)
    source, arrays = model(tmp_path / "model", "llama", 300, tokenizer=tokenizer)
    edit(source / "config.json", architectures=["LlamaModel"])
    del arrays["lm_head.weight"]
    shards.write_checkpoint(source, [shards.entry(*one) for one in arrays.items()])
    said = transfer(source, tokenizer, tmp_path / "out", dry_run=True)
    assert "input alone" in said
    assert "holds no readout" in said


def test_a_tokenizer_that_pads_by_itself_puts_nothing_around_texts(tmp_path):
    tokenizer = bpe(tmp_path / "old", 300)
    source, _ = model(tmp_path / "model", "gpt2", 300, tokenizer=tokenizer)
    new = bpe(tmp_path / "new", 320, ("<s>", "</s>", "<pad>"), pad="<pad>")
    library = tokenizers.Tokenizer.from_file(str(new / "tokenizer.json"))
    library.enable_padding(length=128, pad_id=2, pad_token="<pad>")
    library.save(str(new / "tokenizer.json"))
    assert "around every text" not in transfer(source, new, tmp_path / "out", dry_run=True)


def test_tokens_that_only_other_files_name_get_rows(tmp_path):
    old = bpe(tmp_path / "old", 300)
    source, _ = model(tmp_path / "model", "gpt2", 300, tokenizer=old)
    new = tmp_path / "new"
    new.mkdir()
    (new / "tokenizer.model").write_bytes(sentencepiece_model(model_type="bpe"))
    (new / "added_tokens.json").write_text('{"[PAD]": 500, "<|im_end|>": 501}')
    config = {"eos_token": "<|im_end|>", "pad_token": "[PAD]"}
    (new / "tokenizer_config.json").write_text(json.dumps(config))
    transfer(source, new, tmp_path / "out")
    assert config_of(tmp_path / "out")["vocab_size"] == 502
    files = {path.name: path.read_bytes() for path in (tmp_path / "out").iterdir()}
    target_tokenizer.check_ids(files, 502)
    with pytest.raises(FreevocabError, match="lead to 502 ids, its table would have 500 rows"):
        target_tokenizer.check_ids(files, 500)


def test_scores_that_cannot_be_had_are_refused_before_the_work(tmp_path):
    tokenizer = bpe(tmp_path / "tokenizer", 300)
    source, _ = model(tmp_path / "model", "llama", 300, tokenizer=tokenizer)
    (tmp_path / "text.txt").write_text("a text")
    longrope = {"type": "longrope", "factor": 4.0, "original_max_position_embeddings": 16}
    size = {"hidden_size": 16, "intermediate_size": 32, "num_attention_heads": 2,
            "num_hidden_layers": 1}  # fmt: skip
    edit(source / "config.json", rope_scaling=longrope, **size)
    text = str(tmp_path / "text.txt")
    line = message(UsageError, source, tokenizer, tmp_path / "out", eval_text=text)
    assert "--eval-text: this model can be moved, not measured (rope type 'longrope'" in line
    transfer(source, tokenizer, tmp_path / "out")


def test_an_adapter_is_named(tmp_path):
    tokenizer = bpe(tmp_path / "tokenizer", 300)
    adapter = tmp_path / "adapter"
    adapter.mkdir()
    (adapter / "adapter_config.json").write_text('{"base_model_name_or_path": "x/y"}')
    line = message(UsageError, adapter, tokenizer, tmp_path / "out")
    assert "is an adapter of x/y, no model: merge it first" in line


def test_a_tied_copy_may_be_of_another_type(tmp_path):
    tokenizer = bpe(tmp_path / "tokenizer", 300)
    source, arrays = model(
        tmp_path / "model", "llama", 300, tokenizer=tokenizer, tie_word_embeddings=True
    )
    table = arrays["model.embed_tokens.weight"].astype(np.float16)
    both = {"model.embed_tokens.weight": table, "lm_head.weight": table.astype(np.float32)}
    shards.write_checkpoint(source, [shards.entry(*one) for one in (arrays | both).items()])
    assert "tied" in transfer(source, tokenizer, tmp_path / "out")
    both["lm_head.weight"] = both["lm_head.weight"] + 1
    shards.write_checkpoint(source, [shards.entry(*one) for one in (arrays | both).items()])
    assert "differ: set" in message(FreevocabError, source, tokenizer, tmp_path / "other")


def test_a_configuration_may_begin_with_a_mark(tmp_path):
    tokenizer = bpe(tmp_path / "tokenizer", 300)
    source, _ = model(tmp_path / "model", "gpt2", 300, tokenizer=tokenizer)
    path = source / "config.json"
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())
    transfer(source, tokenizer, tmp_path / "out", dry_run=True)
    path.write_bytes(b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n")
    assert "git lfs pull" in message(FreevocabError, source, tokenizer, tmp_path / "out")


@pytest.mark.parametrize("kind", ["llama", "roberta"])
def test_tables_may_be_padded_to_a_multiple(kind, tmp_path):
    specials = ("<s>", "</s>", "<pad>")
    old = bpe(tmp_path / "old", 300, specials, pad="<pad>")
    new = bpe(tmp_path / "new", 310, specials, pad="<pad>", bos="<s>")
    source, _ = model(tmp_path / "model", kind, 300, tokenizer=old, pad_token_id=2)
    said = transfer(source, new, tmp_path / "out", pad_to_multiple_of=64)
    assert "320 rows, the last 10 of them padding" in said
    transfer(source, new, tmp_path / "plain")
    _, tensors, layout = opened(tmp_path / "out")
    _, others, _ = opened(tmp_path / "plain")
    assert config_of(tmp_path / "out")["vocab_size"] == layout.rows == 320
    for name in (*layout.inputs, *layout.outputs, *layout.biases):
        rows, plain = tensors[name].read(), others[name].read()
        np.testing.assert_array_equal(rows[:310], plain)
        np.testing.assert_allclose(rows[310:], np.broadcast_to(plain[3:].mean(0), rows[310:].shape),
                                   atol=1e-6)  # fmt: skip
    again = transfer(tmp_path / "out", old, tmp_path / "back", dry_run=True)
    assert "320 x 16 (10 of padding)" in again
    line = message(UsageError, source, new, tmp_path / "other", pad_to_multiple_of=0)
    assert "--pad-to-multiple-of must be at least 1" in line


def test_a_licence_that_leads_out_of_the_folder_is_not_copied(tmp_path):
    tokenizer = bpe(tmp_path / "tokenizer", 300)
    source, _ = model(tmp_path / "model", "llama", 300, tokenizer=tokenizer)
    (tmp_path / "secret").write_text("key")
    (source / "LICENSE").symlink_to(tmp_path / "secret")
    line = message(UsageError, source, tokenizer, tmp_path / "out")
    assert "LICENSE is a link out of its folder" in line
    (source / "LICENSE").unlink()
    (tokenizer / "chat_template.jinja").symlink_to(tmp_path / "secret")
    line = message(UsageError, source, tokenizer, tmp_path / "out")
    assert "chat_template.jinja is a link" in line


@pytest.mark.parametrize(
    ("file", "changes"),
    [
        ("config.json", {"architectures": 7}),
        ("config.json", {"model_type": ["llama"]}),
        ("config.json", {"eos_token_id": [[1]]}),
        ("config.json", {"pad_token_id": "1"}),
        ("generation_config.json", {"bos_token_id": {}}),
        ("generation_config.json", {"eos_token_id": 1.5}),
    ],
)
def test_settings_of_the_wrong_kind_are_named(file, changes, tmp_path):
    tokenizer = bpe(tmp_path / "tokenizer", 300)
    source, _ = model(tmp_path / "model", "llama", 300, tokenizer=tokenizer)
    (source / file).write_text("{}") if not (source / file).exists() else None
    edit(source / file, **changes)
    line = message(FreevocabError, source, tokenizer, tmp_path / "out")
    assert f"{file} is damaged (its {[*changes][0]} is" in line
