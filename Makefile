# make demo | test | check | bench | replay | docs      On a new machine: Python 3.11 or newer and make, nothing else.
PYTHON ?= python3
VENV   ?= .venv
BIN    := $(VENV)/bin
STAMP  := $(VENV)/.installed
export PIP_DISABLE_PIP_VERSION_CHECK = 1

.PHONY: help demo test check bench replay docs proto
.DEFAULT_GOAL := help

help:
	@echo "make demo     build, verify and measure a real model, then classify handwritten digits with it"
	@echo "make test     all fast tests (under 15 minutes on two cores)"
	@echo "make check    ruff, mypy strict, import contracts (under 30 s)"
	@echo "make bench    the standard models against ONNX Runtime; results in benchmarks/"
	@echo "make replay   are the plans' bytes those that tests/data/replay.json records?   (UPDATE=1 records them)"
	@echo "make docs     every link, error code, variable and command that the documents state"
	@echo "make proto    write the messages of burnish/serve/proto anew from its .proto files"

demo: $(STAMP)
	@$(BIN)/python examples/demo.py

test: $(STAMP)
	$(BIN)/python -m pytest -n 2 -m "not slow and not gpu"

check: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: $(STAMP)
	$(BIN)/python benchmarks/run.py

replay: $(STAMP)
	@$(BIN)/python -m tests.replay $(if $(UPDATE),--update)

docs: $(STAMP)
	$(BIN)/python -m pytest tests/architecture tests/test_error_codes.py tests/cli/test_app.py -k "documents or documented or readmes or settings or error_codes"

proto: $(STAMP)
	@$(BIN)/python -m tests.protos

# Pip runs only where pyproject.toml has changed since the last time.
$(STAMP): pyproject.toml
	@$(PYTHON) -c 'import sys; v = sys.version_info; sys.exit(0 if v >= (3, 11) else f"Burnish needs Python 3.11 or newer; $(PYTHON) is {v[0]}.{v[1]}. Say which: make PYTHON=python3.12")'
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo "installing Burnish and its tools into $(VENV) (once) ..."
	@$(BIN)/python -m pip install --quiet --editable ".[dev]"
	@touch $@
