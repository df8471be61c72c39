"""Tokenizers as data: any tokenizer file, its entries as bytes, and how strings fall into pieces."""

from research.codecs.tokenizer.of_codec import CodecTokenizer
from research.codecs.tokenizer.protocol import ROLES, Pieces, Tokenizer

__all__ = ["ROLES", "CodecTokenizer", "Pieces", "Tokenizer"]
