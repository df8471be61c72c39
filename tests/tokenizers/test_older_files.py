"""vocab.json with merges.txt, vocab.txt, tekken.json: the ids of the same tokenizer."""

import base64
import json

import pytest
import tokenizers

from research.errors import FreevocabError, UsageError
from research.testing.tokenizers import english, tokenizer_json
from research.tokenizers import load
from research.tokenizers.load import of_json

TEXTS = [*english(5000), "It's 12345 x  y\n", "na\u00efve \u5927\u8c61", "the <|endoftext|> x", ""]


def ids(tokenizer):
    return [one.tolist() for one in tokenizer.encode(TEXTS)]


def save_model(content, folder):
    folder.mkdir(exist_ok=True)
    tokenizers.Tokenizer.from_str(content.decode()).model.save(str(folder))
    return folder


def test_a_vocabulary_and_its_merges_are_the_tokenizer(tmp_path):
    content = tokenizer_json("byte-level")
    folder = save_model(content, tmp_path / "gpt2")
    whole = of_json(content, name="x")
    for path in (folder, folder / "vocab.json"):
        opened = load(path)
        assert ids(opened) == ids(whole)
        assert opened.name == "gpt2"
        assert opened.roles == whole.roles
        assert opened.lossless
    assert {"tokenizer.json", "vocab.json", "merges.txt"} <= load(folder).files.keys()
    config = {"tokenizer_class": "GPT2Tokenizer", "add_prefix_space": True}
    (folder / "tokenizer_config.json").write_text(json.dumps(config))
    assert load(folder).encode(["The"])[0].tolist() == whole.encode([" The"])[0].tolist()


def test_what_the_two_files_do_not_say_is_not_guessed(tmp_path):
    folder = save_model(tokenizer_json("byte-level"), tmp_path / "x")
    (folder / "tokenizer_config.json").write_text('{"tokenizer_class": "CLIPTokenizer"}')
    with pytest.raises(UsageError, match="CLIPTokenizer is not known here without"):
        load(folder)
    (folder / "tokenizer_config.json").unlink()
    (folder / "merges.txt").write_text("#version: 0.2\nq zzz\n")
    with pytest.raises(FreevocabError, match="another tokenizer's"):
        load(folder)
    (folder / "merges.txt").unlink()
    with pytest.raises(UsageError, match="needs the merges.txt next to it"):
        load(folder / "vocab.json")


@pytest.mark.parametrize("lowercase", [True, False])
def test_a_vocab_txt_is_berts(lowercase, tmp_path):
    content = tokenizer_json("wordpiece", lowercase=lowercase)
    folder = save_model(content, tmp_path / "bert")
    whole = of_json(content, name="x")
    for path in (folder, folder / "vocab.txt"):
        assert ids(load(path)) == ids(whole)
        assert load(path).roles == whole.roles
    (folder / "vocab.txt").write_text("a\nb\n")
    with pytest.raises(UsageError, match="this vocab.txt is not BERT's"):
        load(folder)


def test_a_tekken_file_says_all_itself(tmp_path):
    ranks = [*(bytes([byte]) for byte in range(256)), b"he", b"th", b"the", b" the", b"unused"]
    vocab = [
        {"rank": rank, "token_bytes": base64.b64encode(token).decode(), "token_str": None}
        for rank, token in enumerate(ranks)
    ]
    config = {"pattern": r" ?\p{L}+|\s+|[^\s\p{L}]+", "num_vocab_tokens": 261}
    config |= {"default_vocab_size": 265, "default_num_special_tokens": 5, "version": "v3"}
    (tmp_path / "tekken.json").write_text(json.dumps({"config": config, "vocab": vocab}))
    for path in (tmp_path, tmp_path / "tekken.json"):
        opened = load(path)
        assert opened.vocab_size == 265
        assert opened.special_names == dict(
            enumerate(["<unk>", "<s>", "</s>", "[INST]", "[/INST]"])
        )
        assert opened.token_bytes()[5 + 258] == b"the"
        assert opened.encode(["the the"])[0].tolist() == [263, 264]
        assert opened.lossless
    listed = [{"rank": id_, "token_str": f"<{id_}>", "is_control": True} for id_ in range(5)]
    content = {"config": config, "vocab": vocab, "special_tokens": listed}
    (tmp_path / "tekken.json").write_text(json.dumps(content))
    assert load(tmp_path).special_names[4] == "<4>"
    content["vocab"] = vocab[1:]
    (tmp_path / "tekken.json").write_text(json.dumps(content))
    with pytest.raises(FreevocabError, match="lacks single bytes"):
        load(tmp_path)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n", "git lfs pull"),
        (b"PK\x03\x04" + bytes(30), "zip archive"),
        (b"GGUF" + bytes(30), "GGUF"),
    ],
)
def test_what_is_no_tokenizer_is_named(content, said, tmp_path):
    (tmp_path / "tokenizer.json").write_bytes(content)
    with pytest.raises(FreevocabError, match=said):
        load(tmp_path)


def test_a_byte_order_mark_is_passed_over(tmp_path):
    content = tokenizer_json("byte-level")
    (tmp_path / "tokenizer.json").write_bytes(b"\xef\xbb\xbf" + content)
    opened = load(tmp_path)
    assert opened.fingerprint() == of_json(content, name="x").fingerprint()
    assert opened.files["tokenizer.json"] == content
