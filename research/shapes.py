"""What arrays and trees of them are called. `logits_BxLxV` has one axis for each of B, L and V.

A digit is an axis of that length (`keys_Bx2`); a digit after a letter adds to it (`spent_L1` has
L + 1 entries).
"""

from collections.abc import Mapping
from typing import Any

Params = Mapping[str, Any]
"""A tree of parameters: nested mappings with arrays at the leaves."""

AXES = {
    "A": "alphabet: 256 bytes, 257 with the end of text, or the symbols of a cipher",
    "B": "batch: sequences, documents",
    "C": "candidates; classes; characters",
    "D": "width of the model",
    "E": "edges or entries of a trie or vocabulary",
    "F": "width of the MLP",
    "G": "groups of packed tokens; words of a large integer",
    "H": "attention heads",
    "I": "input width of one matrix product",
    "J": "output width of one matrix product",
    "K": "width of an attention head or of an auxiliary vector; chosen ones",
    "L": "length: positions in a sequence",
    "M": "some of the tokens; parts",
    "N": "items of any list",
    "O": "options of a question",
    "P": "slots for the pieces of a token; pairs",
    "R": "rows that are predicted; resamples",
    "S": "slots of a cache; symbols; sequences of special ids",
    "T": "steps; tokens of a tokenizer",
    "U": "unique items",
    "V": "vocabulary",
    "W": "words; windows",
}
