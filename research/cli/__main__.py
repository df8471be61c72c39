"""`python -m research.cli` is `freevocab`."""

from research.cli import main

main()
