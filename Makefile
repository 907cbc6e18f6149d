# make demo | make test | make check | make bench | make docs | make lock
# Works on a bare machine: Python 3.11, make and a package index.
SHELL := /bin/bash
.DEFAULT_GOAL := help
PYTHON ?= python3.11
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

.PHONY: test
test: $(STAMP)  ## all tests but soak and browser
	$(BIN)/python -m pytest -q -n 3 --dist worksteal $(ARGS)

# What does no I/O, and what every request obeys: each branch is measured.
CORE := identity/evidence identity/identify identity/keys identity/publisher_rules identity/redirectors identity/safe_patterns identity/fingerprint models/* feeds/parse feeds/entry_texts feeds/markup feeds/json_repair feeds/subscriptions extraction/extract extraction/pagination extraction/quality schedule/due_times schedule/publication_rate text/dates text/encoding text/seed_format http/robots urls errors

.PHONY: coverage
coverage: $(STAMP)  ## the measured tests with branch coverage: 95 % of all, 100 % of the core
	$(BIN)/coverage erase
	$(BIN)/python -m pytest -q -n 3 --dist worksteal --cov --cov-report= -m "not soak and not browser and not unmeasured" $(ARGS)
	$(BIN)/coverage report --fail-under=95
	$(BIN)/coverage report --fail-under=100 --include="$(shell echo $(CORE) | sed -E 's#([a-z_/*]+)#aggregator/\1.py#g; s# #,#g')"

.PHONY: soak
soak: $(STAMP)  ## minutes of faults, and the page in a real browser
	$(BIN)/python -m pytest -q -n 2 --dist worksteal -m "soak or browser" $(ARGS) || test $$? -eq 5

# The longest are in integration, come first, and are handed out one at a time: what begins last is waited for.
FOLDERS := tests/integration $(filter-out tests/integration/ tests/__pycache__/,$(wildcard tests/*/))

.PHONY: rest
rest: $(STAMP)  ## what `make coverage` leaves out: costly tests without coverage, soak, browser
	$(BIN)/python -m pytest -q -n 4 --dist load --maxschedchunk=1 -m "soak or browser or unmeasured" $(FOLDERS) $(ARGS)

.PHONY: licences
licences: $(STAMP)  ## the licence of every dependency
	$(BIN)/pip-licenses --from=mixed --order=license

.PHONY: check
check: lint licences coverage rest  ## everything that CI runs

.PHONY: bench
bench: $(STAMP)  ## speed as ratios within one run; DATA=folder of the evaluation data for those that need it
	failed=0; for file in benchmarks/bench_*.py; do echo "== $$file"; $(BIN)/python $$file $(DATA) || failed=1; done; exit $$failed

.PHONY: evaluate
evaluate: $(STAMP)  ## extraction quality on data given by DATA=folder
	$(BIN)/python benchmarks/evaluate.py $(DATA)

.PHONY: docs
docs: $(STAMP)  ## the documents say what the program does
	$(BIN)/python -m pytest -q tests/integration/test_documents.py

.PHONY: lock
lock:  ## new lock files; needs uv
	uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
	  --custom-compile-command "make lock" pyproject.toml -o requirements/run.txt
	uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
	  --custom-compile-command "make lock" --all-extras --group build --group test --group lint pyproject.toml -o requirements/dev.txt
