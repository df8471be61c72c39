"""The launch files start what they say: run with schedulers that are stand-ins."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import jax
import pytest
import yaml

from research.cli import arguments
from research.cli.train import TrainM2

LAUNCH = Path(__file__).resolve().parent.parent / "launch"
GIVEN = ["--size", "25m", "--corpus", "text:/a b/train*;valid=/a b/valid*", "--out", "/shared/m2"]
# What our command is given goes to $SEEN, a line a process; srun starts three of it.
FREEVOCAB = """#!{python}
import json, os, sys
open(os.environ["SEEN"], "a").write(json.dumps(sys.argv[1:]) + "\\n")
"""
SRUN = """#!/bin/bash
while [[ $1 == --* ]]; do shift; done
for SLURM_PROCID in 0 1 2; do SLURM_PROCID=$SLURM_PROCID "$@"; done
"""
SCONTROL = """#!/bin/bash
[[ "$*" == "show hostnames node[7-9]" ]] && printf 'node7\\nnode8\\nnode9\\n'
"""
GCLOUD = """#!/bin/bash
[[ "${*:1:9}" == "compute tpus tpu-vm ssh a-slice --zone a-zone --worker=all --command" ]] || exit 1
cd "$HOMES" && bash -c "${10}"
"""


@pytest.fixture
def machine(tmp_path, monkeypatch):
    """A machine with these schedulers; returns how what `freevocab` was given is read."""
    commands = {"srun": SRUN, "scontrol": SCONTROL, "gcloud": GCLOUD, "freevocab": FREEVOCAB}
    checkout = tmp_path / "freevocab" / ".venv" / "bin"
    for folder in (tmp_path / "bin", checkout):
        folder.mkdir(parents=True)
        for name, text in commands.items():
            (folder / name).write_text(text.replace("{python}", sys.executable))
            (folder / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:{os.environ['PATH']}")
    monkeypatch.setenv("SEEN", str(tmp_path / "seen"))
    monkeypatch.setenv("HOMES", str(tmp_path))
    return lambda: [json.loads(line) for line in (tmp_path / "seen").read_text().splitlines()]


def parsed(words):
    assert words[:2] == ["train", "m2"]
    return arguments.parse(TrainM2, "freevocab train m2", words[2:])


def is_as_given(options):
    given = arguments.parse(TrainM2, "freevocab train m2", GIVEN)
    return (options.size, options.corpus, options.out) == (given.size, given.corpus, given.out)


def test_slurm(machine, monkeypatch):
    environment = {"JOB_NODELIST": "node[7-9]", "JOB_ID": "1234567", "NTASKS": "3"}
    for name, value in environment.items():
        monkeypatch.setenv(f"SLURM_{name}", value)
    subprocess.run([LAUNCH / "slurm.sh", *GIVEN], check=True, timeout=60)
    found = [parsed(words) for words in machine()]
    assert [each.distributed.process_id for each in found] == [0, 1, 2]
    for each in found:
        assert is_as_given(each) and each.parallelism.kind == "mesh"
        assert each.distributed.coordinator == f"node7:{20_000 + 1234567 % 20_000}"
        assert each.distributed.process_count == 3


def test_a_tpu_slice(machine):
    subprocess.run([LAUNCH / "tpu_slice.sh", "a-slice", "a-zone", *GIVEN], check=True, timeout=60)
    (found,) = map(parsed, machine())
    assert is_as_given(found) and found.parallelism.kind == "mesh"
    assert found.distributed.coordinator == "auto"
    assert found.distributed.process_count is found.distributed.process_id is None


def test_kubernetes():
    service, job = yaml.safe_load_all((LAUNCH / "kubernetes.yaml").read_text())
    spec = job["spec"]
    pod = spec["template"]["spec"]
    (container,) = pod["containers"]
    names = {each["name"] for each in container["env"]}
    words = [*container["command"], *container["args"]]
    assert set(re.findall(r"\$\((\w+)\)", " ".join(words))) <= names
    found = [
        parsed([word.replace("$(PROCESS)", str(index)) for word in words[1:]])
        for index in range(spec["completions"])
    ]
    assert [each.distributed.process_id for each in found] == [*range(spec["completions"])]
    assert found[0].distributed.process_count == spec["completions"] == spec["parallelism"]
    # Pod 0 is found by the name that the service gives it.
    name, subdomain = job["metadata"]["name"], pod["subdomain"]
    assert found[0].distributed.coordinator == f"{name}-0.{subdomain}:1234"
    assert service["metadata"]["name"] == subdomain
    assert service["spec"]["selector"] == {"job-name": name}
    mounts = {each["name"] for each in container["volumeMounts"]}
    assert mounts == {each["name"] for each in pod["volumes"]}
    assert found[0].out.startswith(container["volumeMounts"][0]["mountPath"])


@pytest.mark.parametrize("path", sorted(LAUNCH.iterdir()), ids=lambda path: path.name)
def test_variables_are_read_by_someone(path):
    """Those that a file sets are its own, used below, or JAX's."""
    text = path.read_text()
    names = re.findall(r"(?:^export |- name: )([A-Z_]+)\b", text, re.MULTILINE)
    for name in names:
        used = re.search(rf"\$[({{]?{name}\b", text)
        assert used or name.startswith("JAX_") and hasattr(jax.config, name.lower()), name
