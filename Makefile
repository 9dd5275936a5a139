# Targets say what they do: `make help`. Set-up is idempotent and costs nothing when done: scripts/setup.sh.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.PHONY: help setup setup-dev demo up test lint format lock soak bench bench-capture bench-build bench-warehouse bench-ml bench-dashboard pictures cluster-demo clean

# Without bytecode Sail starts in 3.9 s instead of 0.8.
unexport PYTHONDONTWRITEBYTECODE
BIN := .venv/bin

help:  ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/\1|\2/' | column -t -s '|'

setup:  ## install what running needs: Python packages, Java, Spark jars, MariaDB
	@scripts/setup.sh

setup-dev:  ## the same and the development tools
	@scripts/setup.sh --dev

demo: setup  ## from nothing to a warehouse: sandbox, capture, build, train, publish, summary
	@$(BIN)/cartlake demo

cluster-demo: setup  ## a small shop on an Apache Spark master and two workers of this machine, compared with Sail
	@$(BIN)/python scripts/cluster_demo.py

up: setup  ## Prefect server with UI, a worker and the sandbox, until Ctrl-C
	@$(BIN)/cartlake up

test: setup-dev  ## run the whole suite
	@$(BIN)/python -m pytest

lint: setup-dev  ## ruff, mypy, and the one-way rule of imports
	@$(BIN)/ruff check . && $(BIN)/ruff format --check . && $(BIN)/mypy && $(BIN)/lint-imports

format: setup-dev  ## let ruff mend what it can
	@$(BIN)/ruff check --fix . ; $(BIN)/ruff format .

lock:  ## resolve the locked versions anew
	@scripts/lock.sh

bench-capture: setup-dev  ## time capture beside its peers (../shared/peers), 5 M rows, 9 rounds: half an hour
	@$(BIN)/python tests/bench/capture.py

bench-build: setup-dev  ## time builds beside dbt-duckdb (../shared/peers), 5 to 20 M rows, 9 rounds: an hour and a half
	@$(BIN)/python tests/bench/build.py

bench-warehouse: setup-dev  ## time the warehouse beside DuckDB by hand: star, publishes, 50 clients, TPC-H: a quarter of an hour
	@$(BIN)/python tests/bench/warehouse.py

bench-ml: setup-dev  ## the models' figures beside their bounds, into docs/models.md: a quarter of an hour
	@$(BIN)/python tests/bench/models.py --write

bench-dashboard: setup-dev  ## time the dashboard in a browser, on a fact of 10 M rows: ten minutes
	@$(BIN)/python tests/bench/dashboard.py

pictures: setup-dev  ## the pictures of the dashboard in docs/pictures, made by its tests
	@mkdir -p docs/pictures
	@CARTLAKE_PICTURES=docs/pictures $(BIN)/python -m pytest tests/warehouse/dashboard/test_pages.py -k "opens or phone"

soak: setup-dev  ## kill capture at random for an hour (SOAK_SECONDS) and compare; and the other slow tests
	@$(BIN)/python -m pytest -m soak --timeout 0 -s

bench: setup-dev  ## time the first, the idle and the changed run of the main job; says where a bound is missed
	@$(BIN)/python tests/bench/demo.py

clean:  ## remove data/ (stops the sandbox first) and the environment
	@if [ -x $(BIN)/cartlake ]; then $(BIN)/cartlake sandbox stop; fi
	@rm -rf data .venv
