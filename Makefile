# Everything a developer or a visitor needs. `make` alone prints this list.
#   make demo ARGS=--chaos     words for the command behind a target
#   make demo NO_UV=1          venv and pip instead of uv
#   make test PYTHON=python3.12 NO_UV=1

.DEFAULT_GOAL := help
.PHONY: help demo test check bench drill simulate mutants

PYTHON ?= python3
BIN := .venv/bin
# Newer than what it was made from: the environment is complete.
READY := .venv/.ready
UV := $(or $(shell command -v uv),.tools/bin/uv)
# The system's certificates, where it keeps some: behind a proxy with its own only they fit. Two
# names, since uv has changed it.
ifneq ($(wildcard /etc/ssl/certs/ca-certificates.crt),)
export UV_SYSTEM_CERTS ?= 1
export UV_NATIVE_TLS ?= 1
endif

help:  ## This list
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/  make \1\t\2/p' $(MAKEFILE_LIST)

demo: $(READY)  ## A daemon that trades: sandbox venue, real bars, three sessions
	@exec $(BIN)/trader demo $(ARGS)

test: $(READY)  ## Every test
	@$(BIN)/pytest $(ARGS)

check: $(READY)  ## Style, types, house rules
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/pytest -q tests/test_house.py

bench: $(READY)  ## How fast, with the floor measured beside
	@$(BIN)/python -m tests.bench $(ARGS)

drill: $(READY)  ## kill -9 while orders flow, fifty times, against the venue's truth
	@$(BIN)/trader drill kill --times 50 $(ARGS)

simulate: $(READY)  ## 20,000 worlds full of faults, in virtual time: every promise holds
	@$(BIN)/trader simulate --seeds 20000 $(ARGS)

mutants: $(READY)  ## Bugs planted in the daemon: the simulation must catch each of them
	@$(BIN)/python -m tests.mutants $(ARGS)

ifdef NO_UV
# pip of the environment may be absent (Debian) or too old for dependency groups: made from outside.
$(READY): pyproject.toml uv.lock
	@echo "Installing into .venv with pip (once) ..."
	@$(PYTHON) -m venv --without-pip .venv
	@$(PYTHON) -m pip --disable-pip-version-check --python $(BIN)/python install --quiet "pip>=25.1"
	@$(BIN)/python -m pip --disable-pip-version-check install --quiet --group dev --editable ".[uvloop]"
	@touch $@
else
$(READY): pyproject.toml uv.lock | $(UV)
	@echo "Installing into .venv with uv (once) ..."
	@$(UV) sync --quiet --frozen --extra uvloop
	@touch $@

# Into a folder of the checkout: allowed by every pip, removed with the checkout.
.tools/bin/uv:
	@echo "Installing uv into .tools (once) ..."
	@$(PYTHON) -m pip --disable-pip-version-check install --quiet --root-user-action ignore --target .tools uv
endif
