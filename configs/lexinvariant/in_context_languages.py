"""Languages of random automata, learned from examples in context (ours; ICLL, arXiv 2401.12973).

    freevocab reproduce lexinvariant/in_context_languages [--scale gpu|paper]

Every sequence holds 10 to 20 strings of an automaton of its own, over symbols of its own, joined by
a separator; the model says what symbol comes next. Accuracy is the share of positions at which its
first choice is possible at all (as in ICLL); the total variation distance is to the automaton's own
distribution; both where the next token is no separator, and over the symbols alone. Trunks with
learned and gaussian vocabularies, each with and without n-gram heads of orders 1 to 3 in every
block, are compared with in-context n-grams with back-off and Baum-Welch, fitted after every string.

cpu: "mini", 200 steps of 8 problems cut to 256 tokens (about ten strings), 96 problems held out. 2
  cores: 2.7 minutes. Possible first choices and total variation: learned 66 %
  and .52, with n-gram heads 91 % and .34; gaussian 51 % and .70, with n-gram heads 88 % and .44;
  back-off n-grams of orders 1 to 3 86, 92, 93 % and .31, .27, .28; Baum-Welch 85 % and .33, but
  .19 after eight strings, where the best n-gram is at .20. Trunks that have not found induction
  after 200 steps are not what ICLL trains; that they pass the n-grams is not shown here.
gpu: "3m" (3.9 M kernels with n-gram heads), the paper's 5,000 automata, 500 held out, 3,000 steps
  of 32 whole problems; Baum-Welch on 100 of them. Not yet run.
paper: "25m", 40,000 steps. The paper trains ten architectures of several sizes until they no longer
  improve, and prints curves, not figures, for this task; its n-gram heads stand in two places of
  the network, not in every block. Not run here.
Expected: n-gram heads make the n-gram solution available at once, so models with them come near
  the back-off n-gram after few steps; without them a trunk has to find induction first, which
  takes thousands of steps. Baum-Welch knows the kind of automaton and the number of states, and is
  ahead of n-grams once it has seen some strings.

Shapes of a gaussian model without n-gram heads on 8 devices, parameters and optimizer (a test; a
symbol counts as a byte):
  gpu: 3,214,464 parameters (3,211,264 kernels), 6.42 MFLOPs/byte, 4.9 MB a device
  paper: 25,438,208 parameters (25,427,968 kernels), 50.86 MFLOPs/byte, 38.3 MB a device
"""

from dataclasses import dataclass, replace

from configs.lexinvariant.presets import GPU_MODEL, QUICK_MODEL
from configs.shared import ModelConfig
from research.training.config import OptimizerConfig, ParallelismConfig

ROWS = tuple(
    (vocabulary, heads) for vocabulary in ("learned", "gaussian") for heads in ((), (1, 2, 3))
)


@dataclass(frozen=True)
class Config:
    """Trunks that are trained on problems, and what they are compared with."""

    model: ModelConfig
    """Of every trunk; its vocabulary is that of the row, its ids are symbols. Problems are cut to
    its length."""
    rows: tuple[tuple[str, tuple[int, ...]], ...] = ROWS
    """(vocabulary, orders of n-gram heads) of each trunk."""
    alphabet: int = 18
    """Symbols that problems choose from."""
    train_problems: int = 5_000
    """Automata for training, each with one set of strings."""
    valid_problems: int = 500
    """Automata, and sets of strings, that all rows are evaluated on."""
    ngram_orders: tuple[int, ...] = (1, 2, 3)
    """Ids of context of the in-context n-grams."""
    hidden_states: int = 12
    iterations: int = 20
    starts: int = 2
    """`hidden_states`, `iterations`, `starts`: of Baum-Welch, in each fit."""
    baum_welch_problems: int = 500
    """Number of problems that it is evaluated on."""
    seed: int = 0
    """Automata, strings, initial weights and draws."""


def cpu() -> Config:
    """Four short trainings; problems cut to 256 tokens, about ten strings."""
    return Config(
        model=ModelConfig(
            ids="automata",
            size="mini",
            length=256,
            batch_size=8,
            steps=200,
            optimizer=OptimizerConfig(
                name="adamw", learning_rate=3e-3, schedule="cosine", warmup_steps=20
            ),
        ),
        valid_problems=96,
        baum_welch_problems=96,
    )


def gpu() -> Config:
    """Whole problems, thousands of steps."""
    return Config(
        model=replace(
            GPU_MODEL,
            ids="automata",
            size="3m",
            length=1_024,
            batch_size=32,
            steps=3_000,
            optimizer=OptimizerConfig(
                name="adamw", learning_rate=1e-3, schedule="cosine", warmup_steps=100
            ),
        ),
        baum_welch_problems=100,
    )


def paper() -> Config:
    """A larger trunk, ten times the steps."""
    return Config(
        model=replace(
            gpu().model,
            size="25m",
            steps=40_000,
            parallelism=ParallelismConfig(kind="mesh"),
        ),
    )


def quick() -> Config:
    """Seconds, for tests."""
    return Config(
        model=replace(QUICK_MODEL, ids="automata", length=64),
        rows=(("gaussian", ()), ("gaussian", (1, 2))),
        train_problems=16,
        valid_problems=8,
        ngram_orders=(2,),
        hidden_states=3,
        iterations=2,
        starts=1,
        baum_welch_problems=4,
    )
