"""Auxiliary vectors: what an entry means, told by text or by word vectors, not by the model.

| module | from | to |
| --- | --- | --- |
| cooccurrence | text in a tokenizer's ids | vectors of its entries |
| words | text | vectors of words; of words, vectors of any tokenizer's entries |
| fasttext_file | a .vec or .bin file | vectors of words |
| fasttext_bin | a .bin file | vectors of words, and of any string by its n-grams |
| alignment | two languages' word vectors and a dictionary | one space |
"""

from research.transfer.vectors.cooccurrence import SVDConfig
from research.transfer.vectors.token_vectors import TokenVectors, unit_rows
from research.transfer.vectors.words import WordVectors

__all__ = ["SVDConfig", "TokenVectors", "WordVectors", "unit_rows"]
