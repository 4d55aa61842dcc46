# Sentences to say to this project. `make` lists them.

PYTHON ?= python3
VENV := .venv
INSTALLED := $(VENV)/.installed
BIN := $(VENV)/bin

.DEFAULT_GOAL := help
.PHONY: help demo test reliability bench check format clean

help: ## List what can be said
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

demo: $(INSTALLED) ## Run the Collector, four services and traffic; ARGS="--for 20s" ends and judges
	@$(BIN)/python -m examples.demo $(ARGS)

test: $(INSTALLED) ## Run every test, those with the real Collector and mlflow too; ARGS="-k name"
	@$(BIN)/blipee-otel collector build
	@PYTHONPATH=tests $(BIN)/python -m support.engines
	@$(BIN)/python -m pytest $(ARGS)

reliability: $(INSTALLED) ## Measure what is lost, ours beside upstream, into docs/reliability.md (six minutes)
	@$(BIN)/blipee-otel collector build
	@PYTHONPATH=tests $(BIN)/python -m benchmarks.reliability --write docs/reliability.md $(ARGS)

bench: $(INSTALLED) ## Measure what a request costs, ours beside others, into docs/benchmarks.md (15 minutes); ARGS="--quick --only bare,ours,upstream" only prints
	@$(BIN)/blipee-otel collector build
	@$(BIN)/python -m benchmarks.overhead $(if $(ARGS),$(ARGS),--write docs/benchmarks.md)

check: $(INSTALLED) ## Lint, check types, rooms and formatting
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-logo

format: $(INSTALLED) ## Format and fix what can be fixed
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .

clean: ## Remove the environment and what the demo left (not the built Collector)
	rm -rf $(VENV) .demo

# uv makes the second and the hundredth installation a matter of a second.
$(INSTALLED): pyproject.toml constraints.txt blipee_otel.pth
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "Python 3.11 or later is needed, and $(PYTHON) is older. Say: make $(MAKECMDGOALS) PYTHON=python3.13" >&2; exit 1; }
	@echo "Installing into $(VENV) …"
	@$(PYTHON) -m venv $(VENV) || \
	  { echo "No virtual environment could be made. On Debian: apt install python3-venv" >&2; exit 1; }
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check uv && \
	  $(BIN)/uv pip install --quiet --python $(BIN)/python -c constraints.txt -e '.[dev]' || \
	  { echo "The packages could not be installed: see above. The first time needs the network." >&2; exit 1; }
	@touch $@
