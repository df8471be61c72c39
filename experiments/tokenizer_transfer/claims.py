"""The 20 claims of "Zero-Shot Tokenizer Transfer" (arXiv 2405.07883), with those of ALM and OMP."""

from experiments.tokenizer_transfer import verdicts_on_moves, verdicts_on_training
from research.reporting.claims import Claim

ZERO_SHOT = "tokenizer_transfer/zero_shot"
N_SHOT = "tokenizer_transfer/n_shot"
TUNED = "tokenizer_transfer/fine_tuned"
ABLATIONS = "tokenizer_transfer/ablations"
LANGUAGES = "tokenizer_transfer/cross_lingual"

CLAIMS = (
    Claim(
        "order",
        "without training on the target, the hypernetwork beats FOCUS, and FOCUS random rows",
        "main tables", "73.0 / 55.6 of 76.9 %", ZERO_SHOT, verdicts_on_moves.order, headline=True,
    ),
    Claim(
        "quality_kept", "moved to a tokenizer that it never saw, a model keeps most of its quality",
        "main tables", "76.9 -> 73.0 %", ZERO_SHOT, verdicts_on_moves.quality_kept, headline=True,
    ),
    Claim(
        "any_kind", "one network serves tokenizers of any kind",
        "text", "BPE, Unigram, WordPiece", ZERO_SHOT, verdicts_on_moves.any_kind,
    ),
    Claim(
        "n_shot_before_focus",
        "with some training on the target, the hypernetwork's model stays before FOCUS's",
        "n-shot table", "74.9 / 68.7 %", N_SHOT, verdicts_on_training.n_shot_before_focus,
    ),
    Claim(
        "n_shot_near",
        "with some training on the target, the moved model comes near to the original",
        "n-shot table", "76.8 -> 74.9 %", N_SHOT, verdicts_on_training.n_shot_near, headline=True,
    ),
    Claim(
        "original_no_better", "the original gains nothing by as much training",
        "n-shot table", "76.9 -> 76.8 %", N_SHOT, verdicts_on_training.original_no_better,
    ),
    Claim(
        "original_ahead", "trained as long, the original stays ahead of every transfer",
        "n-shot table", "76.8 / 74.9 %", N_SHOT, verdicts_on_training.original_ahead,
    ),
    Claim(
        "tuned_kept", "the base model's hypernetwork serves its fine-tuned variant",
        "MT-Bench table", "7.33 -> 6.56", TUNED, verdicts_on_training.tuned_kept, headline=True,
    ),
    Claim(
        "tuned_before_focus", "on the variant too it beats FOCUS",
        "MT-Bench table", "6.56 / 5.03", TUNED, verdicts_on_training.tuned_before_focus,
    ),
    Claim(
        "task_vector",
        "adding some of what n-shot training did to the base's trunk helps the variant",
        "MT-Bench table", "6.59 -> 6.82", TUNED, verdicts_on_training.task_vector,
    ),
    Claim(
        "base_rows", "with the rows of its base the variant is no worse",
        "MT-Bench table", "7.48 / 7.33", TUNED, verdicts_on_training.base_rows,
    ),
    Claim(
        "shorter_hardly_worse",
        "with a tokenizer of its own, a language is shorter and hardly worse",
        "XNLI table", "14 % shorter, 72.6 -> 71.2 %", LANGUAGES,
        verdicts_on_moves.shorter_hardly_worse,
    ),
    Claim(
        "far_languages", "far languages keep their accuracy, where FOCUS falls to chance",
        "XCOPA and MMLU tables", "57.1 / 52.2 of 54.6 %", LANGUAGES,
        verdicts_on_moves.far_languages, scale="gpu",
    ),
    Claim(
        "flops_share", "predicting a row costs under a hundredth of a token of the model",
        "text", "0.9 %", "tokenizer_transfer/amortization", verdicts_on_moves.flops_share,
    ),
    Claim(
        "unigramify", "a Unigram can split text as GPT-2's BPE does",
        "section 5", "99.0 %", "benchmarks/unigramify", verdicts_on_moves.unigramify,
    ),
    Claim(
        "code_tokenizer", "moved to a tokenizer of code, a model keeps writing code",
        "HumanEvalPack table", "28.1 -> 23.2 %, FOCUS 13.3",
    ),
    Claim(
        "auxiliary_needed", "without the auxiliary loss zett's form is ruined",
        "arXiv 2503.20083", "catastrophic", ABLATIONS, verdicts_on_training.auxiliary_needed,
        scale="hours",
    ),
    Claim(
        "residual_ahead",
        "a residual network with the auxiliary loss is at least as good as zett's form",
        "arXiv 2503.20083, Table 10", "42.30 / 42.17 %", ABLATIONS,
        verdicts_on_training.residual_ahead,
    ),
    Claim(
        "alm_ahead", "training the network by matching likelihoods beats training it on text",
        "arXiv 2503.20083, Table 4", "53.0 / 51.9 %", ABLATIONS, verdicts_on_training.alm_ahead,
    ),
    Claim(
        "omp_before_focus", "orthogonal matching pursuit beats FOCUS",
        "arXiv 2506.06607", "99.1 / 73.4 % kept", ZERO_SHOT, verdicts_on_moves.heuristics_of_donors,
    ),
)  # fmt: skip
