"""What transformers makes of a whole folder: added tokens, options that rule, classes."""

import json

import numpy as np
import pytest
import sentencepiece
import tokenizers

from research.errors import FreevocabError, UsageError
from research.testing.tokenizers import sentencepiece_model, tokenizer_json
from research.tokenizers import load
from research.tokenizers.load import of_json, of_sentencepiece


def put(folder, name, content):
    folder.mkdir(exist_ok=True)
    raw = content if isinstance(content, bytes) else json.dumps(content).encode()
    (folder / name).write_bytes(raw)


def one(content, special=True):
    return {"content": content, "special": special, "lstrip": False, "rstrip": False}


@pytest.mark.parametrize("kind", ["tokenizer.json", "tokenizer.model"])
@pytest.mark.parametrize(
    "beside",
    [
        {"added_tokens.json": {"<|im_end|>": 701, "[PAD]": 700}},
        {"tokenizer_config.json": {"added_tokens_decoder": {"700": one("[PAD]"),
                                                            "701": one("<|im_end|>")}}},
        {"tokenizer_config.json": {"eos_token": "[PAD]", "pad_token": one("<|im_end|>")}},
        {"special_tokens_map.json": {"additional_special_tokens": ["[PAD]", "<|im_end|>"]}},
        {"tokenizer_config.json": {"extra_special_tokens": {"a": "[PAD]", "b": "<|im_end|>"}}},
    ],
)  # fmt: skip
def test_tokens_that_only_other_files_name_are_ids(kind, beside, tmp_path):
    plain = (
        tokenizer_json("byte-level")
        if kind == "tokenizer.json"
        else sentencepiece_model(700, model_type="bpe", byte_fallback=True)
    )
    put(tmp_path, kind, plain)
    for name, content in beside.items():
        put(tmp_path, name, content)
    opened = load(tmp_path)
    assert opened.vocab_size == 702
    library = tokenizers.Tokenizer.from_str(opened.files["tokenizer.json"].decode())
    assert [library.token_to_id(name) for name in ("[PAD]", "<|im_end|>")] == [700, 701]
    (ids,) = opened.encode(["a text"])
    assert ids.tolist() == library.encode("a text", add_special_tokens=False).ids


def test_a_role_is_filled_by_a_token_that_only_other_files_name(tmp_path):
    put(tmp_path, "tokenizer.model", sentencepiece_model(700, model_type="bpe", byte_fallback=True))
    put(tmp_path, "added_tokens.json", {"[PAD]": 700, "<|im_end|>": 701})
    put(tmp_path, "tokenizer_config.json", {"eos_token": "<|im_end|>", "pad_token": "[PAD]"})
    opened = load(tmp_path)
    assert (opened.roles["eos"], opened.roles["pad"]) == (701, 700)
    assert opened.special_V[700:].all()
    assert opened.files["tokenizer.model"]


def test_an_id_that_a_file_states_and_readers_do_not_give_is_refused(tmp_path):
    spec = json.loads(tokenizer_json("byte-level"))
    spec["added_tokens"].append({**spec["added_tokens"][0], "id": 900, "content": "<far>"})
    with pytest.raises(FreevocabError, match="gives '<far>' the id 900, its readers 700"):
        of_json(json.dumps(spec).encode(), name="x")
    put(tmp_path, "tokenizer.json", tokenizer_json("byte-level"))
    put(tmp_path, "added_tokens.json", {"<far>": 900})
    with pytest.raises(FreevocabError, match=r"added_tokens.json .*'<far>' the id 900, .* 700"):
        load(tmp_path)


@pytest.mark.parametrize("normalized", [True, False])
@pytest.mark.parametrize("kind", ["prefixed", "byte-fallback", "byte-level"])
def test_added_tokens_in_the_models_own_characters_are_their_text(kind, normalized):
    mark = "\u0120" if kind == "byte-level" else "\u2581"
    library = tokenizers.Tokenizer.from_str(tokenizer_json(kind).decode())
    for word in ("freevocab", "the"):
        token = tokenizers.AddedToken(f"{mark}{word}", normalized=normalized)
        library.add_tokens([token])
    opened = of_json(library.to_str().encode(), name="x")
    strings = opened.token_bytes()
    assert strings[library.token_to_id(f"{mark}the")] == b" the"
    own = strings[library.token_to_id(f"{mark}freevocab")]
    if kind == "byte-level":  # such a token is found where a text has these very letters
        assert own == f"{mark}freevocab".encode()
        assert not opened.exact and not opened.lossless
    else:
        assert own == b" freevocab"
        text = "x the language of freevocab"
        assert opened.decode(opened.encode([text])) == [text.encode()]


