"""Moving a language model to another tokenizer: sampling tokenizers, heuristics, the hypernetwork,
and converting checkpoints."""
