# make demo | make test | make check | make bench | make docs | make lock
# Works on a bare machine: Python 3.11 or later, make and a package index.
SHELL := /bin/bash
.DEFAULT_GOAL := help

# The first Python here that is new enough and can make a virtual environment; PYTHON=... names another.
SUITABLE = import sys, ensurepip, venv; sys.exit(sys.version_info < (3, 11))
PYTHON  ?= $(or $(shell for name in python3.11 python3.12 python3.13 python3 python; do \
	$$name -c '$(SUITABLE)' 2>/dev/null && echo $$name && break; done),$(error needs Python 3.11 or later with venv: make PYTHON=/path/to/python))
VENV   := .venv
BIN    := $(VENV)/bin
STAMP  := $(VENV)/.installed-$(shell cat requirements/dev.txt pyproject.toml | sha256sum | cut -c1-16)

# The tests start hundreds of processes: each would compile what the one before has compiled.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help
help:  ## this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

$(STAMP): requirements/dev.txt pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r requirements/dev.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	rm -f $(VENV)/.installed-* && touch $@

.PHONY: setup
setup: $(STAMP)  ## own .venv with the locked versions

.PHONY: demo
demo: $(STAMP)  ## the main job against the bundled newsroom, offline
	$(BIN)/aggregator demo
	@echo 'The command is $(BIN)/aggregator.'

.PHONY: format
format: $(STAMP)  ## write the standard format
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

.PHONY: lint
lint: $(STAMP)  ## format, ruff, mypy, layers
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

# The short tests come last: no processor waits for a long one that another has begun late.
.PHONY: test
test: $(STAMP)  ## unit and integration tests on SQLite, with fewer examples of each law than CI tries
	$(BIN)/python -m pytest -q -n 4 --dist worksteal --hypothesis-profile=dev -k "not postgresql" tests/integration aggregator tests/unit $(ARGS)

.PHONY: test-unit
test-unit: $(STAMP)  ## the pure functions, for the edit loop
	$(BIN)/python -m pytest -q -n 2 --dist worksteal --hypothesis-profile=dev tests/unit $(ARGS)

# What does no I/O, and what every request obeys: each branch is measured.
CORE := models/* identity/* filters/* feeds/* extraction/* schedule/* text/* http/robots.py urls.py errors.py
empty :=
space := $(empty) $(empty)
comma := ,

# What is measured is a matter of the folder: processes, and sites at work with them, are not.
.PHONY: coverage
coverage: $(STAMP)  ## unit and integration tests with branch coverage: 95 % of all, 100 % of the core
	$(BIN)/coverage erase
	$(BIN)/python -m pytest -q -n 4 --dist worksteal --hypothesis-profile=ci --cov --cov-report= tests/integration aggregator tests/unit $(ARGS)
	$(BIN)/coverage report --fail-under=95
	$(BIN)/coverage report --fail-under=100 --include="$(subst $(space),$(comma),$(CORE:%=aggregator/%))"

# The files with the longest tests come first: what begins last is waited for. Tables of sites are met once for a file.
.PHONY: end-to-end
end-to-end: $(STAMP)  ## the command as a process, sites that misbehave, a short form of the soak tests
	$(BIN)/python -m pytest -q -n 5 --dist loadfile --no-loadscope-reorder --hypothesis-profile=ci \
	  -m "not interop and (not soak or soak(short=True))" tests/soak tests/end_to_end tests/fuzz $(ARGS)

.PHONY: soak
soak: $(STAMP)  ## minutes of faults, large numbers
	$(BIN)/python -m pytest -q -n 2 --dist worksteal -m soak $(ARGS)

# Other people's large programs: an environment of their own.
INTEROP := .venv-interop
INTEROP_STAMP := $(INTEROP)/.installed-$(shell cat requirements/interop.txt pyproject.toml | sha256sum | cut -c1-16)

$(INTEROP_STAMP): requirements/interop.txt pyproject.toml
	test -x $(INTEROP)/bin/python || $(PYTHON) -m venv $(INTEROP)
	$(INTEROP)/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r requirements/interop.txt
	$(INTEROP)/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	rm -f $(INTEROP)/.installed-* && touch $@

.PHONY: interop
interop: $(INTEROP_STAMP)  ## what we export opens in DuckDB, pandas, Polars, datasets, frictionless; the page in Chromium
	$(INTEROP)/bin/python -m pytest -q -m interop tests/interop $(ARGS)

.PHONY: interop-short
interop-short: $(INTEROP_STAMP)  ## the same with a thousand articles
	$(INTEROP)/bin/python -m pytest -q -n 2 --dist worksteal -m "interop(short=True)" tests/interop $(ARGS)

.PHONY: licences
licences: $(STAMP)  ## the licence of every dependency
	$(BIN)/pip-licenses --from=mixed --order=license

# Types are checked on one processor, and a browser is waited for: those stages run side by side.
.PHONY: check
check: $(STAMP) $(INTEROP_STAMP)  ## everything that CI runs, and how long each stage takes
	@set -e; for stages in "lint licences interop-short" coverage end-to-end; do \
	  begin=$$SECONDS; $(MAKE) --no-print-directory --jobs=2 --output-sync=target $$stages; \
	  echo "== $$stages: $$((SECONDS - begin)) s"; \
	done

.PHONY: bench
bench: $(STAMP)  ## speed as ratios within one run; DATA=folder of the evaluation data for those that need it
	failed=0; for file in benchmarks/bench_*.py; do echo "== $$file"; $(BIN)/python $$file $(DATA) || failed=1; done; exit $$failed

.PHONY: evaluate
evaluate: $(STAMP)  ## extraction beside its peers on data given by DATA=folder WEB=folder
	$(BIN)/python benchmarks/evaluate.py $(DATA) $(WEB)

.PHONY: docs
docs: $(STAMP)  ## the documents say what the program does
	$(BIN)/python -m pytest -q tests/integration/test_documents.py

.PHONY: lock
lock:  ## new lock files; needs uv
	uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
	  --custom-compile-command "make lock" pyproject.toml -o requirements/run.txt
	uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
	  --custom-compile-command "make lock" --all-extras pyproject.toml -o requirements/all.txt
	uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
	  --custom-compile-command "make lock" --all-extras --group build --group test --group lint pyproject.toml -o requirements/dev.txt
	uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url -c requirements/dev.txt \
	  --custom-compile-command "make lock" --all-extras --group build --group test --group interop pyproject.toml -o requirements/interop.txt
