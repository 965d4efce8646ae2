# `make run` shows the gallery, `make test` runs everything that CI runs. Both set up what they need.

PYTHON ?= python3
VENV ?= .venv
BIN = $(VENV)/bin
ADDRESS ?= 127.0.0.1:8000
# Where the environment forbids it, each process that tests start would compile all modules again.
export PYTHONDONTWRITEBYTECODE =

.PHONY: help run check test-unit test test-all test-again services bench-engines bench-srcset bench-encoders bench-quality bench-isolation bench-together bench-tag bench-peers bench-gallery bench-hits bench-misses bench-served bench-cold-start bench-load bench-hosts bench-rows bench-many bench-lighthouse docs package deploy deploy-stack clean

help:
	@echo "make run    set up and serve the gallery on http://$(ADDRESS)/"
	@echo "make check  set up and run formatters, linters, types and layers"
	@echo "make test-unit, make test-all, make test"
	@echo "            set up and run the quick tests; all; or all and the checks. One test: ARGS=tests/test_views.py"
	@echo "make test-again"
	@echo "            what another Python or Django may change: PYTHON=python3.11 VENV=.venv-3.11"
	@echo "make docs   build the documentation site in var/site"
	@echo "make package"
	@echo "            build what AWS Lambda runs: ARCHITECTURE=arm64 ENGINES=pillow POSTGRESQL=no"
	@echo "make deploy STAGE=dev"
	@echo "            put it on AWS, or renew it there: zappa_settings.json, docs/production/lambda.md"
	@echo "make deploy-stack NAME=acme"
	@echo "            the same as one stack of CloudFormation: docs/production/stack.md"
	@echo "make bench-engines, bench-srcset, bench-encoders, bench-quality, bench-isolation, bench-together,"
	@echo "bench-tag, bench-peers, bench-gallery, bench-hits, bench-misses, bench-served, bench-cold-start, bench-load, bench-hosts, bench-rows, bench-many, bench-lighthouse"
	@echo "            measure CPU, memory, bytes and waiting, side by side"
	@echo "make clean  remove the virtual environment, the database, uploads and variants"

run: export DJANGO_DEBUG = 1
run: $(VENV)/.base
	@$(BIN)/python manage.py migrate --verbosity 0
	@$(BIN)/python manage.py load_gallery
	@echo "Gallery  http://$(ADDRESS)/"
	@echo "Admin    http://$(ADDRESS)/admin/  (admin / admin)"
	@$(BIN)/python manage.py runserver $(ADDRESS)

check test-unit test-all test-again: export DJANGO_DEBUG = 1

check: $(VENV)/.test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -W error manage.py makemigrations --check --dry-run

# At the lowest priority, because child processes of the engine are nicer than their server: on a machine that is
# busy with tests they would get no time at all.
PYTEST = nice -n 19 $(BIN)/python -m pytest --numprocesses $(WORKERS) --maxprocesses 4
# Tests wait for servers at times: with one more than there are cores, none of them is idle.
WORKERS ?= auto
# One worker makes what the tests of a file share.
BY_FILE = --dist loadfile --no-loadscope-reorder

test-unit: $(VENV)/.test
	$(PYTEST) -m "not service and not slow and not function" $(ARGS)

test: check test-all

test-all: $(VENV)/.test services
	$(PYTEST) $(if $(ARGS),$(ARGS),--cov $(BY_FILE))

# On a further Python, behind or beside `make test`: without what has the same outcome there. Most tests run with one
# of their parameters.
test-again: export RESIZER_SKIP_ONCE = 1
test-again: $(VENV)/.test services
	$(BIN)/python -W error manage.py makemigrations --check --dry-run
	$(PYTEST) $(if $(ARGS),$(ARGS),$(BY_FILE))

services:
	@sh .ci/install-services

# The marker is renewed when the pins change, so that a pull is followed by an install.
$(VENV)/.%: requirements/%.txt requirements/base.txt requirements/server.txt requirements/docs.txt requirements/test.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or later is needed: make PYTHON=python3.x …")'
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --requirement $<
	@touch $@

# Every warning is an error.
docs: $(VENV)/.test
	@$(BIN)/python -m sphinx --quiet --fail-on-warning --keep-going -d var/doctrees docs var/site
	@echo "var/site/index.html"

