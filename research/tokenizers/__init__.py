"""Tokenizers as data: any file, its entries as bytes, and how strings fall into pieces."""

from research.tokenizers.file_tokenizer import FileTokenizer
from research.tokenizers.load import load
from research.tokenizers.protocol import ROLES, Pieces, Tokenizer

__all__ = ["ROLES", "FileTokenizer", "Pieces", "Tokenizer", "load"]
