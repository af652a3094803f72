# make run and make test need nothing but Python 3.11 to 3.13: they set everything up first.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
RUNS ?= outputs
ARGS ?=
TORCH ?= # an index of PyTorch's wheels, for a smaller installation without CUDA

.PHONY: help setup run test test-slow lint table report dashboard demo docs doctor smoke release-check hydra-next pythons bench bench-all bench-quick bench-usual bench-scenes bench-crowd bench-engine bench-data bench-augment bench-metrics bench-export clean

setup: $(VENV)/.installed ## a virtual environment with everything that make test and make run need

help: ## this list
	@sed -n 's/^\([a-z][a-z-]*\):[^#]*## /\1\t/p' $(MAKEFILE_LIST) | while IFS="$$(printf '\t')" read -r target text; do \
	  printf '  %-14s %s\n' "$$target" "$$text"; done

$(VENV)/.installed: pyproject.toml constraints.txt
	@echo "setup: some minutes and about 7 GB in $(VENV), most of it the CUDA libraries that PyTorch's package brings."
	@echo "Without a GPU 2 GB do: make setup TORCH=ADDRESS, the CPU one that pytorch.org/get-started names."
	$(PYTHON) -m venv $(VENV)
	$(if $(TORCH),$(BIN)/python -m pip install --disable-pip-version-check --constraint constraints.txt --index-url $(TORCH) torch torchvision)
	$(BIN)/python -m pip install --disable-pip-version-check --constraint constraints.txt --editable ".[dev]"
	@du -sh $(VENV)
	touch $@

run: setup ## train on the embedded scenes, judge, place between learning nothing and the law; ARGS="budget.images=12000"
	$(BIN)/colorbench experiment=first_run $(ARGS)
	$(BIN)/colorbench law $$(ls -td outputs/*/*-*/config.yaml | head -1 | xargs dirname)

test: setup ## the default test suite
	$(BIN)/python -m pytest -n auto --dist worksteal

test-slow: setup ## what the default suite leaves out, except what needs a GPU
	$(BIN)/python -m pytest -m "slow and not gpu"

lint: setup ## ruff, mypy, and the contract of imports (pyproject.toml)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

table: setup ## RUNS=folder ...: the table of runs
	$(BIN)/colorbench table $(RUNS)

report: setup ## RUNS=folder ...: one HTML page of them, outputs/report.html
	$(BIN)/colorbench report $(RUNS) -o outputs/report.html

demo: setup ## a page that colors photographs, for this machine's browser; RUNS=folder or model ...: with these models
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable ".[demo]"
	$(BIN)/colorbench demo $(if $(filter file,$(origin RUNS)),,$(RUNS))

docs: setup ## the pages, site/index.html: every key, command and model from the code; needs no network, nor does reading
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --quiet
	@echo "open site/index.html"

dashboard: setup ## RUNS=outputs/STUDY: a W&B report of its runs, saved as JSON; with a key, on the server too
	$(BIN)/colorbench dashboard $(RUNS)

doctor: setup ## is everything in place? devices, precision, weights, cache, W&B, a tiny training
	$(BIN)/colorbench doctor

smoke: setup ## every part once, in seconds: a tiny run of the default model
	$(BIN)/colorbench experiment=smoke $(ARGS)

release-check: setup ## the wheel, and make run's job from it alone in an empty environment
	PYTHON=$(BIN)/python .ci/release-check

hydra-next: setup ## what composes, is swept and named, and a run, with Hydra's next version in place of the pinned one
	PYTHON=$(BIN)/python .ci/hydra-next

pythons: setup ## the wheel and the smoke run under every Python from 3.11 to 3.13 that is found here
	PYTHON=$(BIN)/python .ci/pythons

bench: setup ## every benchmark that needs no pictures of yours, as tables with processor, versions, command: outputs/bench.md
	@$(MAKE) --no-print-directory bench-all ENGINE="--seconds 15" DATA= AUGMENT= METRICS= USUAL= SCENES= CROWD=

bench-quick: setup ## the same in a tenth of the time: smaller pictures, fewer rounds, the same ratios
	@$(MAKE) --no-print-directory bench-all ENGINE="--batch 4 --size 32 --seconds 2" DATA="--seconds 1" AUGMENT="--rounds 2" \
	  METRICS="--pictures 8 --repeats 1" USUAL=--quick SCENES="--count 30" CROWD="--seconds 5"

bench-all: ## the benchmarks with options of your own: ENGINE="--batch 4" USUAL=--quick ...
	@mkdir -p outputs
	@for each in "scenes $(SCENES)" "usual $(USUAL)" "engine $(ENGINE)" "crowd $(CROWD)" "data $(DATA)" "augment $(AUGMENT)" \
	  "metrics $(METRICS)"; do set -- $$each; name=$$1; shift; \
	  printf '\n## %s %s\n\n' "$$name" "$$*"; $(BIN)/python benchmarks/$$name.py "$$@"; \
	done | tee outputs/bench.md

bench-usual: setup ## the usual pix2pix at its own setting: a step's time, and the time to a stated quality
	$(BIN)/python benchmarks/usual.py

bench-scenes: setup ## scenes that a processor second paints
	$(BIN)/python benchmarks/scenes.py

bench-crowd: setup ## two threads alone and beside a busy process, asleep or spinning while they wait
	$(BIN)/python benchmarks/crowd.py

bench-engine: setup ## training through the engine against a loop by hand, images per second and their ratio
	$(BIN)/python benchmarks/engine.py

bench-data: setup ## pictures per second of every source
	$(BIN)/python benchmarks/data.py

bench-augment: setup ## augmentation, each operation and all, against torchvision, PIL and, where it is installed, OpenCV
	$(BIN)/python benchmarks/augment.py

bench-metrics: setup ## our metrics against the packages that define them, time and difference
	$(BIN)/python benchmarks/metrics.py

bench-export: setup ## RUNS=folder or model ... PICTURES=folder: parity, size and cost of every export format
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable ".[export]"
	$(BIN)/python benchmarks/export.py $(RUNS) --pictures $(PICTURES)

clean: ## caches of tools; runs and data stay
	rm -rf build dist site .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis
	find colorbench tests -name __pycache__ -type d -prune -exec rm -rf {} +
