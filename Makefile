# The same commands for people and CI. VENV=DIR uses another virtual environment, PYTHON=PROGRAM another Python (3.11 or newer).
VENV ?= .venv
PYTHON ?= $(or $(shell command -v python3.11),python3)
BIN := $(VENV)/bin
READY := $(VENV)/.voicekit-ready

.PHONY: help setup demo check test bench nano clean

help:
	@echo "make demo    give nano the voice of the bundled speaker, hear it answer, see the numbers (4 to 7 minutes, after setup)"
	@echo "make setup   install voicekit and what it needs into $(VENV) (about 3 minutes, 6 GB)"
	@echo "make check   formatting, lint, types, import contracts"
	@echo "make test    setup, check and all tests"
	@echo "make bench   the decoupling benchmark (hours); writes docs/benchmarks.md; SPEAKERS='FOLDER ZIP ...' for others than the sample"
	@echo "make nano    build the embedded base model from nothing (hours): SENTENCES=FILE READERS=FOLDER PACKS=FILE, see recipes/nano/build.py"

setup: $(READY)

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit("voicekit needs Python 3.11 or newer; say which with make PYTHON=..." if sys.version_info < (3, 11) else 0)'
	$(PYTHON) -m venv $(VENV)

$(READY): pyproject.toml models/pyproject.toml constraints.txt | $(BIN)/python
	$(BIN)/python -m pip install --constraint constraints.txt --editable ./models --editable '.[dev,postgres,recordings]'
	@touch $@

demo: setup
	$(BIN)/voicekit demo

check: setup
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/pyright --pythonpath $(BIN)/python
	$(BIN)/lint-imports

test: check
	$(BIN)/pytest --numprocesses logical --maxprocesses 4 --dist loadfile --max-worker-restart 0

bench: setup
	$(BIN)/python -m bench.decoupling $(if $(SPEAKERS),--speakers $(SPEAKERS))

nano: setup
	@test -n "$(SENTENCES)" && test -n "$(READERS)" && test -n "$(PACKS)" || { echo "Say what to build from: make nano SENTENCES=FILE READERS=FOLDER PACKS=FILE" >&2; exit 2; }
	$(BIN)/python -m recipes.nano.build --work $(or $(WORK),runs/nano) --sentences $(SENTENCES) --readers $(READERS) --packs $(PACKS) $(if $(DEVICE),--device $(DEVICE))

clean:
	rm -rf $(VENV) build dist .pytest_cache .ruff_cache .import_linter_cache
