"""Tokenizers as data: any file, its entries as bytes, and how strings fall into pieces."""

from research.codecs.tokenizer.file_tokenizer import FileTokenizer
from research.codecs.tokenizer.load import load
from research.codecs.tokenizer.of_codec import CodecTokenizer
from research.codecs.tokenizer.protocol import ROLES, Pieces, Tokenizer

__all__ = ["ROLES", "CodecTokenizer", "FileTokenizer", "Pieces", "Tokenizer", "load"]
