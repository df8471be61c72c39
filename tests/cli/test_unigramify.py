"""`freevocab unigramify`: a file that the tokenizers library splits text by, or one line."""

import pytest
import tokenizers

from research import cli
from research.cli.unigramify import end_apart
from research.testing.tokenizers import english, tokenizer_json
from tests.one_line import is_one_line


def call(tokenizer, out, *more):
    given = ["--tokenizer", str(tokenizer), "--out", str(out), "--text", str(out.parent / "*.txt")]
    return cli.call(["unigramify", *given, "--max-bytes", "60000", *more])


@pytest.fixture
def bpe(tmp_path):
    for number, text in enumerate(english()):
        (tmp_path / f"{number}.txt").write_text(text)
    (tmp_path / "bpe.json").write_bytes(tokenizer_json("byte-level", 400))
    return tmp_path / "bpe.json"


def test_the_unigram_splits_as_the_bpe_does(bpe, tmp_path, capsys):
    assert call(bpe, tmp_path / "unigram.json") == 0
    said = capsys.readouterr().out
    assert "round 1: " in said and "of held-out ones" in said
    old, new = (
        tokenizers.Tokenizer.from_file(str(path)) for path in (bpe, tmp_path / "unigram.json")
    )
    assert new.get_vocab_size() == old.get_vocab_size()
    assert type(new.model).__name__ == "Unigram"
    words = " ".join(english()).split()[:400]
    same = [old.encode(" " + word).ids == new.encode(" " + word).ids for word in words]
    assert sum(same) > 0.97 * len(same)


@pytest.mark.parametrize(
    "texts", [[b"a b c d e f g h i j k"], [b"ab "] * 40, [b"x" * 30, b"yy zz"]]
)
def test_text_is_held_out_where_no_document_is(texts):
    rest, apart = end_apart(texts)
    assert b"".join(rest + apart) == b"".join(texts)
    size = sum(map(len, texts))
    assert size / 10 <= sum(map(len, apart)) <= size / 2


@pytest.mark.parametrize(
    ("tokenizer", "out", "said"),
    [
        ("nothing.json", "new.json", "no tokenizer at"),
        ("bpe.json", "bpe.json", "would replace the tokenizer"),
        ("bpe.json", ".", "is a folder"),
        ("unigram.json", "new.json", "is a Unigram"),
    ],
)
def test_a_wrong_request_is_one_line(tokenizer, out, said, bpe, tmp_path, capsys):
    (tmp_path / "unigram.json").write_bytes(tokenizer_json("unigram", 300))
    before = bpe.read_bytes()
    assert call(tmp_path / tokenizer, tmp_path / out) == 2
    error = capsys.readouterr().err
    assert said in error and is_one_line(error)
    assert bpe.read_bytes() == before and not (tmp_path / "new.json").exists()
