"""One module for each table of arXiv 2404.03626 (Training LLMs over Neurally Compressed Text)."""

MAIN = ("main_results",)  # what `freevocab reproduce compressed_text` runs

TABLES = (  # in the order in which they are listed and reported
    "main_results",
    "compression_ratios",
    "window_size",
    "closing_rules",
    "m1_regimes",
    "m1_reset",
    "byte_matched",
    "gzip_header",
    "learn_the_coder",
    "bit_statistics",
    "token_stability",
    "token_semantics",
    "position_accuracy",
    "seed_spread",
)
