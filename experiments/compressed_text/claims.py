"""The 33 claims of "Training LLMs over Neurally Compressed Text" (arXiv 2404.03626)."""

from experiments.compressed_text import verdicts_on_codes as codes
from experiments.compressed_text import verdicts_on_models as models
from experiments.compressed_text.rows import of_the_new_protocol
from research.reporting.claims import Claim

MODELS = {
    "main_results", "window_size", "m1_reset", "byte_matched", "gzip_header", "learn_the_coder",
    "position_accuracy",
}  # fmt: skip
"""Tables that train models: their records are older or newer than the mended protocol."""


def _claim(id_, statement, place, paper, table, decide, **others) -> Claim:
    decide = of_the_new_protocol(decide) if table in MODELS else decide
    return Claim(id_, statement, place, paper, f"compressed_text/{table}", decide, **others)


CLAIMS = (
    # Its conclusions.
    _claim(
        "windows_before_ac",
        "a language model on equal-info windows beats AC, and so the byte model that compresses",
        "Table 15, Figure 3", "1.25 < 1.46 bits/byte at 25m", "main_results",
        models.windows_before_ac, headline=True,
    ),
    _claim(
        "windows_before_bytes", "windows beat raw bytes, at fewer FLOPs a byte",
        "Table 15, Figure 4", "1.25 / 1.29 bits/byte", "main_results", models.windows_before_bytes,
        headline=True,
    ),
    _claim(
        "subwords_best", "SentencePiece stays ahead of everything compressed",
        "Table 15", "1.12 / 1.25 bits/byte", "main_results", models.subwords_best,
    ),
    _claim(
        "ac_unlearnable", "nothing is learned from the ids of plain arithmetic coding",
        "Table 15", "uniform, 1.46 bits/byte", "main_results", models.unlearnable("AC"),
        headline=True,
    ),
    _claim(
        "static_ac_unlearnable",
        "nothing is learned from arithmetic coding under fixed byte frequencies either",
        "Table 15", "uniform, 4.61 bits/byte", "main_results", models.unlearnable("StaticAC"),
    ),
    _claim(
        "gzip_learnable", "part of GZip's ids is learned",
        "Table 15", "2.34 of 3.59 bits/byte", "main_results", models.gzip_learnable,
    ),
    _claim(
        "wide_hurts_gzip", "wider tokens make GZip harder to learn",
        "Table 15", "2.34 -> 2.92 bits/byte", "gzip_header", models.wide_hurts_gzip,
    ),
    _claim(
        "gap_narrows", "larger models on windows come nearer to SentencePiece",
        "Table 15", "0.13 at 25m, 0.07 at 2b", "main_results", models.gap_narrows, scale="paper",
    ),
    # Ratios.
    _claim(
        "ratios", "longer windows compress better, StaticAC least of all and AC best",
        "Table 2", "1.73 < 2.66 < 3.49 < 4.16 < 4.61 < 5.49", "compression_ratios", codes.ratios,
    ),
    _claim(
        "gzip_between", "GZip's ratio is between StaticAC's and AC's",
        "Table 2", "1.73 < 2.23 < 5.49", "compression_ratios", codes.gzip_between,
    ),
    _claim(
        "no_unigram_structure", "AC's ids have no unigram structure",
        "Table 3", "1.457 = 1.457 bits/byte", "compression_ratios", codes.no_unigram_structure,
    ),
    _claim(
        "little_unigram_structure", "the ids of the shortest windows have a little",
        "Table 3", "0.032 bits/byte", "compression_ratios", codes.little_unigram_structure,
    ),
    # Windows.
    _claim(
        "shorter_learnable", "shorter windows are more learnable, by bits a token",
        "Table 16, Figure 5", ".41, .85, .95, .98 of a token's bits left", "window_size",
        models.shorter_learnable,
    ),
    _claim(
        "shortest_best", "the shortest windows have the fewest bits/byte",
        "Table 16", "1.25 < 1.70", "window_size", models.shortest_best,
    ),
    _claim(
        "wide_tokens", "tokens of a whole window beat narrow ones",
        "Tables 6 and 15", "1.47 -> 1.25 bits/byte", "byte_matched", models.wide_tokens,
    ),
    _claim(
        "structural_gain", "most of that gain is there with the same amount of text",
        "Table 6", "84 %", "byte_matched", models.structural_gain,
    ),
    _claim(
        "memory_compresses", "the longer M1 remembers, the better it compresses",
        "Table 9", "2.66 < 3.40 < 5.33", "m1_reset", models.memory_compresses,
    ),
    _claim(
        "memory_hides", "the longer M1 remembers, the less M2 learns",
        "Table 9, Figure 12", ".34 < .72 < 1 of a token's bits left", "m1_reset",
        models.memory_hides,
    ),
    _claim(
        "reset_best", "a reset at every window has the fewest bits/byte",
        "Table 9", "every 1.02, every other 1.70, never 1.50", "m1_reset", models.reset_best,
    ),
    _claim(
        "delay_costs", "Delay takes a sixth of the ratio",
        "Table 17", "17 %", "closing_rules", codes.delay_costs,
    ),
    _claim(
        "decodable_free", "windows under Delay cost M2 nothing",
        "Table 17, Figure 14", "1.23 / 1.25 bits/byte", "main_results", models.decodable_free,
    ),
    _claim(
        "windows_decodable", "text can be read back from greedy windows",
        "App. D", "99.4 % of sequences", "closing_rules", codes.windows_decodable, headline=True,
    ),
    _claim(
        "one_text_a_code", "each window's code stands for one text",
        "Tables 8 and 14", "every code", "token_semantics", codes.one_text_a_code,
    ),
    # What is in the ids.
    _claim(
        "looks_random", "AC's bits look like random ones",
        "Figure 11", "no difference to be seen", "bit_statistics", codes.looks_random,
    ),
    _claim(
        "uniformity", "StaticAC, windows and GZip are ever further from uniform bits",
        "Figures 11 and 16", "StaticAC < EqualInfo < GZip", "bit_statistics", codes.uniformity,
    ),
    _claim(
        "stability",
        "another first word changes few tokens of SentencePiece, more of windows, all of AC",
        "Figure 8", "low, between, high", "token_stability", codes.stability,
    ),
    _claim(
        "token_meaning", "a window's first token tells how it begins, its second nothing",
        "Tables 8 and 14", '151 is always "le...", in second position no pattern',
        "token_semantics", codes.token_meaning,
    ),
    _claim(
        "unlocks", "the tokens of a window unlock from left to right, the first three stand out",
        "Figure 10", "above 8 % for three, below 4 % later", "position_accuracy", models.unlocks,
    ),
    _claim(
        "header_immaterial", "GZip's header makes no difference",
        "Table 10", "+0.02, +0.01 bits/byte without", "gzip_header", models.header_immaterial,
    ),
    # Learning the coder.
    _claim(
        "ac_decoder_hidden", "decompressing AC is not learned",
        "Table 5", "77.0 % of bytes / 76.9 % without", "learn_the_coder", models.ac_decoder_hidden,
    ),
    _claim(
        "window_decoder_learned", "decompressing equal-info windows is learned",
        "Table 5", "95.3 % of bytes / 76.8 % without", "learn_the_coder",
        models.window_decoder_learned,
    ),
    _claim(
        "ac_coder_in_part", "compressing with AC is learned in part",
        "section 5.2, Table 5", "1.7 % right, 55 % of the nats", "learn_the_coder",
        models.ac_coder_in_part,
    ),
    Claim(
        "other_tables",
        "the orders hold in compute-optimal training, and in spelling after fine-tuning",
        "Table 13, Figure 13", "the same trends",
    ),
)  # fmt: skip
