"""One package per paper, one module per table: cpu(), gpu(), paper() and quick() make its configs.

A paper's package names its TABLES in order, and in MAIN those that are run when none is named.
"""
