# make reproduce | test | colabs | report     (also: benchmarks, test-peers, test-beam, docs, clean)
# Each target sets up .venv when it is missing or setup.cfg has changed. Needs make and
# python3.11 or python3.12 (PYTHON=/path/to/python to choose one).

SHELL := /bin/sh
.DEFAULT_GOAL := help
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
PEERS := $(VENV)/.installed-peers
# Beam wants an older protobuf and pyarrow than the rest.
BEAM := $(VENV)/beam
SCALE ?= hours
WORKDIR ?= runs
# Two processes: one per core of the smallest machine that the tests are timed on.
TEST_WORKERS ?= 2
# CONSTRAINTS=constraints.txt installs exactly the versions behind the published numbers.
PIP := $(BIN)/python -m pip install --quiet --quiet --disable-pip-version-check \
	$(if $(CONSTRAINTS),--constraint $(CONSTRAINTS))
CHECK := import sys; sys.exit(sys.version_info[:2] not in ((3, 11), (3, 12)))

.PHONY: help reproduce test colabs report benchmarks test-peers test-focus-peer test-beam docs clean

help:
	@sed -n '1,3s/^# //p' Makefile

reproduce: $(STAMP)  ## the papers' main tables at SCALE (hours), then what they show of the claims
	$(BIN)/freevocab reproduce --scale $(SCALE) --workdir $(WORKDIR) $(ARGS)
	$(BIN)/freevocab claims --workdir $(WORKDIR)

test: $(STAMP)
	$(BIN)/python -m pytest -q -n $(TEST_WORKERS) --dist loadfile --no-loadscope-reorder $(ARGS)

colabs: $(STAMP)  ## every notebook, in full, top to bottom, saved with what it prints
	$(BIN)/python -m colabs.run $(ARGS)

report: $(STAMP)
	$(BIN)/freevocab report --workdir $(WORKDIR) $(ARGS)

benchmarks: $(STAMP)  ## ratios against peers in the same run
	@$(PIP) --editable '.[test,benchmarks]'
	$(BIN)/python -m experiments.benchmarks $(ARGS)

test-peers: $(PEERS)
	$(BIN)/python -m pytest -q tests/peers $(ARGS)

test-focus-peer: $(PEERS)  ## needs a C++ compiler
	@$(PIP) --editable '.[focus-peer]'
	$(BIN)/python -m pytest -q tests/peers/focus_peer $(ARGS)

test-beam: $(STAMP)  ## Apache Beam, in an environment of its own
	@test -d $(BEAM) || $(BIN)/python -m venv $(BEAM)
	@$(subst $(BIN)/,$(BEAM)/bin/,$(PIP)) --editable '.[test,beam]'
	$(BEAM)/bin/python -m pytest -q tests/beam $(ARGS)

docs: $(STAMP)  ## the README, the pages under docs/ and the API, in build/docs/index.html
	@$(PIP) --editable '.[test,docs]'
	$(BIN)/python docs/build.py $(ARGS)

clean:
	rm -rf $(VENV) .jax_cache .pytest_cache .ruff_cache .hypothesis build *.egg-info

$(STAMP): setup.cfg pyproject.toml
	@if ! $(BIN)/python -c '$(CHECK)' 2>/dev/null; then \
	  found=; \
	  for python in $(PYTHON) python3.11 python3.12 python3; do \
	    if $$python -c '$(CHECK)' 2>/dev/null; then found=$$python; break; fi; \
	  done; \
	  if [ -z "$$found" ]; then \
	    echo "freevocab needs Python 3.11 or 3.12; found: $$(python3 --version 2>&1 | head -1)." \
	      "Install one, or name it: make PYTHON=/path/to/python3.12" >&2; exit 1; fi; \
	  echo "setting up $(VENV) with $$($$found --version) (about a minute, once)"; \
	  $$found -m venv --clear $(VENV) || { \
	    echo "could not make $(VENV): on Debian, apt-get install python3-venv" >&2; exit 1; }; \
	fi
	@$(PIP) --editable '.[test]'
	@touch $@

$(PEERS): $(STAMP)
	@$(PIP) --editable '.[test,peers]'
	@touch $@
