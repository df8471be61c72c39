"""Foreign files and folders by what gives them away."""

import gzip
import zipfile

import pytest

from research import contents


def test_what_is_made_elsewhere_is_known_by_its_first_bytes(tmp_path):
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("a", "b")
    assert "zip" in contents.foreign((tmp_path / "a.zip").read_bytes())
    assert contents.compression(tmp_path / "a.txt", gzip.compress(b"x")) == ".gz"
    assert contents.compression(tmp_path / "a.txt", b"BZhang wrote this") is None
    for text in (b"", b"{}", b"a text", b"PARIS", "na\u00efve".encode(), b"one \x00 in a text"):
        assert contents.no_text(text) is None
    assert contents.wide_encoding("x".encode("utf-16")) == "utf-16"
    assert contents.wide_encoding("x".encode("utf-32")) == "utf-32"


@pytest.mark.parametrize(
    ("file", "said"),
    [
        ("adapter_config.json", "an adapter"),
        ("model_index.json", "diffusers"),
        ("model.gguf", "GGUF"),
        ("modules.json", "sentence-transformers"),
    ],
)
def test_folders_are_known_by_a_file(tmp_path, file, said):
    assert contents.folder_of(tmp_path) is None
    (tmp_path / file).write_text("{}")
    assert said in contents.not_a("model folder", tmp_path, "it has no model.json")


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"{", "Expecting"),
        (b"[" * 100_000, "nested too deep"),
        (b'{"a": ["\\uDC00"]}', "half a character"),
        (b'{"\\ud83e": 1}', "half a character"),
        (b"\xff", "decode"),
    ],
)
def test_json_that_cannot_be_used_is_a_value_error(content, said):
    with pytest.raises(ValueError, match=said):
        contents.parse_json(content)


def test_whole_surrogate_pairs_are_text():
    assert contents.parse_json(b'["\\ud83e\\udd8a", "\\\\ud800"]') == ["\U0001f98a", "\\ud800"]
