# The two commands of the README are `make demo` and `make test`; each sets itself up on first use.
PYTHON ?= python3
VENV   := .venv
RUN    := $(VENV)/bin/python
READY  := $(VENV)/.installed

.PHONY: demo examples test test-all lint format bench compare clean

$(READY): pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit(0 if sys.version_info >= (3, 11) else "tinygrad_ce needs Python 3.11 or newer; name one with: make PYTHON=python3.11")'
	$(PYTHON) -m venv $(VENV)
	$(RUN) -m pip install --quiet --disable-pip-version-check --editable '.[all]'
	touch $(READY)

demo: $(READY)
	$(RUN) -m tinygrad_ce demo $(ARGS)

# Each in full, one after another; make examples ARGS=--short to see that they run.
examples: $(READY)
	for example in examples/*.py; do echo "== $$example"; $(RUN) $$example $(ARGS) || exit 1; done

test: $(READY)
	$(RUN) -m pytest -n auto $(ARGS)

test-all: $(READY)
	$(RUN) -m pytest -n auto --full $(ARGS)

lint: $(READY)
	$(RUN) -m ruff check .
	$(RUN) -m ruff format --check .
	$(RUN) -m mypy

format: $(READY)
	$(RUN) -m ruff format .
	$(RUN) -m ruff check --fix .

bench: $(READY)
	$(RUN) -m benchmarks $(ARGS)

# Two commits beside each other: make compare ARGS="HEAD~1 ."
compare: $(READY)
	$(RUN) benchmarks/compare.py $(ARGS)

clean:
	rm -rf $(VENV) runs build *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
