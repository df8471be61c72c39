"""FOCUS beside its authors' implementation, from equal vectors (`make test-focus-peer`)."""

import types

import entmax
import numpy as np
import pytest
import torch
from deepfocus.focus import focus_additional_token_initialization

from research.codecs.codec_tokenizer import CodecTokenizer
from research.testing.tiny import TinyCodec
from research.transfer import matching
from research.transfer.methods import similarity
from research.transfer.methods.rows import Inputs
from research.transfer.methods.similarity import focus
from research.transfer.vectors import TokenVectors
from research.vocabularies.protocol import EmbeddingTable


@pytest.mark.parametrize("scale", [0.1, 1.0, 4.0])
def test_sparsemax(scale):
    scores_TxN = np.random.default_rng(0).normal(size=(50, 700)) * scale
    theirs = entmax.sparsemax(torch.from_numpy(scores_TxN), dim=1).numpy()
    np.testing.assert_allclose(similarity.sparsemax(scores_TxN), theirs, atol=1e-9)


def test_new_rows():
    rng = np.random.default_rng(0)
    source = CodecTokenizer(TinyCodec())
    target = CodecTokenizer(TinyCodec((b"ing", b"qu", b"the sea", b"zz")))
    match = matching.match(source, target)
    rows_VxD = rng.normal(size=(source.vocab_size, 16)).astype(np.float32)
    vectors_VxK = rng.normal(size=(target.vocab_size, 5)).astype(np.float32)
    known_V = np.ones(target.vocab_size, bool)
    inputs = Inputs(EmbeddingTable(rows_VxD), source, target, match, seed=0)
    ours = focus(inputs, vectors=TokenVectors(vectors_VxK, known_V))

    def token(id_, row=None):
        place = types.SimpleNamespace(id=int(id_))
        row = None if row is None else torch.from_numpy(row)
        return types.SimpleNamespace(target=place, auxiliary_embedding=vectors_VxK[id_],
                                     source_embedding=row)  # fmt: skip

    pairs = zip(match.overlap_target_N, match.overlap_source_N, strict=True)
    shared = {str(t): token(t, rows_VxD[s]) for t, s in pairs}
    new = {str(t): token(t) for t in match.new_target_M}
    theirs = focus_additional_token_initialization(shared, new, torch.zeros(target.vocab_size, 16))
    assert len(new) > 2
    np.testing.assert_allclose(
        ours.input_VxD[match.new_target_M], theirs.numpy()[match.new_target_M], atol=1e-5
    )
