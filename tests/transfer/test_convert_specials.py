"""Special tokens, and what hangs on their ids: configurations, positions, frames, files."""

import json

import numpy as np
import pytest

from research import tokenizers
from research.errors import FreevocabError, UsageError
from research.models import safetensors_shards as shards
from research.transfer.convert import hf_weights, special_ids
from tests.transfer import hf_folders
from tests.transfer.hf_folders import edit, message, opened, rewrite, transfer


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
    there = hf_weights.move_positions(rng, 1, 5)
    np.testing.assert_array_equal(hf_weights.move_positions(there, 5, 1)[1:], rng[1:])
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
