# Everything a fresh machine needs is done by the targets themselves.
PYTHON ?= python3
PORT ?= 8000
SAMPLE ?= 12
SEED ?= 1
MODULES ?=
VENV := .venv
BIN := $(VENV)/bin

.PHONY: demo install test test-together test-alone test-fast coverage mutate lint format bench docs sbom lock clean

demo: $(VENV)/.run ## the simulated plant, live on http://127.0.0.1:$(PORT)/
	$(BIN)/asbuilt demo --port $(PORT)

install: $(VENV)/.run ## asbuilt in $(BIN), to be called from there or put on the path
	@echo "asbuilt is installed; \`. $(BIN)/activate\` puts it on the path of this shell"

test: test-together test-alone ## the whole suite; installs browser and servers it needs where it can

test-together: $(VENV)/.dev
	tests/install-peers
	$(BIN)/python -m pytest -n auto --dist worksteal -m "not alone and not crash and not browser"

test-alone: $(VENV)/.dev
	tests/install-peers
	$(BIN)/python -m pytest -m "alone or crash or browser"

coverage: $(VENV)/.dev ## the tests that run together, and what share of asbuilt's lines and branches they reach
	tests/install-peers
	$(BIN)/python -m coverage erase
	$(BIN)/python -m coverage run -m pytest -n auto --dist worksteal -m "not alone and not crash and not browser"
	$(BIN)/python -m coverage combine -q
	$(BIN)/python -m tools.covered

test-fast: $(VENV)/.dev ## what takes no seconds, properties with fewer examples: under a minute on two cores
	HYPOTHESIS_PROFILE=fast $(BIN)/python -m pytest -q -n auto --dist worksteal -m "not slow and not alone and not crash and not browser"

mutate: $(VENV)/.dev ## mutants of the ground floor that tests do not notice; SAMPLE=N of each module, SEED=S, MODULES=…
	$(BIN)/python -m tools.mutants --sample $(SAMPLE) --seed $(SEED) $(MODULES)

lint: $(VENV)/.dev ## style and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: $(VENV)/.dev
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: $(VENV)/.dev ## side-by-side measurements, written to bench/results.json
	tests/install-peers
	$(BIN)/python -m bench

docs: $(VENV)/.dev ## reference pages of adapters and types of facts, from their own text
	$(BIN)/python -m asbuilt.exchange.reference docs

sbom: $(VENV)/.dev ## what comes along with an installation: docs/licenses.md, and dist/asbuilt.cdx.json (CycloneDX)
	$(BIN)/python -m tools.shipped licenses
	$(BIN)/python -m tools.shipped sbom dist/asbuilt.cdx.json

lock: $(VENV)/.dev ## resolve pyproject.toml anew into the lock files
	$(BIN)/uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-header --no-annotate --no-emit-index-url pyproject.toml --group build -o requirements.lock
	$(BIN)/uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-header --no-annotate --no-emit-index-url pyproject.toml --group dev -o requirements-dev.lock

clean:
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache .hypothesis dist

$(VENV)/bin/python:
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "asbuilt needs Python 3.11 or newer; name one with PYTHON=…")'
	$(PYTHON) -m venv $(VENV)

# A lock is complete: pip is told to install what stands there and to resolve nothing, or a release newer than
# the lock would be wanted and refused for want of a hash.
$(VENV)/.run: requirements.lock pyproject.toml | $(VENV)/bin/python
	$(BIN)/pip install -q --disable-pip-version-check --no-deps --require-hashes -r requirements.lock
	$(BIN)/pip install -q --disable-pip-version-check --no-deps --no-build-isolation -e .
	touch $@

$(VENV)/.dev: requirements-dev.lock pyproject.toml | $(VENV)/bin/python
	$(BIN)/pip install -q --disable-pip-version-check --no-deps --require-hashes -r requirements-dev.lock
	$(BIN)/pip install -q --disable-pip-version-check --no-deps --no-build-isolation -e .
	touch $@ $(VENV)/.run
