"""Ids, bytes, roles and files of tokenizers of every kind of file."""

import json

import numpy as np
import pytest
import sentencepiece
import tokenizers
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from research.codecs.codebook import CodebookCodec, codebook_export
from research.errors import FreevocabError, UsageError
from research.testing.tokenizers import (
    KINDS,
    SENTENCEPIECE,
    english,
    sentencepiece_model,
    tokenizer_json,
)
from research.tokenizers import load
from research.tokenizers.load import of_json, of_sentencepiece

TEXTS = [
    *english(20_000),
    "  two spaces,\ttabs\n\n\nlines\r\n and ends ",
    "naïve café ½ ﬁ, Ελέφαντες 大象 🦊, e\u0301 \u200b\x00",
    "",
    " ",
    "word",
]
SPECIALS = "a <s> b</s><unk> [CLS][MASK] [UNK] <|endoftext|> <pad><mask> c"
LOSSLESS = {"byte-level": True, "byte-fallback": True}
EXACT = {"byte-level", "byte-fallback", "prefixed"}
ANY = settings(
    max_examples=60,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
HOSTILE = st.binary(max_size=12) | st.text(max_size=8).map(str.encode)


@pytest.mark.parametrize("kind", KINDS)
def test_ids_are_the_librarys_own(kind, files, opened):
    library = tokenizers.Tokenizer.from_str(files[kind].decode())
    theirs = [one.ids for one in library.encode_batch(TEXTS, add_special_tokens=False)]
    assert [ids.tolist() for ids in opened[kind].encode(TEXTS)] == theirs
    assert opened[kind].vocab_size == library.get_vocab_size()


@pytest.mark.parametrize("name", SENTENCEPIECE)
def test_ids_are_sentencepieces_own(name, models):
    processor = sentencepiece.SentencePieceProcessor(model_proto=models[name])
    tokenizer = of_sentencepiece(models[name], name=name)
    assert [ids.tolist() for ids in tokenizer.encode(TEXTS)] == processor.encode(TEXTS)
    assert tokenizer.vocab_size == processor.vocab_size()


@pytest.mark.parametrize("kind", KINDS)
def test_names_of_special_tokens_in_a_text_are_text(kind, opened):
    tokenizer = opened[kind]
    (ids,) = tokenizer.encode([SPECIALS])
    known = ids[ids != tokenizer.roles.get("unk", -1)]
    assert not tokenizer.special_V[known].any()
    if kind in EXACT:
        assert tokenizer.decode([ids]) == [SPECIALS.encode()]


@pytest.mark.parametrize("kind", KINDS)
def test_what_comes_back_is_as_promised(kind, opened):
    tokenizer = opened[kind]
    assert tokenizer.lossless == LOSSLESS.get(kind, False)
    assert tokenizer.exact == (kind in EXACT)
    strings = tokenizer.token_bytes()
    for text, ids in zip(TEXTS, tokenizer.encode(TEXTS), strict=True):
        joined = b"".join(strings[id_] for id_ in ids)
        if kind in EXACT:
            assert joined == (b" " if kind == "prefixed" and text else b"") + text.encode()
            assert tokenizer.decode([ids]) == [text.encode()]


@ANY
@given(HOSTILE)
def test_lossless_ones_give_every_byte_string_back(opened, data):
    for kind in LOSSLESS:
        assert opened[kind].decode(opened[kind].encode([data])) == [data]


def test_byte_pieces_that_trainers_call_special_are_read_as_the_file_has_them():
    spec = json.loads(tokenizer_json("byte-fallback"))
    assert of_json(json.dumps(spec).encode(), name="x").token_bytes()[3:259] == [
        bytes([byte]) for byte in range(256)
    ]


def test_bytes_of_entries_say_what_stands_in_the_text(opened):
    tokenizer = opened["wordpiece"]
    strings, match = tokenizer.token_bytes(), tokenizer.match_bytes()
    (ids,) = tokenizer.encode(["The statements: unstatemented"])
    written = [strings[id_] for id_ in ids]
    assert b"".join(written) == b"thestatements:unstatemented"
    assert not any(token.startswith(b"##") for token in strings)
    assert match[ids[0]] == b" the"
    assert b"".join(match[id_] for id_ in ids) == b" the statements : unstatemented"
    inner = [not tokenizer.starts_word_V[id_] for id_ in ids]
    assert any(inner)
    assert tokenizer.decode([ids]) == [b"the statements : unstatemented"]


def test_where_spaces_are_in_the_entries_they_match_as_they_are(opened):
    for kind in ("byte-level", "byte-fallback", "prefixed", "unigram"):
        tokenizer = opened[kind]
        assert tokenizer.match_bytes() == tokenizer.token_bytes()
        assert b" the" in tokenizer.token_bytes()
        starts = [token.startswith(b" ") for token in tokenizer.token_bytes()]
        assert tokenizer.starts_word_V.tolist() == starts
    assert b" the" in opened["words"].match_bytes()


def test_a_mark_for_a_space_is_text_where_it_is_none():
    spec = json.loads(tokenizer_json("words", texts=["a \u2581b"]))
    spec["pre_tokenizer"] = {"type": "WhitespaceSplit"}
    spec["model"]["vocab"]["\u2581b"] = len(spec["model"]["vocab"])
    tokenizer = of_json(json.dumps(spec).encode(), name="x")
    assert "\u2581b".encode() in tokenizer.token_bytes()


def test_roles_come_from_the_files_beside_it(tmp_path):
    (tmp_path / "tokenizer.json").write_bytes(tokenizer_json("unigram"))
    plain = load(tmp_path)
    names = {"bos": "<s>", "eos": "</s>", "unk": "<unk>", "pad": "<pad>", "mask": "<mask>"}
    assert {role: plain.special_names[id_] for role, id_ in plain.roles.items()} == names
    config = {"eos_token": {"content": "<pad>"}, "sep_token": "</s>", "mask_token": None}
    (tmp_path / "tokenizer_config.json").write_text(json.dumps(config))
    (tmp_path / "special_tokens_map.json").write_text('{"eos_token": "</s>", "cls_token": "<s>"}')
    (tmp_path / "generation_config.json").write_text('{"pad_token_id": 0, "bos_token_id": [2]}')
    found = {role: plain.special_names[id_] for role, id_ in load(tmp_path).roles.items()}
    expected = {"bos": "</s>", "eos": "<pad>", "unk": "<unk>", "pad": "<s>", "sep": "</s>"}
    assert found == expected | {"cls": "<s>"}
    assert "generation_config.json" not in load(tmp_path).files


def test_roles_of_the_common_kinds(opened, models):
    assert opened["byte-level"].roles == {"bos": 0, "eos": 0}
    wordpiece = opened["wordpiece"]
    found = {role: wordpiece.special_names[id_] for role, id_ in wordpiece.roles.items()}
    assert found == {
        "unk": "[UNK]", "pad": "[PAD]", "mask": "[MASK]", "sep": "[SEP]", "cls": "[CLS]"
    }  # fmt: skip
    llama = of_sentencepiece(models["llama-like"], name="x")
    assert llama.roles == {"bos": 1, "eos": 2, "unk": 0}
    assert np.flatnonzero(llama.special_V).tolist() == [0, 1, 2]
    assert llama.token_bytes()[:3] == [b"", b"", b""]


def test_tokens_that_only_the_configuration_lists_are_added(tmp_path):
    content = tokenizer_json("byte-level")
    (tmp_path / "tokenizer.json").write_bytes(content)
    size = load(tmp_path).vocab_size
    listed = {str(size): {"content": "<|im_end|>", "special": True}}
    config = {"added_tokens_decoder": listed, "eos_token": "<|im_end|>"}
    (tmp_path / "tokenizer_config.json").write_text(json.dumps(config))
    tokenizer = load(tmp_path)
    assert tokenizer.vocab_size == size + 1
    assert tokenizer.roles["eos"] == size
    assert tokenizer.special_V[size]
    assert tokenizer.decode(tokenizer.encode(["a<|im_end|>"])) == [b"a<|im_end|>"]
    listed[str(size + 5)] = listed.pop(str(size))
    (tmp_path / "tokenizer_config.json").write_text(json.dumps(config))
    with pytest.raises(FreevocabError, match=f"the id {size + 5}, the tokenizer {size}"):
        load(tmp_path)


def test_ids_that_no_token_has_count_as_special():
    spec = json.loads(tokenizer_json("words", 20))
    last = max(spec["model"]["vocab"].values())
    spec["model"]["vocab"]["far"] = last + 4
    tokenizer = of_json(json.dumps(spec).encode(), name="x")
    assert tokenizer.vocab_size == last + 5
    assert tokenizer.special_V[last + 1 :].tolist() == [True, True, True, False]


def test_files_are_the_files_given(tmp_path, models):
    content = tokenizer_json("prefixed")
    file = tmp_path / "tokenizer.json"
    file.write_bytes(content)
    (tmp_path / "chat_template.jinja").write_text("{{ messages }}")
    tokenizer = load(file)
    assert tokenizer.files["tokenizer.json"] == content
    made = json.loads(tokenizer.files["tokenizer_config.json"])
    assert made["tokenizer_class"] == "PreTrainedTokenizerFast"
    assert (made["bos_token"], made["eos_token"]) == ("<s>", "</s>")
    assert set(tokenizer.files) == {"tokenizer.json", "tokenizer_config.json"}
    assert load(tmp_path).files["chat_template.jinja"] == b"{{ messages }}"
    for name, written in load(tmp_path).files.items():
        (tmp_path / name).write_bytes(written)
    assert load(tmp_path).roles == tokenizer.roles
    assert load(tmp_path).fingerprint() == tokenizer.fingerprint()
    assert load(tmp_path).name == tmp_path.name


@pytest.mark.parametrize("name", SENTENCEPIECE)
def test_a_sentencepiece_model_becomes_a_tokenizer_json_with_its_ids(name, models, tmp_path):
    (tmp_path / "tokenizer.model").write_bytes(models[name])
    tokenizer = load(tmp_path / "tokenizer.model")
    files = tokenizer.files
    assert files["tokenizer.model"] == models[name]
    again = of_json(files["tokenizer.json"], name="again")
    theirs = tokenizers.Tokenizer.from_str(files["tokenizer.json"].decode())
    assert again.token_bytes() == tokenizer.token_bytes()
    for text, ids in zip(TEXTS, tokenizer.encode(TEXTS), strict=True):
        found = theirs.encode(text, add_special_tokens=False).ids
        if "unigram" in name or name in ("own symbols", "crossing spaces"):
            # Where cuts are equally good, single and double precision may choose differently.
            assert sorted(found) == sorted(ids.tolist())
            assert not found or (np.array(found) == ids).mean() > 0.97
        else:
            assert found == ids.tolist()
    assert again.roles == tokenizer.roles


def test_a_model_without_an_exact_counterpart_says_so():
    model = sentencepiece_model(model_type="bpe", treat_whitespace_as_suffix=True)
    tokenizer = of_sentencepiece(model, name="x")
    assert tokenizer.encode(["x def"])[0].tolist()
    for part in ("files", "spec"):
        with pytest.raises(FreevocabError, match="no exact tokenizer.json"):
            getattr(tokenizer, part)
    model = sentencepiece_model(60, model_type="char", hard_vocab_limit=False)
    with pytest.raises(FreevocabError, match="of this kind has no tokenizer.json"):
        _ = of_sentencepiece(model, name="x").files


def test_a_codebook_as_a_file_is_the_codebook():
    bytes_ = [bytes([byte]) for byte in range(256)]
    codec = CodebookCodec([*bytes_, b"the ", b"the species", b"ing", b"\r\n", "\u00e9 ".encode()])
    tokenizer = of_json(codebook_export.tokenizer_json(codec).encode(), name="codebook")
    for ours, theirs in zip(tokenizer.encode(TEXTS), codec.encode(TEXTS), strict=True):
        np.testing.assert_array_equal(ours, theirs)
    assert tokenizer.token_bytes() == codec.token_bytes()
    assert tokenizer.exact
    strings = [b"the the species", b"\xff\x00", b" elephants"]
    found = tokenizer.decompose(strings)
    np.testing.assert_array_equal(found.ids_N, np.concatenate(codec.encode(strings)))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is empty"),
        (b"{}", "not a tokenizer.json"),
        (b'{"model": {"type": "BPE"', "not a tokenizer.json"),
        (b"\xff\xfe\x00", "not a sentencepiece model"),
        (b"hello world", "not a sentencepiece model"),
        (b"IQ== 0\nIg== x\n", "not a tiktoken file: line 2"),
        (b"IQ== 0\n", "lacks single bytes"),
    ],
)
def test_a_file_that_is_none_of_these_is_one_line(content, message, tmp_path):
    file = tmp_path / "tokenizer.json"
    file.write_bytes(content)
    with pytest.raises(FreevocabError, match=message) as caught:
        load(file)
    assert "\n" not in str(caught.value)
    assert str(file) in str(caught.value)


def test_what_is_not_there_is_a_wrong_request(tmp_path):
    with pytest.raises(UsageError, match="no tokenizer at"):
        load(tmp_path / "absent.json")
    with pytest.raises(UsageError, match="no tokenizer in"):
        load(tmp_path)
    (tmp_path / "one.model").write_bytes(sentencepiece_model(120))
    assert load(tmp_path).vocab_size == 120
    (tmp_path / "other.model").write_bytes(sentencepiece_model(120))
    with pytest.raises(UsageError, match="several tokenizers, one.model among them"):
        load(tmp_path)
    (tmp_path / "tokenizer.json").write_bytes(tokenizer_json("words", 30))
    (tmp_path / "tokenizer_config.json").write_text("[")
    with pytest.raises(FreevocabError, match="tokenizer_config.json beside it is no JSON"):
        load(tmp_path)
