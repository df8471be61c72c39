"""Every benchmark, one after another, each in a process of its own.

    python -m experiments.benchmarks [--out DIR] [--quick]
"""

import argparse
import subprocess
import sys
from pathlib import Path

BENCHMARKS = {
    # name -> arguments of a run that takes seconds and whose figures mean nothing
    "ciphers": ["--texts", "1", "--lengths", "64"],
    "coder": ["--lanes", "64", "--length", "8", "--repeats", "1"],
    "codebook": ["--corpus", "builtin:topics", "--megabytes", "0.2", "--repeats", "1"],
    "hypernetwork_packing": (
        "--corpus builtin:topics --source 512 --entries 512 --width 32 --layers 2 --rows 4"
        " --queue 2 --repeats 1"
    ).split(),
    "live_windows": "--batch 4 --documents 5 --document 32 --naive 8 --repeats 1".split(),
    "preparation": (
        "--corpus builtin:topics --megabytes 0.1 --slow-kilobytes 1 --entries 300 --model tiny"
        " --repeats 1"
    ).split(),
    "puzzles": "--texts 1 --restarts 1 --kinds caesar".split(),
    "several_processes": (
        "--size tiny --vocab-size 500 --batch-size 2 --length 16 --steps 2 --repeats 1"
    ).split(),
    "tokenizer_sampling": (
        "--corpus builtin:topics --pieces 512 --rows 4 --length 16 --queue 2 --steps 1"
        " --plain-steps 1"
    ).split(),
    "training_step": [
        "--size", "tiny", "--vocab-size", "512", "--batch-size", "2", "--length", "16",
        "--steps", "2", "--peak-size", "256",
    ],
    "unigramify": "--corpus builtin:topics --megabytes 0.05 --entries 600 --rounds 2".split(),
}


def main() -> int:
    """Runs them all; 1 if one of them fails."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--out", type=Path, help="write DIR/<name>.json for each", metavar="DIR")
    parser.add_argument("--quick", action="store_true", help="seconds; the figures mean nothing")
    options = parser.parse_args()
    failed = []
    for name, quick in BENCHMARKS.items():
        command = [sys.executable, "-m", f"experiments.benchmarks.{name}"]
        command += quick if options.quick else []
        command += ["--out", str(options.out / f"{name}.json")] if options.out else []
        print(f"\n{name}", flush=True)
        if subprocess.run(command, check=False).returncode:
            failed.append(name)
    if failed:
        print(f"failed: {', '.join(failed)}", file=sys.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
