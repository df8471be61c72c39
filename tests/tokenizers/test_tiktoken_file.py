"""tiktoken files against the algorithm as it is defined, in plain Python."""

import base64
import json

import pytest
import tokenizers
from hypothesis import given, settings
from hypothesis import strategies as st

from research.codecs.subword import BPECodec
from research.errors import FreevocabError, UsageError
from research.testing.tokenizers import english
from research.tokenizers import load, tiktoken_file
from research.tokenizers.load import of_json

ANY = settings(max_examples=100, deadline=None, derandomize=True)


def written(tokens):
    lines = [b"%s %d\n" % (base64.b64encode(token), rank) for rank, token in enumerate(tokens)]
    return b"".join(lines)


@pytest.fixture(scope="module")
def tokens():
    return BPECodec.train(english(), 600).token_bytes()


@pytest.fixture(scope="module")
def tokenizer(tokens, tmp_path_factory):
    file = tmp_path_factory.mktemp("tiktoken") / "some.tiktoken"
    file.write_bytes(written(tokens))
    file.with_suffix(".pattern").write_text(tiktoken_file.GPT2)
    return load(file)


def merged(word, ranks):
    """Neighbours with the lowest rank joined, from the left, until none has a rank."""
    if word in ranks:
        return [ranks[word]]
    parts = [word[i : i + 1] for i in range(len(word))]
    while True:
        pairs = [ranks.get(a + b) for a, b in zip(parts, parts[1:], strict=False)]
        known = [rank for rank in pairs if rank is not None]
        if not known:
            return [ranks[part] for part in parts]
        i = pairs.index(min(known))
        parts[i : i + 2] = [parts[i] + parts[i + 1]]


def words(text, pattern):
    split = tokenizers.pre_tokenizers.Split(tokenizers.Regex(pattern), "isolated")
    return [word.encode() for word, _ in split.pre_tokenize_str(text)]


def test_ids_are_those_of_the_algorithm(tokens, tokenizer):
    ranks = {token: rank for rank, token in enumerate(tokens)}
    for text in english(30_000):
        (ids,) = tokenizer.encode([text])
        expected = [id_ for word in words(text, tiktoken_file.GPT2) for id_ in merged(word, ranks)]
        assert ids.tolist() == expected
    assert tokenizer.lossless
    assert tokenizer.exact
    assert tokenizer.token_bytes() == tokens


@ANY
@given(st.lists(st.sampled_from(["a", "b", "ab", "ba", "c", "bc"]), max_size=8).map("".join))
def test_overlapping_merges_are_taken_in_the_order_of_ranks(word):
    singles = [bytes([byte]) for byte in range(256)]
    tokens = [*singles, b"ab", b"bc", b"ba", b"abc", b"baba", b"aba"]
    ranks = tiktoken_file.ranks(written(tokens))
    spec = tiktoken_file.tokenizer_json(ranks, pattern=tiktoken_file.GPT2, specials={})
    ranks = {token: rank for rank, token in enumerate(tokens)}
    (ids,) = of_json(json.dumps(spec).encode(), name="x").encode([word])
    assert ids.tolist() == (merged(word.encode(), ranks) if word else [])


def test_pattern_and_special_tokens_can_be_given(tokens, tmp_path):
    file = tmp_path / "some.tiktoken"
    file.write_bytes(written(tokens))
    tokenizer = load(file, pattern=r"\s|\S+", specials={"<|end|>": 605})
    assert tokenizer.vocab_size == 606
    assert tokenizer.special_names == {605: "<|end|>"}
    assert tokenizer.special_V.nonzero()[0].tolist() == [600, 601, 602, 603, 604, 605]
    ids = tokenizer.encode(["the <|end|> x"])[0]
    assert 605 not in ids
    assert tokenizer.decode([ids]) == [b"the <|end|> x"]
    assert tokenizer.files["some.tiktoken"] == file.read_bytes()
    again = of_json(tokenizer.files["tokenizer.json"], name="x")
    assert again.encode(["the  end"])[0].tolist() == tokenizer.encode(["the  end"])[0].tolist()


