"""Tokenizers of every kind, made once."""

import pytest

from research.testing.tokenizers import KINDS, SENTENCEPIECE, sentencepiece_model, tokenizer_json
from research.tokenizers.load import of_json


@pytest.fixture(scope="session")
def files():
    return {kind: tokenizer_json(kind) for kind in KINDS}


@pytest.fixture(scope="session")
def opened(files):
    return {kind: of_json(content, name=kind) for kind, content in files.items()}


@pytest.fixture(scope="session")
def models():
    return {name: sentencepiece_model(**options) for name, options in SENTENCEPIECE.items()}
