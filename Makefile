# One road for every desk and for CI. Needs Python 3.11 or newer and make; the rest is set up on first use.
#   make demo            the whole house on one machine, with faults on the way (KEEP=1: stays up)
#   make test            every check and every test
#   make PYTHON=python3.12 test      the same with another Python

PYTHON ?= python3
VENV ?= .venv$(if $(filter-out python3,$(PYTHON)),-$(notdir $(PYTHON)))
COMPILER ?= .venv-contract
BIN := $(VENV)/bin
READY := $(VENV)/.ready
COMPILER_READY := $(COMPILER)/.ready
PACKAGES := lightnode gateway ledger hil central

.PHONY: help demo test check format lint types layers dead architecture fix bench lock servers environment
.DEFAULT_GOAL := help

help:
	@sed -n 's/^#   //p' Makefile
	@echo "make check           format, lint, types, layers, dead code, architecture"
	@echo "make fix             format, and mend what ruff can mend"
	@echo "make bench           measure, and write docs/performance.md"
	@echo "make lock            resolve the locks again (needs uv)"

demo: $(READY)
	$(BIN)/python -m hil demo $(if $(KEEP),--keep) $(DEMO)

test: format lint types layers dead servers $(COMPILER_READY)
	$(BIN)/python -m pytest $(TESTS)

check: format lint types layers dead architecture

format: $(READY)
	$(BIN)/ruff format --check .

lint: $(READY)
	$(BIN)/ruff check .

types: $(READY)
	$(BIN)/mypy

layers: $(READY)
	$(BIN)/lint-imports --no-logo

dead: $(READY)
	$(BIN)/vulture

architecture: $(READY)
	$(BIN)/python -m pytest -q tests/architecture

fix: $(READY)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: servers $(READY)
	$(BIN)/python -m pytest -m bench tests/bench $(TESTS)

servers:
	@tests/install-servers

environment: $(READY) $(COMPILER_READY)

$(READY): requirements/test.lock requirements/install pyproject.toml
	@requirements/install $(PYTHON) $(VENV) requirements/test.lock
	@$(BIN)/python -m pip install --quiet --no-input --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

# The Vyper compiler wants an older cbor2 than the product: it lives alone.
$(COMPILER_READY): requirements/contract.lock requirements/install
	@requirements/install $(PYTHON) $(COMPILER) requirements/contract.lock
	@touch $@

LOCK := uv pip compile --quiet --universal --upgrade --generate-hashes --python-version 3.11 \
	--no-header --no-annotate --no-emit-index-url --no-emit-find-links
lock:
	@command -v uv >/dev/null || { echo "no uv on this machine · type: pipx install uv" >&2; exit 2; }
	$(LOCK) --extra test pyproject.toml --output-file requirements/test.lock
	$(LOCK) --extra lightnode pyproject.toml --output-file requirements/lightnode.lock
	$(LOCK) requirements/contract.in --output-file requirements/contract.lock
