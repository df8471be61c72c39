"""Which rows each claim cannot be decided without: (column, pattern), all rows that match left out.

A missing control is not among them: without one a null is not shown, and that is a verdict.
"""

_WINDOWS, _COUNTS = r"EqualInfo W=\d+", "n-gram.*"


def _of(column, *patterns):
    return [(column, pattern) for pattern in patterns]


_TASKS = _of("model", "gaussian", "standard", "copying")
_POSITIONS = _of("model", "gaussian", _COUNTS)
_DONORS = _of("method", "hypernetwork", "original")
_RESETS = _of("method", "EqualInfo W=16", ".*every-other", ".*never")
_SAVED = _of("method", "AC", _WINDOWS, "Bytes")

NEEDS = {
    "windows_before_ac": _of("method", _WINDOWS, "AC"),
    "windows_before_bytes": _of("method", _WINDOWS, "AC", "Bytes"),
    "subwords_best": _of("method", _WINDOWS, "AC", "SentencePiece"),
    "ac_unlearnable": _of("method", "AC"),
    "static_ac_unlearnable": _of("method", "StaticAC"),
    "gzip_learnable": _of("method", "GZip"),
    "wide_hurts_gzip": _of("vocabulary", "256", "65536"),
    "gap_narrows": _of("method", _WINDOWS, "SentencePiece"),
    "ratios": _of("method", "AC", "StaticAC"),
    "gzip_between": _of("method", "AC", "StaticAC", "GZip"),
    "no_unigram_structure": _SAVED,
    "little_unigram_structure": _SAVED,
    "shorter_learnable": _of("method", _WINDOWS),
    "shortest_best": _of("method", _WINDOWS),
    "wide_tokens": _of("matched", "-", "tokens"),
    "structural_gain": _of("matched", "-", "bytes", "tokens"),
    "memory_compresses": _RESETS,
    "memory_hides": _RESETS,
    "reset_best": _RESETS,
    "delay_costs": _of("closing", r"point\+delay"),
    "decodable_free": _of("method", _WINDOWS, r".*point\+delay"),
    "windows_decodable": _of("closing", "point", "dyadic", r"point\+delay"),
    "one_text_a_code": _of("item", "point", r"point\+delay"),
    "looks_random": _of("method", "AC", "GZip", "random"),
    "uniformity": _of("method", "StaticAC", _WINDOWS, "GZip"),
    "stability": _of("method", "SentencePiece", _WINDOWS, "AC"),
    "token_meaning": _of("item", "any", "position 1", "position 2"),
    "unlocks": _of("guess", ".*"),
    "header_immaterial": _of("method", "GZip", "GZip no header"),
    "ac_decoder_hidden": _of("method", "byte LM only", "AC", _WINDOWS),
    "window_decoder_learned": _of("method", "byte LM only", _WINDOWS),
    "ac_coder_in_part": _of("task", "compress"),
    "falls": _POSITIONS,
    "gap_closes": [*_POSITIONS, ("model", "learned")],
    "nearly_standard": [*_POSITIONS, ("model", "learned")],
    "code_fastest": [*_POSITIONS, *_of("kind", "code.*", "general.*")],
    "large_vocabularies": [*_POSITIONS, ("model", "learned"), ("kind", ".*unigram")],
    "lookup": [*_TASKS, ("task", "LookUp"), ("symbols", "uniform")],
    "permutation": [*_TASKS, ("task", "Permutation"), ("symbols", "uniform")],
    "four_times": [*_TASKS, ("symbols", "uniform")],
    "by_frequency": [*_TASKS, ("symbols", "by frequency")],
    "key_improves": _of("reading", "majority vote"),
    "key_read": _of("reading", "majority vote"),
    "matrices_sharpen": _of("reading", "last position"),
    "symbol_resolves": _of("reading", "last position"),
    "theorem": _of("model", "p'.*"),
    "trained_near_ideal": _of("model", "p'.*", "gaussian"),
    "regularization_helps": [("per", "majority"), ("shots", "3")],
    "regularization_harms": [("per", "majority"), ("shots", "0")],
    "naive_mixture": _of("random", "drawn"),
    "all_permuted": _of("random", "permuted", "all drawn.*", "counts.*"),
    "forgetting_keeps": [("split", "unseen"), *_of("method", "active", "vanilla")],
    "temporary_keeps_both": [
        *_of("split", "unseen", "in_distribution"), *_of("method", "temporary", "vanilla"),
    ],
    "vanilla_loses": [("split", "unseen"), ("method", "vanilla")],
    "heads_help": _of("model", "learned", "heads", "back-off.*"),
    "trunks_before_counts": _of("model", "learned", "uniform", "back-off.*"),
    "order": [*_DONORS, *_of("method", "focus", "random")],
    "quality_kept": _DONORS,
    "any_kind": [*_DONORS, ("method", "fvt"), ("target", "BPE.*")],
    "n_shot_before_focus": _of("start", "hypernetwork.*", "focus", "original"),
    "n_shot_near": _of("start", "hypernetwork.*", "original"),
    "original_no_better": _of("start", "original"),
    "original_ahead": _of("start", "original"),
    "tuned_kept": _DONORS,
    "tuned_before_focus": [*_DONORS, ("method", "focus")],
    "task_vector": _of("method", "original", "n-shot, lambda 0", r"n-shot, lambda 0\.5"),
    "base_rows": _of("method", "original", "original, rows.*"),
    "shorter_hardly_worse": _DONORS,
    "far_languages": [*_DONORS, ("method", "focus")],
    "flops_share": _of("model", "mistral-7b"),
    "unigramify": _of("tokenizer", "GPT-2"),
    "auxiliary_needed": _of("variant", "zett's form, identity first", ".*without.*", "fvt.*"),
    "residual_ahead": _of("variant", "zett's form, identity first", "residual, aux.*", "fvt.*"),
    "alm_ahead": _of("variant", "residual", "residual, distillation"),
    "omp_before_focus": _of("method", "omp", "focus"),
}  # fmt: skip
