# `make demo` and `make test` set everything up by themselves on a machine with Python 3.11 or newer, git and make.
PYTHON ?= python3
VENV ?= .venv
BIN = $(VENV)/bin

.PHONY: setup browser demo test check docs bench clean

setup: $(VENV)/.ready

$(VENV)/.ready: pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet --editable '.[dev]'
	touch $@

demo: setup  ## train, evaluate and search a synthetic street; ends with a report to open
	$(BIN)/resight demo
	@echo "resight is in $(VENV); so that the shell knows it: . $(BIN)/activate"

browser:  ## Debian's Chromium, for the tests of pages, where it is missing and may be installed
	@if ! { command -v chromium || command -v chromium-browser || command -v google-chrome; } >/dev/null 2>&1; then \
	  as=; [ "$$(id -u)" = 0 ] || as="sudo -n"; \
	  command -v apt-get >/dev/null 2>&1 && $$as apt-get update -qq >/dev/null 2>&1 \
	    && $$as env DEBIAN_FRONTEND=noninteractive apt-get install -qq --no-install-recommends chromium >/dev/null 2>&1 \
	    || echo "Chromium is missing and cannot be installed here: the tests of pages in a browser are left out"; \
	fi

test: setup check browser  ## every check and the whole test suite
	$(BIN)/python -m pytest --numprocesses logical --maxprocesses 8 --dist worksteal

check: setup  ## style, types, layers, documentation
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

docs: setup  ## write docs/commands from the commands' own help
	$(BIN)/python docs/generate.py

bench: setup  ## every figure beside its limit, into benchmarks/RESULTS.csv; TORCHREID=DIR for that side of the comparison
	$(BIN)/python benchmarks/run.py $(if $(TORCHREID),--torchreid $(TORCHREID))

clean:
	rm -rf $(VENV) build dist
