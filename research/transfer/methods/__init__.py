"""Tables for a new tokenizer by rule or network: functions of the old table and two tokenizers.

`make(name, ...)` is the way in. A method takes (source table, source tokenizer, target tokenizer,
match, seed, auxiliary) and gives numpy tables with a float32 row for every target id: no row is
zero or NaN, special rows are copied, and the seed decides everything. docs/transfer.md lists all.
"""

from research.transfer.methods.registry import (
    HYPERNETWORK,
    METHODS,
    Method,
    MethodName,
    make,
    method,
)

__all__ = ["HYPERNETWORK", "METHODS", "Method", "MethodName", "make", "method"]
