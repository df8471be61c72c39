"""Tables of arXiv 2405.07883 (Zero-Shot Tokenizer Transfer)."""
