"""One module for each table of arXiv 2305.16349 (Lexinvariant Language Models), and ours."""

# What `freevocab reproduce lexinvariant` runs; they share their models.
MAIN = ("perplexity_by_position", "reasoning", "deciphering")

TABLES = (  # in the order in which they are listed and reported
    "perplexity_by_position",
    "reasoning",
    "deciphering",
    "cipher_solvers",
    "mixture",
    "regularization",
    "random_rows",
    "dual_process",
    "in_context_languages",
    "compressed_symbols",
)
