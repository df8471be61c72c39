"""The 20 claims of "Lexinvariant Language Models" (arXiv 2305.16349), and five of its kin.

Kin are papers whose tables are here because the same models answer them: dual process learning
(arXiv 2406.00053) and in-context language learning (arXiv 2401.12973).
"""

from experiments.lexinvariant import verdicts_on_rows, verdicts_on_tasks, verdicts_on_texts
from research.reporting.claims import DIRECTION, Claim

POSITIONS = "lexinvariant/perplexity_by_position"
TASKS = "lexinvariant/reasoning"
KEYS = "lexinvariant/deciphering"
MIXTURE = "lexinvariant/mixture"
REGULARIZATION = "lexinvariant/regularization"
RANDOM_ROWS = "lexinvariant/random_rows"
FORGETTING = "lexinvariant/dual_process"
AUTOMATA = "lexinvariant/in_context_languages"

OWN = (
    Claim(
        "falls", "perplexity falls with context",
        "Figure 3", "28.1 -> 5.99 at 150 -> 4.12 at 413", POSITIONS, verdicts_on_texts.falls,
    ),
    Claim(
        "gap_closes", "a lexinvariant model's gap to a standard one closes with context",
        "section 3.2, Figure 3", "8.8 -> 0.9 times its perplexity above it", POSITIONS,
        verdicts_on_texts.gap_closes, headline=True,
    ),
    Claim(
        "nearly_standard", "late in a long context it is nearly as good",
        "section 3.2", "3.38 / 2.00 at 511", POSITIONS, verdicts_on_texts.nearly_standard,
    ),
    Claim(
        "code_fastest", "on code it converges fastest",
        "Figure 7", "3.23 at 150, prose 4.13 and 5.99", POSITIONS, verdicts_on_texts.code_fastest,
        scale="gpu",
    ),
    Claim(
        "large_vocabularies", "with 32k tokens it falls too, and stays far from standard",
        "Figure 7", "9,840 -> 2,288, standard 18.9", POSITIONS,
        verdicts_on_texts.large_vocabularies, scale="gpu",
    ),
    Claim(
        "lookup", "LookUp of symbols drawn uniformly is solved, a standard model does not solve it",
        "Table 1", "91.8 / 48.5 %", TASKS, verdicts_on_tasks.task_gain("LookUp", 91.80 - 48.50),
    ),
    Claim(
        "permutation", "Permutation likewise",
        "Table 1", "59.4 / 27.7 %", TASKS,
        verdicts_on_tasks.task_gain("Permutation", 59.35 - 27.66),
    ),
    Claim(
        "four_times",
        "at tasks that only the context solves, it is four times as accurate as a standard model",
        "abstract, Table 1", "4 times", TASKS, verdicts_on_tasks.four_times, headline=True,
    ),
    Claim(
        "by_frequency", "symbols drawn by frequency: it is still ahead",
        "Table 2", "11 of 12 cells", TASKS, verdicts_on_tasks.by_frequency,
    ),
    Claim(
        "key_improves", "the more context, the more of a cipher's key is read",
        "Figure 4c", ".63 -> .966 at 150", KEYS, verdicts_on_texts.key_improves,
    ),
    Claim(
        "key_read", "with enough context it reads the key of a cipher",
        "section 3.3, Figure 4c", ".996", KEYS, verdicts_on_texts.key_read, headline=True,
    ),
    Claim(
        "matrices_sharpen", "key matrices sharpen with context",
        "Figure 5", "a picture", KEYS, verdicts_on_texts.matrices_sharpen, most=DIRECTION,
    ),
    Claim(
        "symbol_resolves", "an ambiguous symbol resolves as its context comes",
        "Figure 6", "a picture", KEYS, verdicts_on_texts.symbol_resolves, most=DIRECTION,
    ),
    Claim(
        "theorem", "the ideal lexinvariant model comes to the language itself",
        "Theorem 2.1", "the mean gap falls to 0", MIXTURE, verdicts_on_texts.theorem, headline=True,
    ),
    Claim(
        "trained_near_ideal", "a trained model approximates that ideal one",
        "section 2.3", "implied", MIXTURE, verdicts_on_texts.trained_near_ideal,
    ),
    Claim(
        "regularization_helps",
        "a fifth of the ids permuted in training helps more tasks than it harms, at three shots",
        "section 3.6, Figure 8", "22 up, 11 down", REGULARIZATION,
        verdicts_on_tasks.regularization(3, 1, 11 / 36),
    ),
    Claim(
        "regularization_harms", "it harms more than it helps without any shot",
        "Figure 8", "11 up, 23 down", REGULARIZATION,
        verdicts_on_tasks.regularization(0, -1, 12 / 38),
    ),
    Claim(
        "naive_mixture", "a mixture of drawn and learned rows diverges in norm",
        "section 3.6", "diverges", RANDOM_ROWS, verdicts_on_rows.norms_diverge,
    ),
    Claim(
        "all_permuted", "with every id permuted, a learned table behaves like drawn rows",
        "section 3.6", "very similar", RANDOM_ROWS, verdicts_on_rows.permuted_like_drawn,
    ),
    Claim(
        "semantic_key", "words of a story are deciphered by their meaning",
        "section 3.4, App. E", "one example",
    ),
)  # fmt: skip

KIN = (
    Claim(
        "forgetting_keeps", "kin: active forgetting keeps answers about ids never seen",
        "arXiv 2406.00053", "kept", FORGETTING, verdicts_on_tasks.forgetting_keeps,
    ),
    Claim(
        "temporary_keeps_both",
        "kin: temporary forgetting keeps these and what is known of seen ids",
        "arXiv 2406.00053", "both kept", FORGETTING, verdicts_on_tasks.temporary_keeps_both,
    ),
    Claim(
        "vanilla_loses", "kin: vanilla training answers for unseen ids at first, and loses that",
        "arXiv 2406.00053", "lost", FORGETTING, verdicts_on_tasks.vanilla_loses,
    ),
    Claim(
        "heads_help", "kin: n-gram heads help trunks to learn languages in context",
        "arXiv 2401.12973", "up to 6.7 % of perplexity", AUTOMATA, verdicts_on_tasks.heads_help,
    ),
    Claim(
        "trunks_before_counts",
        "kin: trained trunks come nearer to a language than n-grams counted in context",
        "arXiv 2401.12973", "ahead", AUTOMATA, verdicts_on_tasks.trunks_before_counts,
    ),
)  # fmt: skip

CLAIMS = OWN + KIN
