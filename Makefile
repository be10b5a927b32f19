# `make demo` and `make test` set everything up by themselves on a machine with Python 3.11 or newer, git and make.
PYTHON ?= python3
VENV ?= .venv
BIN = $(VENV)/bin

.PHONY: setup demo test check docs bench clean

setup: $(VENV)/.ready

$(VENV)/.ready: pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet --editable '.[dev]'
	touch $@

demo: setup  ## train, evaluate and search a synthetic street; ends with a report to open
	$(BIN)/resight demo

test: setup check  ## every check and the whole test suite
	$(BIN)/python -m pytest --numprocesses logical --maxprocesses 8 --dist worksteal

check: setup  ## style, types, layers, documentation
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

docs: setup  ## write docs/commands from the commands' own help
	$(BIN)/python docs/generate.py

bench: setup  ## ratios against the hardware's limits, side by side
	$(BIN)/python benchmarks/evaluation.py
	$(BIN)/python benchmarks/reranking.py
	$(BIN)/python benchmarks/synthesis.py

clean:
	rm -rf $(VENV) build dist
