# Everything a user or a developer runs. `make help` lists it.

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-builtin-rules --no-print-directory

BIN := .venv/bin
# More options for pytest: make test ARGS="-k lab"
ARGS ?=
# One of the checks of the collection: make collection CHECKS=sanity
CHECKS ?=
export CHECKS
RUN := $(BIN)/python -m scripts.checks

.PHONY: help setup up down test test-all lint collection format bench rows rows-run docs lock clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: ## virtual environment and Debian packages; quick when they are there
	@scripts/setup.sh

up: setup ## start the control plane and a lab of four nodes, with example VMs
	@$(BIN)/resourcectl up

down: ## stop it all and leave nothing behind
	@if [ -x $(BIN)/resourcectl ]; then $(BIN)/resourcectl down; fi

test: setup ## all checks and tests; each runs also where another fails, and the end names all failures
	@$(RUN) lint collection tests -- $(ARGS)

test-all: setup ## the tests that take long as well, and 20,000 requests made from the OpenAPI document
	@$(RUN) lint collection tests-all -- $(ARGS)

lint: setup ## ruff, mypy, import-linter
	@$(RUN) lint

collection: setup ## checks of the Ansible collection, built and installed as users get it
	@$(RUN) collection

format: setup ## put the code into shape
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

bench: setup ## figures, in one table
	@$(BIN)/python -m benchmarks $(ARGS)

rows: ## each row of the design with the tests that show it, from the last run of the tests
	@$(BIN)/python -m scripts.rows $(ARGS)

rows-run: setup ## the same from a run of all tests that show a row
	@$(BIN)/python -m scripts.rows --run $(ARGS)

docs: setup ## what is made from the models: pages of docs/, modules of the collection
	@$(BIN)/python scripts/docs.py $(ARGS)
	@$(BIN)/python -m scripts.kind_table $(ARGS)
	@$(BIN)/python -m scripts.collection $(ARGS)

lock: setup ## choose the versions of all Python packages again
	@$(BIN)/pip-compile --quiet --upgrade --allow-unsafe --extra=dev --generate-hashes --no-emit-index-url \
	  --no-emit-trusted-host --strip-extras --output-file=requirements-dev.txt pyproject.toml

clean: ## remove what was built in the checkout (not the virtual environment)
	@rm -rf build dist .test-record.json .coverage .coverage.* .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