def test_options_of_the_configuration_rule_over_the_file(tmp_path):
    put(tmp_path, "tokenizer.json", tokenizer_json("byte-level"))
    config = {"tokenizer_class": "GPT2Tokenizer", "add_prefix_space": True}
    plain = load(tmp_path)
    put(tmp_path, "tokenizer_config.json", config)
    opened = load(tmp_path)
    assert opened.encode(["The king"])[0].tolist() == plain.encode([" The king"])[0].tolist()
    assert opened.decode(opened.encode(["The king"])) == [b"The king"]
    written = json.loads(opened.files["tokenizer.json"])
    assert written["pre_tokenizer"]["add_prefix_space"] is True
    put(tmp_path, "tokenizer_config.json", config | {"tokenizer_class": "PreTrainedTokenizerFast"})
    assert load(tmp_path).encode(["The king"])[0].tolist() == plain.encode(["The king"])[0].tolist()


@pytest.mark.parametrize("kind", ["prefixed", "tokenizer.model"])
def test_a_llama_may_be_told_to_put_no_space_in_front(kind, tmp_path):
    if kind == "prefixed":
        put(tmp_path, "tokenizer.json", tokenizer_json(kind))
    else:
        options = {"normalization_rule_name": "identity", "remove_extra_whitespaces": False}
        model = sentencepiece_model(700, model_type="bpe", byte_fallback=True, **options)
        put(tmp_path, "tokenizer.model", model)
    config = {"tokenizer_class": "LlamaTokenizer", "add_prefix_space": False}
    put(tmp_path, "tokenizer_config.json", config)
    opened = load(tmp_path)
    strings = opened.token_bytes()
    assert b"".join(strings[id_] for id_ in opened.encode(["the king"])[0]) == b"the king"


def test_letters_and_accents_go_by_the_configuration(tmp_path):
    put(tmp_path, "tokenizer.json", tokenizer_json("wordpiece", lowercase=False))
    cased = load(tmp_path).encode(["The"])[0].tolist()
    config = {"tokenizer_class": "BertTokenizer", "do_lower_case": True}
    put(tmp_path, "tokenizer_config.json", config)
    assert load(tmp_path).encode(["The"])[0].tolist() == load(tmp_path).encode(["the"])[0].tolist()
    assert load(tmp_path).encode(["The"])[0].tolist() != cased


@pytest.mark.parametrize(
    "beside",
    [
        {"tokenizer_config.json": {"tokenizer_class": "XLMRobertaTokenizer"}},
        {"tokenizer_config.json": {"tokenizer_class": "XLMRobertaTokenizerFast"}},
        {"config.json": {"model_type": "xlm-roberta"}},
    ],
)
def test_ids_of_xlm_r_are_one_further(beside, tmp_path):
    model = sentencepiece_model(500)
    put(tmp_path, "sentencepiece.bpe.model", model)
    for name, content in beside.items():
        put(tmp_path, name, content)
    opened = load(tmp_path)
    processor = sentencepiece.SentencePieceProcessor(model_proto=model)
    text = "the language of elephants"
    np.testing.assert_array_equal(opened.encode([text])[0], np.array(processor.encode(text)) + 1)
    assert opened.vocab_size == 502
    file = load(tmp_path / "sentencepiece.bpe.model")
    np.testing.assert_array_equal(file.encode([text])[0], opened.encode([text])[0])
    names = {"<s>": 0, "<pad>": 1, "</s>": 2, "<unk>": 3, "<mask>": 501}
    assert {name: id_ for id_, name in opened.special_names.items()} == names
    assert set(opened.files) >= {"tokenizer.json", "sentencepiece.bpe.model"}
    assert "config.json" not in opened.files


def test_a_class_that_numbers_pieces_by_an_unknown_rule_is_refused(tmp_path):
    put(tmp_path, "sentencepiece.bpe.model", sentencepiece_model(500))
    with pytest.raises(UsageError, match="no tokenizer_config.json next to it"):
        load(tmp_path)
    put(tmp_path, "tokenizer_config.json", {"tokenizer_class": "CamembertTokenizer"})
    with pytest.raises(UsageError, match=r"CamembertTokenizer .* ids of its own"):
        load(tmp_path)
    assert of_sentencepiece(sentencepiece_model(500), name="x").vocab_size == 500
