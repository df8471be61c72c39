"""One table from parameter names to what each axis of the parameter is.

Sharding, freezing, weight decay, Adafactor's factors and Muon's matrices all read this table, so
a new kind of parameter is described once. Axes are: 'layer' (stacked copies), 'in' and 'out' (what
a matrix contracts and what it produces), 'rows' (a vocabulary), '-' (anything else). An axis
written 'in/data' or 'out/model' is split over that mesh axis; 'in/zero' marks the axis over which
only the optimizer's state of the parameter is split along 'data', the parameter itself staying
whole.
"""

import dataclasses
import re
from collections.abc import Sequence
from typing import Any

import jax
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from research.errors import FreevocabError, UsageError


@dataclasses.dataclass(frozen=True)
class Rule:
    """What the parameters whose whole name matches `pattern` are."""

    pattern: str
    """Regular expression over names such as 'trunk/layers/mlp/up/kernel'."""
    axes: tuple[str, ...]
    """One word per axis, see the module's docstring."""
    kernel: bool = False
    """A matrix of the network: decayed, and updated by Muon where that is the optimizer."""
    frozen: bool = False
    """Part of the state, but without gradient, optimizer state or update."""

    def indices(self, kind: str) -> tuple[int, ...]:
        """Axes of one kind, e.g. 'in'."""
        return tuple(i for i, axis in enumerate(self.axes) if axis.split("/")[0] == kind)


def _kernel(pattern: str, *axes: str) -> Rule:
    return Rule(pattern, axes, kernel=True)


# Tensor parallelism splits what a block computes independently (heads, MLP width), so a block
# needs one sum over 'model' per branch; fsdp splits the other matrix axis over 'data'. Tables are
# split on V over 'model' alone: gathering a table [V, D] for every step would cost more than all
# the trunk's kernels, so over 'data' only its optimizer state is split.
LANGUAGE_MODEL_RULES = (
    _kernel(
        r"trunk/layers/attention/(query|key|value)/kernel", "layer", "in/data", "out/model", "out"
    ),
    _kernel(r"trunk/layers/attention/out/kernel", "layer", "in/model", "in", "out/data"),
    _kernel(r"trunk/layers/mlp/(gate|up)/kernel", "layer", "in/data", "out/model"),
    _kernel(r"trunk/layers/mlp/down/kernel", "layer", "in/model", "out/data"),
    _kernel(r"trunk/layers/ngram_heads/averages/kernel", "layer", "in", "in/model", "out/data"),
    _kernel(r"trunk/layers/ngram_heads/own/kernel", "layer", "in/model", "out/data"),
    Rule(r"trunk/layers/attention/position_bias", ("layer", "-/model", "-")),
    Rule(r"trunk/layers/attention/(query|key)_norm/scale", ("layer", "-")),
    Rule(r"trunk/layers/attention/(query|key|value)/bias", ("layer", "-/model", "-")),
    Rule(r"trunk/layers/mlp/(gate|up)/bias", ("layer", "-/model")),
    Rule(r"trunk/layers/(attention/out|mlp/down)/bias", ("layer", "-")),
    Rule(r"trunk/layers/(attention|mlp)(_out)?_norm/(scale|bias)", ("layer", "-")),
    Rule(r"trunk/(input|final|head)_norm/(scale|bias)", ("-",)),
    Rule(r"trunk/(position|token_type)_rows", ("-", "-")),
    _kernel(r"trunk/(head|output_map)/kernel", "in/data", "out"),
    Rule(r"trunk/head/bias", ("-",)),
    _kernel(r"trunk/rows_(in|out)/kernel", "in/data", "out"),
    Rule(r"vocabulary/(input|output)_VxD", ("in/model", "out/zero")),
    Rule(r"vocabulary/bias_V", ("-/model",)),
    # Rows of slots, of BOS and EOS: few, and every device needs them.
    Rule(r"vocabulary/((input|output)_NxD|specials_SxD)", ("in", "out")),
    Rule(r"vocabulary/(scale|bias|shared)_D", ("-",)),
    Rule(r"vocabulary/log_scale", ()),
)


def name_of(path: Sequence[Any]) -> str:
    """A tree path as 'trunk/layers/...'."""
    return "/".join(str(getattr(k, "key", getattr(k, "name", getattr(k, "idx", k)))) for k in path)


def match(params: Any, rules: Sequence[Rule] = LANGUAGE_MODEL_RULES) -> Any:
    """The rule of each parameter, in a tree like `params` (arrays or their abstract values).

    Raises:
      FreevocabError: listing every parameter that no rule, or more than one, matches, or whose
        number of axes is not the rule's.
    """
    problems = []

    def find(path, leaf):
        name = name_of(path)
        matching = [rule for rule in rules if re.fullmatch(rule.pattern, name)]
        if len(matching) == 1 and len(matching[0].axes) == len(leaf.shape):
            return matching[0]
        if len(matching) == 1:
            problems.append(f"{name} has {len(leaf.shape)} axes, its rule {len(matching[0].axes)}")
        else:
            problems.append(f"{name} matches {len(matching)} rules")
        return None

    matched = jax.tree_util.tree_map_with_path(find, params)
    if problems:
        raise FreevocabError(
            "every parameter needs exactly one sharding rule (research/training/sharding_rules.py,"
            f" or the rules= argument): {'; '.join(problems)}"
        )
    return matched


