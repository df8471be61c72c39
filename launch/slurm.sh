#!/bin/bash
# Trains a language model on the GPUs of several nodes, one process a node:
#
#   sbatch --nodes 4 launch/slurm.sh --size 403m --out /shared/runs/m2 \
#       --corpus 'text:/shared/text/train*;valid=/shared/text/valid*'
#
# The arguments are those of `freevocab train m2`. --out must be on a disk that all nodes share.
# Submitted again with the same arguments, it goes on from its last checkpoint.
#SBATCH --job-name=freevocab
#SBATCH --nodes=2
#SBATCH --ntasks-per-node=1
#SBATCH --gpus-per-node=8
#SBATCH --cpus-per-task=16
#SBATCH --time=24:00:00
# Two minutes before the end: the training saves and stops.
#SBATCH --signal=TERM@120
set -euo pipefail

COORDINATOR="$(scontrol show hostnames "$SLURM_JOB_NODELIST" | head -n 1):$((20000 + SLURM_JOB_ID % 20000))"
export COORDINATOR

# srun sets SLURM_PROCID in each process.
exec srun --kill-on-bad-exit=1 bash -c '
    exec freevocab train m2 --dtype bfloat16 --parallelism.kind mesh \
        --distributed.coordinator "$COORDINATOR" \
        --distributed.process-count "$SLURM_NTASKS" \
        --distributed.process-id "$SLURM_PROCID" \
        "$@"' bash "$@"
