# Everything a developer does with this repository. `make` alone prints the list.

VENV  ?= .venv
BIN   := $(VENV)/bin
PIP   := $(BIN)/python -m pip --disable-pip-version-check --quiet

# The first Python of 3.11 to 3.13 on this machine.
PYTHON ?= $(shell for python in python3 python3.13 python3.12 python3.11; do \
	$$python -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' 2>/dev/null && echo $$python && break; done)

# `make test LONG=1` adds the slow tests, `make test K=funnel` runs those whose name has the word.
SELECT := $(if $(LONG),,-m "not long") $(if $(K),-k "$(K)")

.DEFAULT_GOAL := help
.PHONY: help setup demo test check fmt docs bench retentioneering clean

help: ## print this list
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## /  make \1\t/' | expand -t 16

setup: $(VENV)/ready ## make .venv and install the project and its tools into it
	@:

demo: setup ## load thirty simulated days and a web log, serve them on 127.0.0.1:8700
	@$(BIN)/trackway demo $(ARGS)

test: setup ## run the tests; LONG=1 adds the slow ones, K=word picks some
	@$(BIN)/python -m pytest -n auto $(SELECT) $(ARGS)

check: setup ## lint, format, types, and whether the reference is fresh
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/python tools/reference.py --check

fmt: setup ## format, and fix what can be fixed safely
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .

docs: setup ## write docs/reference from the docstrings
	@$(BIN)/python tools/reference.py

bench: $(VENV)/ready-bench ## compare with other engines on this machine; ARGS="--events 2000000"
	@$(BIN)/trackway bench $(ARGS)

retentioneering: .venv/retentioneering/ready ## make the environment in which tests ask retentioneering the same questions
	@:

clean: ## remove what was made here: environment, caches, demo
	rm -rf $(VENV) .venv .pytest_cache .mypy_cache .ruff_cache .hypothesis demo build dist

$(VENV)/ready: pyproject.toml constraints.txt
	@test -n "$(PYTHON)" || { echo "Trackway needs Python 3.11, 3.12 or 3.13; none was found."; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV) || \
		{ echo "No virtual environment could be made; on Debian: apt-get install python3-venv"; rm -rf $(VENV); exit 1; }
	@echo "Installing into $(VENV), a minute or two the first time ..."
	@$(PIP) install -c constraints.txt -e '.[dev]'
	@touch $@

$(VENV)/ready-bench: $(VENV)/ready
	@$(PIP) install -c constraints.txt -e '.[dev,bench]'
	@touch $@

.venv/retentioneering/ready: tests/retentioneering/constraints.txt
	@test -n "$(PYTHON)" || { echo "Trackway needs Python 3.11, 3.12 or 3.13; none was found."; exit 1; }
	@test -x $(@D)/bin/python || $(PYTHON) -m venv $(@D)
	@$(@D)/bin/python -m pip --disable-pip-version-check --quiet install -c $< retentioneering
	@touch $@