def frozen(rules: Sequence[Rule], prefix: str) -> tuple[Rule, ...]:
    """The same rules for parameters that lie under `prefix` (with its '/') and do not change."""
    return tuple(
        dataclasses.replace(rule, pattern=prefix + rule.pattern, frozen=True) for rule in rules
    )


def split(params: Any, rules: Sequence[Rule]) -> tuple[Any, Any]:
    """(what is trained, what is frozen): trees like `params` with None for the other's leaves.

    Where no rule freezes, the first is `params` itself and the second None.
    """
    if not any(rule.frozen for rule in rules):
        return params, None
    matched = match(params, rules)
    trained = jax.tree.map(lambda leaf, rule: None if rule.frozen else leaf, params, matched)
    fixed = jax.tree.map(lambda leaf, rule: leaf if rule.frozen else None, params, matched)
    return trained, fixed


def join(trained: Any, fixed: Any) -> Any:
    """The inverse of `split`."""
    if fixed is None:
        return trained

    def either(new, old):
        return old if new is None else new

    return jax.tree.map(either, trained, fixed, is_leaf=lambda leaf: leaf is None)


def spec(rule: Rule, shape: Sequence[int], mesh: Mesh, *, fsdp: bool, state: bool = False):
    """PartitionSpec of a parameter of `shape`, or of its optimizer state.

    An axis that does not divide by the number of 'data' devices stays whole.

    Raises:
      UsageError: if an axis that belongs to 'model' does not divide by it.
    """
    entries = []
    for word, size in zip(rule.axes, shape, strict=True):
        where = word.partition("/")[2] or None
        if where == "zero":
            where = "data" if state else None
        if where == "data" and (not fsdp or size % mesh.shape["data"]):
            where = None
        if where == "model" and size % mesh.shape["model"]:
            raise UsageError(
                f"model={mesh.shape['model']} does not divide an axis of {size} in "
                f"{rule.pattern} {tuple(shape)}; choose a parallelism.model that does"
            )
        entries.append(where)
    return PartitionSpec(*entries)


def param_shardings(params: Any, mesh: Mesh, rules: Sequence[Rule], *, fsdp: bool) -> Any:
    """NamedSharding of each parameter; `params` may be abstract."""
    return jax.tree.map(
        lambda leaf, rule: NamedSharding(mesh, spec(rule, leaf.shape, mesh, fsdp=fsdp)),
        params,
        match(params, rules),
    )


def state_shardings(
    opt_state: Any, params: Any, mesh: Mesh, rules: Sequence[Rule], *, fsdp: bool
) -> Any:
    """NamedSharding of each array of an optimizer's state: its parameter's, by name.

    A state array belongs to the parameter whose name is the end of its own; below such a name,
    'row' and 'col' are Adafactor's factors (`training.optimizers.adafactor`), which keep the
    splits of the axes that they keep. Scalars and arrays of no parameter are whole everywhere.

    Raises:
      FreevocabError: if an array of several axes belongs to no parameter, or its shape is not
        what the parameter's rule says.
    """
    flat_rules = jax.tree_util.tree_flatten_with_path(match(params, rules))[0]
    shapes = [leaf.shape for leaf in jax.tree.leaves(params)]
    by_name = {
        name_of(path): (rule, shape) for (path, rule), shape in zip(flat_rules, shapes, strict=True)
    }

    def place(path, leaf):
        name = name_of(path)
        factor = re.search(r"/(row|col|full)$", name)
        owner_name = name[: factor.start()] if factor else name
        owner = _owner(owner_name, by_name)
        if owner is None and len(leaf.shape) <= 1:
            return NamedSharding(mesh, PartitionSpec())
        if owner is None:
            raise FreevocabError(f"optimizer state {name} {leaf.shape} belongs to no parameter")
        rule, shape = owner
        entries = spec(rule, shape, mesh, fsdp=fsdp, state=True)
        if factor and factor[1] != "full":
            gone = rule.indices("out" if factor[1] == "row" else "in")
            entries = PartitionSpec(*(e for i, e in enumerate(entries) if i not in gone))
            shape = tuple(size for i, size in enumerate(shape) if i not in gone)
        if tuple(leaf.shape) != tuple(shape):
            raise FreevocabError(f"optimizer state {name} is {leaf.shape}, not {tuple(shape)}")
        return NamedSharding(mesh, entries)

    return jax.tree_util.tree_map_with_path(place, opt_state)


def _owner(name: str, by_name: dict[str, Any]) -> Any:
    while name not in by_name and "/" in name:
        name = name.partition("/")[2]
    return by_name.get(name)
