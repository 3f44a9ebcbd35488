# Two commands for a fresh clone: `make quickstart` and `make test`.
PYTHON ?= $(shell command -v python3.11 || command -v python3)
BIN := .venv/bin
INSTALLED := .venv/.installed
BACKENDS := jax torch tensorflow
# Two test processes, two threads each: the suite is many small compilations.
PYTEST := $(BIN)/python -m pytest --numprocesses 2

.PHONY: quickstart test test-slow lint format clean $(BACKENDS:%=test-%)

quickstart: $(INSTALLED)
	$(BIN)/python examples/quickstart.py

test: $(BACKENDS:%=test-%)

$(BACKENDS:%=test-%): test-%: $(INSTALLED)
	KERAS_BACKEND=$* $(PYTEST)

test-slow: $(INSTALLED)
	for backend in $(BACKENDS); do KERAS_BACKEND=$$backend $(PYTEST) -m slow || exit 1; done

lint: $(INSTALLED)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: $(INSTALLED)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

clean:
	rm -rf .venv

# One environment for all that the Makefile runs, with exactly the versions of .ci/constraints.txt.
$(INSTALLED): pyproject.toml .ci/constraints.txt
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --constraint .ci/constraints.txt --editable '.[all]'
	touch $@
