# Needs make and Python 3.11 or newer with pip; everything else is fetched into .tools and .venv.
# ARGS reach the command: make run ARGS="--port 9000", make test ARGS="-k approval"

UV_VERSION := 0.13.9
PY ?= python3
UV ?= .tools/bin/uv
UV_INSTALLED := $(if $(filter .tools/bin/uv,$(UV)),.tools/uv-$(UV_VERSION).dist-info)
BIN := .venv/bin

# Set on some machines, and then every one of our processes compiles all its modules at each start.
export PYTHONDONTWRITEBYTECODE :=

# --inexact: `make run` must not take away again what `make test` has added.
SYNC = $(UV) sync --quiet --locked --inexact

.DEFAULT_GOAL := run
.PHONY: run test lint bench chaos

run: .venv/.run
	$(BIN)/fermata dev $(ARGS)

test: .venv/.test
	$(BIN)/pytest $(ARGS)

bench: .venv/.test
	$(BIN)/python -m benchmarks $(ARGS)

# Ten minutes of random faults, and all the rest of that suite.
chaos: .venv/.test
	CHAOS_SECONDS=$${CHAOS_SECONDS:-600} $(BIN)/pytest tests/chaos -m "long or not long" $(ARGS)

lint: .venv/.lint
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports

# uv is an order-only prerequisite: a fresh copy of it is no reason to sync again.
.venv/.run: pyproject.toml uv.lock | $(UV_INSTALLED)
	$(SYNC) && touch $@

.venv/.test: pyproject.toml uv.lock | $(UV_INSTALLED)
	$(SYNC) --group test && touch $@

.venv/.lint: pyproject.toml uv.lock | $(UV_INSTALLED)
	$(SYNC) --group test --group lint && touch $@

# --target works where --user and plain pip are forbidden (Debian); the variables would forbid it in turn.
.tools/uv-$(UV_VERSION).dist-info:
	@$(PY) -m pip --version >/dev/null || { echo "error: $(PY) has no pip. Do: apt-get install python3-pip, or PY=another-python make" >&2; exit 1; }
	PIP_USER=0 PIP_REQUIRE_VIRTUALENV=0 $(PY) -m pip install --quiet --disable-pip-version-check --root-user-action ignore --upgrade --target .tools "uv==$(UV_VERSION)"
