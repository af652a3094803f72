# make run and make test need nothing but Python 3.11 to 3.13: they set everything up first.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
RUNS ?= outputs

.PHONY: setup run test test-slow lint table report dashboard demo doctor smoke bench-data bench-metrics bench-export clean

setup: $(VENV)/.installed

$(VENV)/.installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable ".[dev]"
	touch $@

run: setup ## train the default model on the embedded scenes, judge it, and place it between gray and the scenes' own law
	$(BIN)/python -m colorbench
	$(BIN)/colorbench law $$(ls -td outputs/default/unetgan-* | head -1)

test: setup ## the default test suite
	$(BIN)/python -m pytest -n auto --dist worksteal

test-slow: setup ## what the default suite leaves out, except what needs a GPU
	$(BIN)/python -m pytest -m "slow and not gpu"

lint: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

table: setup ## RUNS=folder ...
	$(BIN)/colorbench table $(RUNS)

report: setup
	$(BIN)/colorbench report $(RUNS) -o outputs/report.html

demo: setup ## RUNS=folder or model ...: a page that colors photographs with them, for this machine's browser
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable ".[demo]"
	$(BIN)/colorbench demo $(RUNS)

dashboard: setup ## RUNS=outputs/STUDY: a W&B report of its runs, saved as JSON; with a key, on the server too
	$(BIN)/colorbench dashboard $(RUNS)

doctor: setup ## is everything in place? devices, precision, weights, cache, W&B, a tiny training
	$(BIN)/colorbench doctor

smoke: setup ## every part once, in seconds: a tiny run of the default model
	$(BIN)/python -m colorbench experiment=smoke

bench-data: setup
	$(BIN)/python benchmarks/data.py

bench-metrics: setup
	$(BIN)/python benchmarks/metrics.py

bench-export: setup ## RUNS=folder or model ... PICTURES=folder: parity, size and cost of every export format
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable ".[export]"
	$(BIN)/python benchmarks/export.py $(RUNS) --pictures $(PICTURES)

clean: ## caches of tools; runs and data stay
	rm -rf build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find colorbench tests -name __pycache__ -type d -prune -exec rm -rf {} +
