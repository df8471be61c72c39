"""Moving a finished model to another tokenizer: only its tables change, on disk, in one pass."""
