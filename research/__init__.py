"""freevocab: language models that are not bound to a fixed vocabulary."""

__version__ = "0.1.0"
