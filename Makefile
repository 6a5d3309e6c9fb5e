# make setup | run | test | lint | bench. Each sets up .venv by itself when something changed.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PROJECTS := . $(sort $(patsubst %/pyproject.toml,%,$(wildcard plugins/*/pyproject.toml)))
STAMP := $(VENV)/.stamp
BENCHMARKS ?= tests/benchmarks $(wildcard plugins/*/tests/test_speed.py plugins/*/tests/*/test_speed.py)
CODE := core migrations plugins tests examples .ci
CONFIG ?= examples/tickloom.toml
JAVASCRIPT := clients/javascript

.PHONY: setup run test lint types bench lock javascript clean

setup: $(STAMP)

# The lock file is complete; resolving again would look for newer releases, which have no hash there.
$(STAMP): requirements.lock $(addsuffix /pyproject.toml,$(PROJECTS))
	$(PYTHON) -m venv --clear $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-build-isolation --no-deps $(addprefix -e ,$(PROJECTS))
	$(BIN)/python -m pip check
	touch $@

run: $(STAMP)
	$(BIN)/tickloom serve --config $(CONFIG)

# ARGS='-n 0' runs them in one process, as a debugger needs it.
test: $(STAMP) javascript
	$(BIN)/python -m pytest -n auto --maxprocesses 4 --dist worksteal $(ARGS)

lint: $(STAMP)
	$(BIN)/ruff format --check $(CODE)
	$(BIN)/ruff check $(CODE)

types: $(STAMP)
	$(BIN)/mypy

bench: $(STAMP)
	$(BIN)/python -m pytest $(BENCHMARKS) --benchmark-enable --benchmark-only $(ARGS)

# Resolves the requirements anew. The file holds names, versions and hashes, and no address.
lock:
	$(PYTHON) -m venv $(VENV)-lock
	$(VENV)-lock/bin/python -m pip install --quiet --disable-pip-version-check uv
	$(PYTHON) .ci/lock.py | $(VENV)-lock/bin/uv pip compile - --quiet --universal --python-version 3.11 \
		--generate-hashes --no-header --no-annotate --no-emit-index-url --no-emit-find-links --output-file requirements.lock
	rm -rf $(VENV)-lock

# What the tests of the JavaScript client need beside Node; without it they do less, and say so.
javascript:
	@if command -v npm >/dev/null; then \
		$(MAKE) --no-print-directory $(JAVASCRIPT)/node_modules/.stamp || \
			echo "npm could not install: the types of the JavaScript client are not checked"; \
	else \
		echo "npm is not installed: the types of the JavaScript client are not checked"; \
	fi

$(JAVASCRIPT)/node_modules/.stamp: $(JAVASCRIPT)/package-lock.json
	cd $(JAVASCRIPT) && npm ci --no-audit --no-fund --silent
	touch $@

clean:
	rm -rf $(JAVASCRIPT)/node_modules $(JAVASCRIPT)/types
	rm -rf $(VENV) .mypy_cache .pytest_cache .ruff_cache .benchmarks
