"""Tokenizers to train a hypernetwork on: a new one for every step, sampled from the text."""

from research.transfer.sampling.batches import (
    FixedBatches,
    SampledBatch,
    SampledBatches,
    mixture,
    sample,
)
from research.transfer.sampling.config import (
    BPE,
    Candidates,
    Codebook,
    Pretokens,
    Sampling,
    Substrings,
    UnigramEM,
    WordPiece,
)
from research.transfer.sampling.sampled_tokenizer import SampledTokenizer, Seen
from research.transfer.sampling.texts import Queue, TextWindows, byte_store

__all__ = [
    "BPE",
    "Candidates",
    "Codebook",
    "FixedBatches",
    "Pretokens",
    "Queue",
    "SampledBatch",
    "SampledBatches",
    "SampledTokenizer",
    "Sampling",
    "Seen",
    "Substrings",
    "TextWindows",
    "UnigramEM",
    "WordPiece",
    "byte_store",
    "mixture",
    "sample",
]
