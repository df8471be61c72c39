"""Tables for a new tokenizer by rule or network: functions of the old table and two tokenizers.

`make(name, ...)` is the way in. A method takes (source table, source tokenizer, target tokenizer,
match, seed, auxiliary) and gives numpy tables with a float32 row for every target id: no row is
zero or NaN, special rows are copied, and the seed decides everything.

| name | equal entries | other entries | needs |
| --- | --- | --- | --- |
| random | as others | N(mean, variance) of the source's rows | |
| mean | as others | the mean row | |
| overlap | copied | as random | |
| fvt | copied | mean of the source's pieces | |
| byte-fvt | as others | mean of the bytes' rows | |
| wechsel | as others | softmax over the 10 nearest | vectors, aux_text |
| focus | copied | sparsemax over equal entries | vectors, aux_text |
| ofa | copied | softmax over the 10 nearest | vectors |
| ofa-aux | copied | softmax over the 10 nearest | aux_text |
| omp | copied | 64-sparse in equal entries | donor |
| omp-aux | copied | 64-sparse in equal entries | vectors, aux_text |
| hypernetwork | as others | predicted from the source's pieces | hypernetwork |
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