@pytest.mark.parametrize(
    ("pattern", "text", "expected"),
    [
        (tiktoken_file.GPT2, "It's 12345 x  y\n", ["It", "'s", " 12345", " x", " ", " y", "\n"]),
        (
            tiktoken_file.CL100K,
            "It'S 12345 (x\n\n  y",
            ["It", "'S", " ", "123", "45", " (", "x", "\n\n", " ", " y"],
        ),
        (
            tiktoken_file.O200K,
            "It's HTMLPage 12345//\n z",
            ["It's", " HTMLPage", " ", "123", "45", "//\n", " z"],
        ),
    ],
)
def test_patterns_cut_as_the_published_encodings_do(pattern, text, expected):
    assert words(text, pattern) == [word.encode() for word in expected]


@pytest.mark.parametrize(
    ("size", "pattern", "specials"),
    [
        (50_256, tiktoken_file.GPT2, {"<|endoftext|>": 50_256}),
        (128_000, tiktoken_file.CL100K, {}),
        (199_998, tiktoken_file.O200K, {"<|endoftext|>": 199_999, "<|endofprompt|>": 200_018}),
        (600, None, {}),
        (100_257, None, {}),
        (160_000, None, {}),
    ],
)
def test_the_exact_size_says_which_encoding_it_is(size, pattern, specials):
    ranks = {number.to_bytes(4, "big"): number for number in range(size)}
    assert tiktoken_file.known_pattern(ranks) == pattern
    assert tiktoken_file.known_specials(ranks) == specials


def test_qwens_ranks_are_cut_and_named_as_its_own_code_does():
    ranks = dict.fromkeys(range(151_643), 0)
    pattern, specials = tiktoken_file.known_pattern(ranks), tiktoken_file.known_specials(ranks)
    assert words("HelloWorld 123", pattern) == [b"HelloWorld", b" ", b"1", b"2", b"3"]
    assert (specials["<|im_start|>"], specials["<|im_end|>"]) == (151_644, 151_645)
    assert max(specials.values()) + 1 == 151_851


def test_an_expression_that_is_not_known_is_asked_for(tokens, tmp_path):
    file = tmp_path / "some.tiktoken"
    file.write_bytes(written(tokens))
    with pytest.raises(UsageError, match=r"600 ranks .* write that to some.pattern next to it"):
        load(file)
    (tmp_path / "code.py").write_text('raise SystemExit\npat_str = r"\\s|\\S+"\n')
    assert load(file).spec["pre_tokenizer"]["pretokenizers"][0]["pattern"] == {"Regex": r"\s|\S+"}
    (tmp_path / "code.py").write_text('class A:\n    PAT_STR = "|".join([r"\\s", r"\\S+"])\n')
    assert load(file).spec["pre_tokenizer"]["pretokenizers"][0]["pattern"] == {"Regex": r"\s|\S+"}
    (tmp_path / "some.pattern").write_text(tiktoken_file.GPT2 + "\n")
    expected = {"Regex": tiktoken_file.GPT2}
    assert load(tmp_path).spec["pre_tokenizer"]["pretokenizers"][0]["pattern"] == expected


def test_ids_that_the_folder_states_may_leave_holes(tokens, tmp_path):
    (tmp_path / "tiktoken.model").write_bytes(written(tokens))
    (tmp_path / "tiktoken.pattern").write_text(tiktoken_file.GPT2)
    listed = {"600": {"content": "[BOS]", "special": True},
              "700": {"content": "[PAD]", "special": True}}  # fmt: skip
    config = {"added_tokens_decoder": listed, "pad_token": "[PAD]", "sep_token": "<new>"}
    (tmp_path / "tokenizer_config.json").write_text(json.dumps(config))
    opened = load(tmp_path)
    assert opened.special_names[600] == "[BOS]"
    assert opened.special_names[650] == "<|reserved_token_650|>"
    assert (opened.roles["pad"], opened.roles["sep"], opened.vocab_size) == (700, 701, 702)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda lines: [*lines, lines[0]], "comes twice"),
        (lambda lines: [*lines, b"!!! 700"], "line 601 is damaged"),
        (lambda lines: [*lines, b"QUJD"], "line 601 is damaged"),
        (lambda lines: lines[1:], "lacks single bytes"),
    ],
)
def test_damage_is_one_line(tokens, change, message):
    content = b"\n".join(change(written(tokens).splitlines()))
    with pytest.raises(FreevocabError, match=message):
        tiktoken_file.ranks(content)
