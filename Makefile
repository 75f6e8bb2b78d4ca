# Needs python3 (>= 3.10, with venv) and make; everything else is installed into .venv.
# Nothing here depends on an activated environment, or on a variable of the caller that changes Airflow or Python.

.DEFAULT_GOAL := help
.PHONY: help setup servers browser demo ui test test-static test-unit unit-half-1 unit-half-2 test-build test-integration test-page test-system test-package test-matrix test-floors test-bulk test-extract test-sensors test-watchers test-burst test-fleet test-ui fuzz coverage docs lint lint-forge types format bench pins generated release dist clean

PYTHON ?= python3
UV_VERSION := 0.13.9
# The packages as they were on this day; `make pins PINS_DATE=...` moves on.
PINS_DATE := 2026-11-21

BIN := .venv/bin
STEP := $(BIN)/python tools/step.py
STAMP := .venv/.setup-done
BUILD_TESTS := tests/package/test_package_build.py
# PACKAGE_OPTIONS of test-package: `--ignore` of the build tests, say, where `make test` has run them.
PACKAGE_OPTIONS ?=
# Halves of the unit tests that take about as long; a new folder belongs to the second.
UNIT_1 := $(addprefix tests/unit/,tokens docs tools extract inbound contract api)
UNIT_2 := $(filter-out $(UNIT_1),$(patsubst %/,%,$(wildcard tests/unit/*/)))

unexport $(filter AIRFLOW%,$(.VARIABLES)) PYTHONPATH PYTHONHOME PYTHONDONTWRITEBYTECODE VIRTUAL_ENV

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

setup: $(STAMP) ## Make .venv with everything that development needs (quick when nothing has changed)

$(STAMP): requirements/dev.txt pyproject.toml Makefile
	@command -v $(PYTHON) >/dev/null || { echo "$(PYTHON) was not found; Python 3.10 or newer is needed (make PYTHON=...)" >&2; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10))' \
	  || { echo "$$($(PYTHON) --version) is too old; Python 3.10 or newer is needed (make PYTHON=...)" >&2; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -c 'import ensurepip, venv' 2>/dev/null \
	  || { echo "$(PYTHON) has no venv module; on Debian and Ubuntu: apt install python3-venv" >&2; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check uv==$(UV_VERSION)
	@$(BIN)/uv pip install --quiet --python $(BIN)/python -r requirements/dev.txt
	@$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps -e .
	@touch $@

servers: ## Install redis-server, PostgreSQL and MariaDB where they are missing (Debian, Ubuntu)
	@tools/install_debian.sh servers

browser: ## Install Chromium where it is missing (Debian)
	@tools/install_debian.sh browser

demo: setup ## Run the example DAGs on a real Airflow against the emulator, and report
	@$(BIN)/python -m tools.demo

ui: setup ## The same, and leave it running to look at, until Ctrl-C
	@$(BIN)/python -m tools.demo --ui

test: setup servers test-static test-unit test-build test-integration test-page test-system ## Everything that has to pass, but for the fleet and the browser

test-static:
	@$(STEP) "lint, types, docs" $(MAKE) --no-print-directory --jobs 3 --output-sync lint types docs

test-unit: setup ## The unit tests alone
	@$(STEP) "unit tests" $(MAKE) --no-print-directory --jobs 2 --output-sync unit-half-1 unit-half-2

# Two pytests side by side: two workers of one would each collect all tests and report each of 8,000 to a third process,
# which takes a fifth more.
unit-half-1 unit-half-2: unit-half-%:
	@$(BIN)/python -m pytest $(UNIT_$*) --quiet -o cache_dir=.pytest_cache/$@

test-build:
	@$(STEP) "package" $(BIN)/python -m pytest $(BUILD_TESTS)

test-integration test-page test-system: test-%:
	@$(STEP) "$* tests" $(BIN)/python -m pytest tests/$* --numprocesses 2 --dist loadfile

test-package: setup ## The wheel, its types and each extra of it, in clean environments
	@$(BIN)/python -m pytest tests/package $(PACKAGE_OPTIONS) --numprocesses 2 --dist loadfile

test-matrix: setup servers ## Each Airflow that the metadata promises (VERSIONS="2.11 3.3": these; --in-turn: some of them)
	@$(BIN)/python -m tools.matrix $(VERSIONS)

test-floors: setup servers ## The lowest version of every package that the metadata allows
	@$(BIN)/python -m tools.matrix floors

test-fleet: setup servers ## A fleet of Celery workers, calm and with accidents (FLEET_CALLS=300 in each run)
	@FLEET_CALLS=$${FLEET_CALLS:-300} $(STEP) "fleet" $(BIN)/python -m pytest tests/fleet -s

test-sensors: setup ## 500 sensors that wait in one triggerer, which is killed on the way; 300 tasks that wait for a token
	@SENSOR_WAITS=500 SENSOR_SECONDS=180 WAITING_TASKS=100 $(STEP) "sensors" $(BIN)/python -m pytest tests/system/test_sensing.py tests/system/test_waiting.py -s

test-watchers: setup ## 50 watched assets in one triggerer, which is killed 20 times
	@WATCHED_ASSETS=50 TRIGGERER_KILLS=20 $(STEP) "watchers" $(BIN)/python -m pytest tests/system/test_watching.py -s

test-ui: setup browser ## Airflow's UI, driven with a real browser; pictures go to .ui/screenshots
	@$(STEP) "UI tests" $(BIN)/python -m pytest tests/ui

test-burst: setup ## 2,000 webhooks and 200 commands in a burst, in which the api-server is killed twice; and 200 at two servers
	@BURST=2000 COMMAND_BURST=200 $(STEP) "burst" $(BIN)/python -m pytest tests/system/test_bursting.py tests/page/test_command_burst.py -s

test-bulk: setup ## Bulk tasks at full size, killed on the way, on a real Airflow; and timed beside mapped tasks
	@BULK_ITEMS=50000 BULK_ROWS=300000 $(BIN)/python -m pytest tests/system/test_bulk.py -s
	@$(BIN)/python -m tools.bulk

test-extract: setup ## Extract 100,000 chats that change, killed on the way, then thirty windows in random order (EXTRACT_CHATS=100000)
	@EXTRACT_CHATS=$${EXTRACT_CHATS:-100000} $(BIN)/python -m pytest tests/integration/test_extract_equality.py -s --timeout 0

fuzz: setup servers ## The fuzz tests with many more cases than CI tries, new ones each time (FUZZ_FACTOR=50), and crowds of processes (CROWD=200)
	@FUZZ_FACTOR=$${FUZZ_FACTOR:-50} CROWD=$${CROWD:-200} $(BIN)/python -m pytest tests/unit tests/integration tests/page -m "fuzz or crowd" --numprocesses 2 --timeout 0

coverage: setup servers ## The unit and integration tests, and how much of the package they run; too little is an error
	@$(BIN)/python -m pytest tests/unit tests/integration --numprocesses 2 --dist loadfile --cov --cov-report term:skip-covered --cov-report html

docs: setup ## Build the documentation site into .site/html; a warning or a broken link is an error
	@rm -rf .site
	@AIRFLOW_HOME=$(CURDIR)/.site/airflow $(BIN)/sphinx-build --quiet --fail-on-warning --keep-going --doctree-dir .site/doctrees docs .site/html
	@$(BIN)/python tools/site_links.py .site/html
	@echo "The site is in .site/html/index.html"

lint: lint-forge ## ruff, and what looks at the workflows and the other files for the forge
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .

lint-forge: setup
	@$(BIN)/check-jsonschema --quiet --builtin-schema vendor.github-workflows .github/workflows/*.yml
	@$(BIN)/check-jsonschema --quiet --builtin-schema vendor.dependabot .github/dependabot.yml
	@$(BIN)/check-jsonschema --quiet --builtin-schema vendor.github-issue-config .github/ISSUE_TEMPLATE/config.yml
	@$(BIN)/check-jsonschema --quiet --builtin-schema vendor.github-issue-forms $(filter-out %/config.yml,$(wildcard .github/ISSUE_TEMPLATE/*.yml))
	@$(BIN)/zizmor --quiet --offline .github
	@$(BIN)/pre-commit validate-config

types: setup ## mypy, strict
	@$(BIN)/mypy

format: setup ## Let ruff rewrite what it can
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

bench: setup ## Run the benchmarks
	@$(BIN)/python tools/bench.py

pins: setup ## Compile requirements/dev.txt anew, as of PINS_DATE, and the lists of the matrix
	@$(BIN)/uv pip compile requirements/dev.in pyproject.toml --all-extras --output-file requirements/dev.txt --quiet --upgrade --universal \
	  --python-version 3.10 --exclude-newer $(PINS_DATE) --no-header --no-annotate
	@$(BIN)/python -m tools.matrix.pins

generated: setup ## Write anew what is made from the code: the list of public names, provider.yaml, tables of the docs
	@$(BIN)/python -m tools.public_names
	@$(BIN)/python -m tools.provider_yaml
	@$(BIN)/python -m tools.doc_tables

release: setup ## Set the version and date the changelog (VERSION=0.2.0); commit and tag what it has changed
	@$(BIN)/python -m tools.release prepare "$(VERSION)"
	@$(MAKE) --no-print-directory generated

dist: setup ## Build wheel and source distribution of the newest release into dist, the same bytes each time
	@rm -rf dist
	@epoch=$$($(BIN)/python -m tools.release epoch) && SOURCE_DATE_EPOCH=$$epoch $(BIN)/python -m hatchling build -d dist
	@$(BIN)/python -m twine check --strict dist/*

clean: ## Remove what all of these made, .venv included
	@rm -rf .venv .matrix .demo .fleet .site .ui .test-home .pytest_cache .mypy_cache .ruff_cache .hypothesis .coverage .coverage-html build dist
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +
