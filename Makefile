# Everything a user or a developer runs. `make help` lists it.

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-builtin-rules --no-print-directory

BIN := .venv/bin
PYTEST ?= $(BIN)/python -m pytest
# More options for pytest: make test ARGS="-k lab"
ARGS ?=
# Tests that make namespaces, mounts and virtual machines run alone, since they look at all that is left on the
# machine; the others share two processes, each file on one of them.
ALONE := $(addprefix tests/python/,contract/drivers end_to_end/vm \
  integration/agent_libvirt integration/hostnet integration/images integration/lab)
SHARED := -n 2 --dist loadfile $(addprefix --ignore=,$(ALONE))
# No test chosen by ARGS in one of the two halves is no failure.
CHOSEN = || { code=$$?; [ $$code = 5 ] && [ -n "$(ARGS)" ]; }

.PHONY: help setup up down test test-all lint collection format bench rows docs lock clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: ## virtual environment and Debian packages; quick when they are there
	@scripts/setup.sh

up: setup ## start the control plane and a lab of four nodes, with example VMs
	@$(BIN)/resourcectl up

down: ## stop it all and leave nothing behind
	@if [ -x $(BIN)/resourcectl ]; then $(BIN)/resourcectl down; fi

test: setup lint collection ## all checks and tests
	@$(PYTEST) -m "not slow" $(SHARED) $(ARGS) $(CHOSEN)
	@$(PYTEST) -m "not slow" $(ALONE) $(ARGS) $(CHOSEN)

test-all: setup lint collection ## the tests that take long as well, and 20,000 requests made from the OpenAPI document
	@RESOURCE_SCHEMATHESIS_EXAMPLES=92 RESOURCE_SCHEMATHESIS_LEAST=20000 \
	  $(PYTEST) --timeout 3600 $(SHARED) $(ARGS) $(CHOSEN)
	@$(PYTEST) --timeout 3600 $(ALONE) $(ARGS) $(CHOSEN)

lint: setup ## ruff, mypy, import-linter
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports

collection: setup ## checks of the Ansible collection, built and installed as users get it
	@scripts/collection-checks.sh $(CHECKS)

format: setup ## put the code into shape
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

bench: setup ## figures, in one table
	@$(BIN)/python -m benchmarks $(ARGS)

rows: setup ## each row of the design with the tests that show it
	@$(BIN)/python scripts/rows.py $(ARGS)

docs: setup ## what is made from the models: pages of docs/, modules of the collection
	@$(BIN)/python scripts/docs.py $(ARGS)
	@$(BIN)/python -m scripts.collection $(ARGS)

lock: setup ## choose the versions of all Python packages anew
	@$(BIN)/pip-compile --quiet --upgrade --allow-unsafe --extra=dev --generate-hashes --no-emit-index-url \
	  --no-emit-trusted-host --strip-extras --output-file=requirements-dev.txt pyproject.toml

clean: ## remove what was built in the checkout (not the virtual environment)
	@rm -rf build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
