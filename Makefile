# Every target works from a fresh clone with only Python (3.11 or newer), make and git.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
DEMO := build/demo

.DEFAULT_GOAL := help
.PHONY: help venv demo test lint check bench clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "%-8s %s\n", $$1, $$2}' Makefile

venv: $(STAMP) ## make .venv with perpd, its extras and the development tools

# The venv step is also where a too old Python or a missing venv module is told.
$(STAMP): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo "perpd needs Python 3.11 or newer, but '$(PYTHON)' is: $$($(PYTHON) --version 2>&1)." \
	    "Name another with: make PYTHON=python3.12 ..." >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check \
	  --editable '.[all,dev]' --constraint constraints.txt
	@touch $@

demo: $(STAMP) ## run both bundled strategies as a daemon, replay that run, and backtest the same config
	@rm -rf $(DEMO)/journal
	$(BIN)/perpd run configs/demo.toml --for 30s
	$(BIN)/perpd replay $(DEMO)/journal
	$(BIN)/perpd data generate --out $(DEMO)/market.tape --overwrite
	$(BIN)/perpd backtest configs/demo.toml --out $(DEMO)/out
	@echo "reports: $(DEMO)/live/report.html (the daemon), $(DEMO)/out/report.html (the backtest)"

test: $(STAMP) ## run the tests
	$(BIN)/pytest -n auto

lint: $(STAMP) ## style, types and import rules
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports

check: lint test ## everything CI runs: lint, then test

bench: $(STAMP) ## run the benchmarks
	$(BIN)/python -m benchmarks

clean: ## remove everything that make and the tools made
	rm -rf $(VENV) build dist .coverage .hypothesis .import_linter_cache .mypy_cache .pytest_cache \
	  .ruff_cache
	find . -name __pycache__ -type d -not -path './.git/*' -prune -exec rm -rf {} +
