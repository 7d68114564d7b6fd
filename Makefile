# Everything runs in .venv; a second `make` installs nothing. `make run` and `make test` are the README's two commands.
# `make run` installs what kernels need; the tools for tests, lint and types come on top with `make test`.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
TOOLS := $(VENV)/.tools
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements-dev.txt

.PHONY: run test check lint format clean

run: $(STAMP)
	$(BIN)/kparity run --coverage quick

test: $(TOOLS) lint
	$(BIN)/python -m pytest -n 2 --dist worksteal

check: $(TOOLS) lint
	$(BIN)/python -m pytest -n 2 --dist worksteal -m "not slow"

lint: $(TOOLS)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: $(TOOLS)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

$(STAMP): pyproject.toml requirements-dev.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "kparity needs Python 3.11 or newer; this is $$($(PYTHON) --version). Try: make PYTHON=python3.12"; exit 1; }
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(PIP) -e '.[cpu,torch,triton,cuda,jax]'
	touch $@

$(TOOLS): $(STAMP)
	$(PIP) -e '.[all,dev]'
	touch $@

clean:
	rm -rf $(VENV) build dist .pytest_cache .mypy_cache .ruff_cache
