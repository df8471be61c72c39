"""What no other reader opens is not read here either."""

import json

import pytest

from research.errors import FreevocabError
from research.models import safetensors_format


@pytest.mark.parametrize("metadata", [{"step": 1000}, ["a"], "text", {"a": {"b": "c"}}])
def test_metadata_other_than_strings_is_refused(metadata, tmp_path):
    raw = json.dumps({"__metadata__": metadata}).encode()
    (tmp_path / "a.safetensors").write_bytes(len(raw).to_bytes(8, "little") + raw)
    with pytest.raises(FreevocabError, match="a.safetensors is damaged"):
        safetensors_format.read_header(tmp_path / "a.safetensors")
