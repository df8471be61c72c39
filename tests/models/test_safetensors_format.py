"""What no other reader opens is not read here either."""

import json

import pytest

from research.errors import FreevocabError
from research.models import safetensors_format


def damaged(content, tmp_path, data=b""):
    """The line about a file with this header and these numbers."""
    raw = content if isinstance(content, bytes) else json.dumps(content).encode()
    (tmp_path / "a.safetensors").write_bytes(len(raw).to_bytes(8, "little") + raw + data)
    with pytest.raises(FreevocabError, match="a.safetensors is damaged") as caught:
        safetensors_format.read_header(tmp_path / "a.safetensors")
    return str(caught.value)


@pytest.mark.parametrize("metadata", [{"step": 1000}, ["a"], "text", {"a": {"b": "c"}}])
def test_metadata_other_than_strings_is_refused(metadata, tmp_path):
    damaged({"__metadata__": metadata}, tmp_path)


@pytest.mark.parametrize("code", ["XX", "", "f32", 7, None, ["F32"]])
def test_a_type_that_the_format_does_not_have_is_refused(code, tmp_path):
    entry = {"dtype": code, "shape": [1], "data_offsets": [0, 4]}
    damaged({"x": entry}, tmp_path, bytes(4))


def test_a_size_that_is_not_the_shapes_is_refused_for_types_that_numpy_lacks_too(tmp_path):
    entry = {"dtype": "F4", "shape": [5], "data_offsets": [0, 2]}
    assert "does not take 2 bytes" in damaged({"x": entry}, tmp_path, bytes(2))


def test_a_header_nested_without_end_is_refused(tmp_path):
    assert "too deep" in damaged(b'{"x":' + b"[" * 100_000, tmp_path)
