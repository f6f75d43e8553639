# All commands of a checkout; `make help` lists them. Each target sets up what it needs; a second run downloads nothing.
SHELL := /bin/bash
PYTHON ?= python3
VENV := .venv
TOOLS := .tools
BIN := $(VENV)/bin
UV_VERSION := 0.13.8
# The machine's certificates. A company's package index may need them, but pip before 24.2 and uv bring lists of their own.
CERTIFICATES := $(firstword $(wildcard $(SSL_CERT_FILE) /etc/ssl/certs/ca-certificates.crt /etc/pki/tls/certs/ca-bundle.crt \
  /etc/ssl/ca-bundle.pem /etc/ssl/cert.pem))
ifneq ($(CERTIFICATES),)
export UV_SYSTEM_CERTS ?= true
endif
VALUES := $(filter-out values/clusters/%,$(wildcard values/*.yaml))

.DEFAULT_GOAL := help
.PHONY: help setup smoke test lint goldens swift-args lock experiments bench e2e e2e-api clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / {printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: $(VENV)/.done $(TOOLS)/.done ## create .venv from the pinned requirements; find or unpack Helm

smoke: setup ## train a tiny Qwen3-VL on FIRE trajectories on this machine's CPU, from what Helm renders
	@$(BIN)/python tests/smoke/smoke.py

test: setup ## run the tests
	@cd python && ../$(BIN)/python -m pytest -n 2 --dist loadfile $(PYTEST_ARGS)

lint: setup ## ruff, mypy --strict, yamllint, helm lint --strict
	$(BIN)/ruff check --config python/pyproject.toml python tests
	$(BIN)/ruff format --check --config python/pyproject.toml python tests
	cd python && ../$(BIN)/mypy --config-file pyproject.toml
	$(BIN)/yamllint --strict .
	@for file in $(VALUES); do \
	  for helm in $(TOOLS)/helm3/helm $(TOOLS)/helm4/helm; do \
	    $$helm lint --strict --quiet charts/vlm-sft -f $$file || exit 1; done; done

goldens: setup ## re-render the goldens and the table of the chart README
	@cd python && ../$(BIN)/python -m pytest -c pyproject.toml -q ../tests/chart --update-goldens

swift-args: setup ## re-read ms-swift's arguments from the installed release
	@$(BIN)/python -m vlm_sft.swift_arguments.make_table

experiments: setup ## train a CPU twin of every values file, and write how each was run
	@$(BIN)/python tests/experiments/run_twins.py
	@$(BIN)/python tests/experiments/readme_table.py

bench: setup ## measure speed and memory against their floors
	@for file in tests/bench/bench_*.py; do echo "== $$file"; $(BIN)/python $$file || exit 1; done

e2e: setup e2e-api ## run the chart in real pods: on a cluster that it starts here (as root), or on KUBECONFIG with IMAGE
	@$(BIN)/python tests/e2e/e2e.py $(E2E_ARGS)

e2e-api: setup ## install, upgrade and uninstall the chart on a real API server without nodes; needs Go
	@tests/e2e/api.sh

lock: $(VENV)/.uv ## re-resolve the requirements
	cd python && ../$(VENV)/.uv/bin/uv pip compile -q --no-header --python-version 3.11 --universal --generate-hashes \
	  pyproject.toml --extra train -o requirements.txt
	cd python && ../$(VENV)/.uv/bin/uv pip compile -q --no-header --python-version 3.11 --universal --generate-hashes \
	  pyproject.toml --extra train --group dev -c requirements.txt -o requirements-dev.txt

clean: ## remove everything that these targets created
	rm -rf $(VENV) $(TOOLS) .smoke .smoke-bare

$(VENV)/.uv:
	@$(PYTHON) -c 'import sys; v = sys.version_info; sys.exit(0 if (3, 11) <= v < (3, 14) else \
	  f"error: {sys.executable} is Python {v[0]}.{v[1]}, need 3.11, 3.12 or 3.13; name one: make PYTHON=python3.11 ...")'
	@$(PYTHON) -m venv $(VENV)
	@$(PYTHON) -m venv $(VENV)/.uv
	@pip=$(VENV)/.uv/bin/pip; [ -z "$(CERTIFICATES)" ] || $$pip config list | grep -q '\.cert=' || \
	  $$pip config --quiet --site set global.cert $(CERTIFICATES)
	@$(VENV)/.uv/bin/pip install --quiet --disable-pip-version-check uv==$(UV_VERSION)

$(VENV)/.done: python/requirements-dev.txt python/pyproject.toml | $(VENV)/.uv
	@echo "installing the pinned requirements into $(VENV) (about 6 GB)" >&2
	@$(VENV)/.uv/bin/uv pip sync --quiet --compile-bytecode --require-hashes --python $(BIN)/python python/requirements-dev.txt
	@$(VENV)/.uv/bin/uv pip install --quiet --no-deps --no-build-isolation --python $(BIN)/python -e python
	@$(BIN)/python -m compileall -q python/src
	@touch $@

$(TOOLS)/.done: tests/tools.py | $(VENV)/.uv
	@$(BIN)/python tests/tools.py $(TOOLS)
	@touch $@
