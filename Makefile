# Every target sets up what it needs by itself: a fresh Debian 12 with Python 3.11 is enough.
PYTHON ?= python3.11
BIN = .venv/bin
export OMP_NUM_THREADS ?= 2

.PHONY: setup demo test check lint types editors extension bench bench-guard bench-engine bench-model bench-unlearning clean

setup: .venv/.stamp

.venv/.stamp: constraints.txt pyproject.toml
	@command -v $(PYTHON) >/dev/null || { echo "Python 3.11 or newer is needed: make PYTHON=python3.12 ..."; exit 1; }
	$(PYTHON) -m venv .venv || { apt-get update && apt-get install -y python3-venv && $(PYTHON) -m venv .venv; }
	$(BIN)/pip install --quiet --upgrade-strategy only-if-needed --constraint constraints.txt --editable '.[dev]'
	touch $@

demo: setup
	$(BIN)/unsay demo

test: setup
	$(BIN)/pytest -m "not editor"

check: setup lint types test

lint: setup
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .

types: setup
	$(BIN)/pyright --warnings

editors: setup
	bash tests/editors/install.sh
	$(BIN)/pytest -m editor

extension:
	cd vscode-extension && npm ci --ignore-scripts && npm run package

bench: setup
	$(BIN)/python -m benchmarks.latency
	$(BIN)/python -m benchmarks.swap

# Its labelled sets are not part of the repository: it says which are missing and where they come from.
bench-guard: setup
	$(BIN)/python -m benchmarks.guard

# Builds llama.cpp from its package the first time, which takes minutes. Its parts can be run alone:
# .venv/bin/python -m benchmarks.engine speed --size S --peer llama.cpp
bench-engine: setup
	$(BIN)/python -m benchmarks.engine

bench-model: setup
	$(BIN)/python -m benchmarks.embedded_model bench

# Teaches a copy of the embedded model first; stopped, it goes on where it was. QUICK=1: a few updates.
bench-unlearning: setup
	$(BIN)/python -m benchmarks.unlearning $(if $(QUICK),--quick)

clean:
	rm -rf .venv build .pytest_cache .ruff_cache