# What AWS Lambda runs, as var/lambda/resizer-x86_64.zip or -arm64.zip.
package: ARCHITECTURE ?= x86_64
package: ENGINES ?= pillow,vips
package: POSTGRESQL ?= yes
package: $(VENV)/.base
	@$(BIN)/python -m config.aws.package --architecture $(ARCHITECTURE) --engines "$(ENGINES)" $(if $(filter no 0,$(POSTGRESQL)),--no-postgresql)

# What `zappa deploy`, or `zappa update` for a stage that is there, does in an activated environment.
deploy: $(VENV)/.deploy
	@test -n "$(STAGE)" || { echo "Which stage of zappa_settings.json? make deploy STAGE=dev" >&2; exit 1; }
	@export VIRTUAL_ENV="$(abspath $(VENV))"; \
	if $(BIN)/zappa status $(STAGE) >/dev/null 2>&1; then $(BIN)/zappa update $(STAGE); else $(BIN)/zappa deploy $(STAGE); fi

# One stack of CloudFormation, without Zappa's command: docs/production/stack.md.
deploy-stack: $(VENV)/.deploy
	@test -n "$(NAME)" || { echo 'Which name? make deploy-stack NAME=acme PARAMETERS="AlarmEmail=you@example.com" DRY_RUN=yes' >&2; exit 1; }
	@$(BIN)/python -m config.aws.stack $(NAME) $(PARAMETERS) $(if $(DRY_RUN),--dry-run)

# sharp, to compare with, where npm brings it.
bench-engines: $(VENV)/.bench
	-@command -v npm >/dev/null && mkdir -p var/benchmarks && npm install --silent --no-audit --no-fund --prefix var/benchmarks sharp@0.35.5
	$(BIN)/python -m benchmarks.engines

bench-srcset: $(VENV)/.bench
	$(BIN)/python -W ignore -m benchmarks.srcset

bench-encoders: $(VENV)/.bench
	$(BIN)/python -W ignore -m benchmarks.encoders

bench-quality: $(VENV)/.bench
	$(BIN)/python -W ignore -m benchmarks.quality

bench-isolation: $(VENV)/.base
	$(BIN)/python -W ignore -m benchmarks.isolation

bench-together: $(VENV)/.base
	$(BIN)/python -W ignore -m benchmarks.together

bench-tag: $(VENV)/.base
	$(BIN)/python -m benchmarks.tag

# Packages with tags, then image servers. Each in an environment of its own, because Wagtail and others bring much along.
bench-peers: export BENCH_PEERS = $(abspath $(PEERS))
bench-peers: PEERS ?= .venv-peers
bench-peers: $(VENV)/.bench
	@$(MAKE) --no-print-directory VENV=$(PEERS) $(PEERS)/.peers
	@$(PEERS)/bin/python -W ignore -m benchmarks.peers
	@npm install --silent --no-audit --no-fund --prefix var/peers ipx@3.1.1 next@16.4.6 react@19.3.1 react-dom@19.3.1 sharp@0.35.5
	@test -x var/peers/thumbor/bin/thumbor || { $(PYTHON) -m venv var/peers/thumbor && var/peers/thumbor/bin/pip install -q thumbor==7.8.0; }
	@echo; $(BIN)/python -W ignore -m benchmarks.peers.servers

bench-gallery: export DJANGO_DEBUG = 1
bench-gallery: $(VENV)/.test
	$(BIN)/python -m benchmarks.gallery

bench-many: $(VENV)/.base
	$(BIN)/python -m benchmarks.many

bench-hits: $(VENV)/.base
	$(BIN)/python -m benchmarks.hits

bench-misses: $(VENV)/.test
	$(BIN)/python -m benchmarks.misses

bench-served: $(VENV)/.bench
	$(BIN)/python -m benchmarks.served

bench-cold-start: $(VENV)/.test
	$(BIN)/python -m benchmarks.cold_start

# Lighthouse 12 ignores the density of the screen.
bench-lighthouse: $(VENV)/.test
	@npm install --silent --no-audit --no-fund --prefix var/lighthouse lighthouse@13.5.0
	$(BIN)/python -m benchmarks.lighthouse

bench-load: $(VENV)/.test
	$(BIN)/python -m benchmarks.load

bench-hosts: $(VENV)/.test
	$(BIN)/python -m benchmarks.hosts

bench-rows: $(VENV)/.test
	$(BIN)/python -m benchmarks.rows

clean:
	rm -rf .venv .venv-* .mypy_cache .pytest_cache .ruff_cache .import_linter_cache .coverage*
	find var -mindepth 1 -not -name .gitignore -delete
