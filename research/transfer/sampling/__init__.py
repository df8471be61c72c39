"""Tokenizers to train a hypernetwork on: a new one for every step, sampled from the text."""

from research.transfer.sampling.batches import SampledBatch, SampledBatches
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
from research.transfer.sampling.coverage import Seen
from research.transfer.sampling.sampled_tokenizer import SampledTokenizer
from research.transfer.sampling.sampler import mixture, sample
from research.transfer.sampling.text_queue import Queue
from research.transfer.sampling.texts import TextWindows, byte_store

__all__ = [
    "BPE",
    "Candidates",
    "Codebook",
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
