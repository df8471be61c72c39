"""One module for each table of arXiv 2405.07883 (Zero-Shot Tokenizer Transfer), and ours."""

MAIN = ("zero_shot",)  # what `freevocab reproduce tokenizer_transfer` runs

TABLES = (  # in the order in which they are listed and reported
    "zero_shot",
    "n_shot",
    "fine_tuned",
    "ablations",
    "cross_lingual",
    "amortization",
    "compressed_tokens",
)
