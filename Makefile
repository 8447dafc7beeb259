# Every target sets up what it needs, once: an environment in .venv, the packages, Delta's JARs.
# Only Python (3.10 or newer) and Java (17 or 21) must be there already.

.DEFAULT_GOAL := help
.NOTPARALLEL:

# PYTHON makes .venv; where it is not given, the first that will do is taken.
PYTHON ?=
ARGS ?=
DATA ?=
LAKEHOUSE ?=

# Two processes, each with one Spark session, test about as fast as two cores can.
WORKERS ?= -n 2 --dist loadfile

BIN := .venv/bin
TOOLS := .venv/tools
PREREQUISITES := sh scripts/check_prerequisites.sh
PIP_INSTALL := -m pip install -q --disable-pip-version-check

# Makes .venv, or makes it anew where its Python is too old or no longer there.
MAKE_VENV = $(BIN)/python -c 'import sys, pip; sys.exit(sys.version_info < (3, 10))' 2>/dev/null || \
	{ python=$$($(PREREQUISITES) python "$(PYTHON)") && "$$python" -m venv --clear .venv; }

.PHONY: help setup demo test test-flavors bench docs site lint format lock build clean check-java

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' Makefile

setup: check-java .venv/.jars ## Prepare .venv and Delta's JARs (the other targets do this themselves)

demo: check-java .venv/.jars ## Run the whole scenario (DATA=sales.csv, LAKEHOUSE=folder)
	@$(BIN)/lakepredict demo $(if $(DATA),--data "$(DATA)") $(if $(LAKEHOUSE),--lakehouse "$(LAKEHOUSE)")

test: check-java .venv/.jars ## Run the tests (ARGS="tests/unit -x" goes to pytest)
	@$(BIN)/pytest $(WORKERS) $(ARGS)

test-flavors: check-java .venv/.jars .venv/.flavors ## Run the tests of PyTorch, TensorFlow and Keras (which are 6 GB to install)
	@$(BIN)/pytest -m large_flavors $(ARGS)

bench: check-java .venv/.jars ## Time PREDICT beside spark_udf (ARGS="linear_10 --quick")
	@$(BIN)/python benchmarks/run.py $(ARGS)

docs: .venv/.installed ## Bring the tables in docs/ up to date with the code
	@$(BIN)/python scripts/reference.py

# The theme tells at each build until when it is maintained; CONTRIBUTING.md has that.
site: .venv/.site ## Build the documentation as a site, into site/
	@NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet

lint: .venv/.installed ## Check style, formatting and types
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy

format: .venv/.installed ## Format the code and mend what ruff can mend
	@$(BIN)/ruff check --fix-only .
	@$(BIN)/ruff format .

lock: .venv/tools/.installed ## Bring constraints.txt up to date with pyproject.toml (ARGS=--upgrade renews every pin)
	@$(TOOLS)/bin/uv pip compile -q --universal --python-version 3.10 --extra dev --extra docs --extra flavors --no-header --no-annotate $(ARGS) -o constraints.txt pyproject.toml

build: .venv/tools/.installed ## Build the source distribution and the wheel into dist/
	@$(TOOLS)/bin/uv build -q --out-dir dist

clean: ## Remove caches and build products (.venv and lakehouse/ stay)
	@rm -rf build dist site .coverage htmlcov .mypy_cache .pytest_cache .ruff_cache spark-warehouse metastore_db derby.log
	@find . -path ./.venv -prune -o -path ./.git -prune -o -type d -name __pycache__ -prune -exec rm -rf {} +

# Java is checked before anything is installed, for a missing one should not be told after two minutes.
check-java:
	@$(PREREQUISITES) java

# PIP_USE_PEP517 keeps pip before 23.1 from a warning about pyspark, which has no wheel.
.venv/.installed: pyproject.toml constraints.txt
	@$(MAKE_VENV)
	@echo "Installing packages into .venv (once, about two minutes) ..."
	@PIP_USE_PEP517=1 $(BIN)/python $(PIP_INSTALL) -c constraints.txt -e '.[dev]'
	@touch $@

# Triton, PyTorch's compiler for GPUs, aborts a process that has TensorFlow: both bring an LLVM.
.venv/.flavors: .venv/.installed
	@echo "Installing PyTorch, TensorFlow and Keras into .venv (once) ..."
	@$(BIN)/python $(PIP_INSTALL) -c constraints.txt -e '.[flavors]'
	@$(BIN)/python -m pip uninstall -q -y triton
	@touch $@

.venv/.site: .venv/.installed
	@echo "Installing MkDocs into .venv (once) ..."
	@$(BIN)/python $(PIP_INSTALL) -c constraints.txt -e '.[docs]'
	@touch $@

.venv/.jars: .venv/.installed
	@echo "Fetching Delta Lake's JARs (once) ..."
	@$(BIN)/python -m lakepredict._jars
	@touch $@

# uv serves lock and build alone; lock must work even while constraints.txt contradicts pyproject.toml.
.venv/tools/.installed:
	@$(MAKE_VENV)
	@echo "Installing uv into .venv/tools (once) ..."
	@$(BIN)/python -m venv $(TOOLS)
	@$(TOOLS)/bin/python $(PIP_INSTALL) uv
	@touch $@
