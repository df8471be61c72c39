"""Auxiliary vectors: what an entry means, told by text or by word vectors, not by the model.

| module | from | to |
| --- | --- | --- |
| cooccurrence | text in a tokenizer's ids | vectors of its entries |
| words | text | vectors of words; of words, vectors of any tokenizer's entries |
| words | two languages' word vectors and a dictionary | one space |
| fasttext | a .vec or .bin file | vectors of words (.bin: of any string by its n-grams) |
"""

from research.transfer.vectors.cooccurrence import SVDConfig, TokenVectors, unit_rows
from research.transfer.vectors.words import WordVectors

__all__ = ["SVDConfig", "TokenVectors", "WordVectors", "unit_rows"]
