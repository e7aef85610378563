# The two commands are `make run` and `make test`; the rest is for developers.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

# Tests that start few processes, and without those of the core that are run again over TCP; `make test` runs all.
QUICK := tests/test_*.py tests/commands tests/oracle tests/server/test_log.py

# Many tests wait for processes: one file more at a time than there are cores.
JOBS := $(shell $(PYTHON) -c 'import os; print(os.cpu_count() + 1)')

.PHONY: help run test check format docs screenshots bench fuzz crash debian node clean

help:  ## show this
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 10

run: $(STAMP)  ## set up and play the demo, then keep serving (Ctrl-C ends it)
	@$(BIN)/airwave demo

test: $(STAMP) debian node  ## set up and run every test, files side by side on all cores
	$(BIN)/pytest -n $(JOBS) --dist loadfile

check: $(STAMP)  ## lint, types, structure, documents, quick tests: under a minute
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/python docs/generate.py --check
	$(BIN)/pytest -q -n $(JOBS) --dist loadfile -m "not slow" -k 'not [tcp' $(QUICK)

format: $(STAMP)  ## put the code into its form
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

docs: $(STAMP)  ## write the generated pages anew
	$(BIN)/python docs/generate.py

screenshots: $(STAMP) debian  ## make the dashboard's images in docs/ anew: about five minutes
	AIRWAVE_SCREENSHOTS=1 $(BIN)/pytest -q tests/web/dashboard/test_looks.py -k images

bench: $(STAMP) debian  ## compare with redis-server: about 45 minutes on an idle machine
	$(BIN)/airwave bench --suite pubsub --save bench/results/pubsub.json
	$(BIN)/airwave bench --suite streams --save bench/results/streams.json
	$(BIN)/airwave bench --suite library --save bench/results/library.json
	$(BIN)/airwave bench --suite history --save bench/results/history.json
	$(BIN)/airwave bench --suite browsers --save bench/results/browsers.json
	$(BIN)/python docs/generate.py

fuzz: $(STAMP)  ## throw broken protocol at a live server for five minutes
	$(BIN)/python tests/fuzz/fuzz.py --seconds 300

crash: $(STAMP)  ## kill -9 and power cuts under random load, then compare: about three minutes
	$(BIN)/python tests/crash/rounds.py --rounds 50
	$(BIN)/python tests/crash/power.py

# What the tests need from Debian. Installed as root, asked for by name otherwise.
DEBIAN := redis-server redis-tools curl chromium prometheus prometheus-redis-exporter systemd nginx-light stunnel4
debian:
	@sh tools/debian.sh $(DEBIAN)

# The npm packages of the tests, installed once for each package-lock.json.
node:
	@sh tools/node.sh tests/compat/libraries/node

clean:
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache .hypothesis tests/compat/libraries/node/node_modules

$(STAMP): pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Airwave needs Python 3.11 or newer: make PYTHON=python3.12 ..."; exit 1; }
	@test -d $(VENV) || $(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check --editable '.[web,bench,test,compat]'
	@touch $@
