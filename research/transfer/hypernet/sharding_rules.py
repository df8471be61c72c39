"""What the parameters of a hypernetwork's training are: sharding, decay, freezing.

    hypernetwork/...   trained, but for the statistics of the source's rows
    model/...          the language model as it was given: frozen
    trunk/...          n-shot: a trunk that is trained as well, in place of the model's
"""

from research.training.sharding_rules import LANGUAGE_MODEL_RULES, Rule, frozen

_NETWORK = "hypernetwork/"
HYPERNETWORK_RULES = (
    Rule(rf"{_NETWORK}in_(mean|std)_I", ("-",), frozen=True),
    Rule(rf"{_NETWORK}(input|output)_(scale|shift)_D", ("-",), frozen=True),
    Rule(rf"{_NETWORK}(positions|languages)", ("-", "-")),
    Rule(rf"{_NETWORK}heads_bias/projection/kernel", ("in", "out"), kernel=True),
    Rule(
        rf"{_NETWORK}(?!heads_bias/projection)([a-z_0-9]+/)+kernel",
        ("in/data", "out/model"),
        kernel=True,
    ),
    Rule(rf"{_NETWORK}([a-z_0-9]+/)+(bias|scale)", ("-",)),
)

TRANSFER_RULES = (
    *HYPERNETWORK_RULES,
    *frozen(LANGUAGE_MODEL_RULES, "model/"),
    *(rule for rule in LANGUAGE_MODEL_RULES if rule.pattern.startswith("trunk/")),
)
