#!/bin/bash
# Trains a language model on all hosts of a Cloud TPU slice; run it where gcloud is set up:
#
#   launch/tpu_slice.sh SLICE ZONE --size 403m --out /shared/runs/m2 \
#       --corpus 'text:/shared/text/train*;valid=/shared/text/valid*'
#
# The arguments after the zone are those of `freevocab train m2`. --out must be on a disk that all
# hosts share (Filestore, say). Each host needs the repository in ~/freevocab, set up once:
#
#   gcloud compute tpus tpu-vm ssh SLICE --zone ZONE --worker=all --command \
#       'cd freevocab && python3 -m venv .venv && .venv/bin/pip install -e ".[tpu]"'
#
# Started again with the same arguments, it goes on from its last checkpoint.
set -euo pipefail

slice=$1
zone=$2
shift 2
train=(.venv/bin/freevocab train m2 --dtype bfloat16 --parallelism.kind mesh
    --distributed.coordinator auto "$@")

exec gcloud compute tpus tpu-vm ssh "$slice" --zone "$zone" --worker=all \
    --command "cd freevocab && exec ${train[*]@Q}"
