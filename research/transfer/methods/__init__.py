"""Tables for a new tokenizer by rule: pure functions of the old table and two tokenizers.

`make(name, ...)` is the way in. A method takes (source table, source tokenizer, target tokenizer,
match, seed, auxiliary) and gives numpy tables with a float32 row for every target id: no row is
zero or NaN, special rows are copied, and the seed decides everything.

| name | equal entries | other entries | auxiliary |
| --- | --- | --- | --- |
| random | as others | N(mean, variance) of the source's rows | |
| mean | as others | the mean row | |
| overlap | copied | random | |
| fvt | copied | mean of the source's pieces | |
| byte-fvt | as others | mean of the bytes' rows | |
| wechsel | as others | softmax over the 10 nearest | word vectors; dictionary |
| focus | copied | sparsemax over equal entries | vectors of the target's entries |
| ofa, ofa-aux | copied | softmax over the 10 nearest | word vectors (ofa-aux: our own) |
| omp, omp-aux | copied | 64-sparse in equal entries | donor (omp-aux: vectors) |
"""

import functools
from collections.abc import Callable

from research.transfer.methods.auxiliary import Auxiliary, Donor
from research.transfer.methods.registry import METHODS, Method, method

__all__ = ["METHODS", "Auxiliary", "Donor", "Method", "make"]


def make(name: str, auxiliary: Auxiliary | None = None, **options) -> Callable:
    """The method as (source_table, source, target, *, match=None, seed=0) -> Table.

    Args:
      auxiliary: what the method needs besides; `METHODS[name]` says what.
      options: a method's own settings, such as k of omp or factors of ofa.

    Raises:
      UsageError: an unknown name, an auxiliary that is missing or of no use, an unknown option.
    """
    chosen = method(name)
    auxiliary = auxiliary or Auxiliary()
    chosen.check(name, auxiliary, options)
    return functools.partial(_run, chosen.load(), chosen, auxiliary, options)


def _run(function, chosen, auxiliary, options, source_table, source, target, *, match=None, seed=0):
    """The method's table; without a `match`, entries and specials are paired as by default."""
    from research.transfer import matching

    match = matching.match(source, target) if match is None else match
    prepared = auxiliary.prepared(chosen.takes, source, target)
    return function(
        source_table, source, target, match=match, seed=seed, **prepared, **options
    )
