# Two commands for a fresh clone: `make quickstart` and `make test`.
PYTHON ?= $(shell command -v python3.11 || command -v python3)
BIN := .venv/bin
INSTALLED := .venv/.installed
BACKENDS := jax torch tensorflow
# What touches no backend runs on one of them only.
BACKEND_FREE_ON := torch
# Two test processes, one thread each: the suite is many small compilations.
PYTEST := $(BIN)/python -m pytest --numprocesses 2

# The environment is made without compiling what is never imported, so what is must be kept.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: quickstart test test-slow test-beam lint format clean $(BACKENDS:%=test-%)

quickstart: $(INSTALLED)
	$(BIN)/python examples/quickstart.py

test: $(BACKENDS:%=test-%)

$(BACKENDS:%=test-%): test-%: $(INSTALLED)
	KERAS_BACKEND=$* $(PYTEST) $(if $(filter $(BACKEND_FREE_ON),$*),,-m "not slow and not backend_free")

test-slow: $(INSTALLED)
	for backend in $(BACKENDS); do KERAS_BACKEND=$$backend $(PYTEST) -m slow || exit 1; done

test-beam: .venv-beam/.installed
	KERAS_BACKEND=jax .venv-beam/bin/python -m pytest tests/data/prepared/test_beam.py

lint: $(INSTALLED)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: $(INSTALLED)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

clean:
	rm -rf .venv .venv-beam

# One environment for all that the Makefile runs, with exactly the versions of .ci/constraints.txt.
$(INSTALLED): pyproject.toml .ci/constraints.txt
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --no-compile --constraint .ci/constraints.txt --editable '.[all]'
	touch $@

# Apache Beam wants older versions of four packages than .ci/constraints.txt has.
.venv-beam/.installed: pyproject.toml .ci/constraints.txt
	$(PYTHON) -m venv .venv-beam
	grep -vE '^(pillow|protobuf|pyarrow|python-dateutil)==' .ci/constraints.txt > .venv-beam/constraints.txt
	.venv-beam/bin/python -m pip install --quiet --constraint .venv-beam/constraints.txt --editable '.[jax,beam,test]'
	touch $@
