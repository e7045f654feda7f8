# make demo          from nothing to a served suggestion (ONCE=1: stop the service afterwards)
# make test          the tests, with their own set-up
# make crash         kills a process that writes the index, and the service under writes, 200 times each at random moments,
#                    looks at what is left, and prints how long the service took to be ready again
# make fuzz          sends the service 10,000 generated requests, good and bad, and prints what it answered
# make audit         asks, over the network, whether a pinned package has a known fault
# make soak          loads a service for an hour (MINUTES=…) and prints what became of memory, descriptors and latencies
#                    (WORKSPACE=…: a copy of a workspace, for what is sent is stored there)
# make venv          just the environment, .venv, with the command `precedent` and every extra but bench
# make check         linters, types and import contracts
PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV ?= .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed

.PHONY: demo test crash soak fuzz audit venv check clean

demo: venv
	@$(BIN)/precedent demo $(if $(filter-out 0 no false,$(ONCE)),--once)

test: venv
	@$(BIN)/python -m pytest

crash: venv
	@PRECEDENT_CRASH_KILLS=200 $(BIN)/python -m pytest --capture=no tests/contract/test_case_index_crash.py \
		tests/service/test_served_kills.py

audit: venv
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt pip-audit
	@$(BIN)/pip-audit --strict --skip-editable --requirement constraints.txt --no-deps

fuzz: venv
	@PRECEDENT_FUZZ_CASES=10000 $(BIN)/python -m pytest tests/service/test_served_fuzz.py

soak: venv
	@test -n "$(WORKSPACE)" || { echo "Say which: make soak WORKSPACE=copy-of-a-workspace" >&2; exit 2; }
	@$(BIN)/python -m evaluation.benchmarks.soak "$(WORKSPACE)" --minutes $(or $(MINUTES),60)

venv: $(INSTALLED)

$(INSTALLED): pyproject.toml constraints.txt
	@test -x "$(BIN)/python" || "$(PYTHON)" -m venv "$(VENV)"
	@echo "Installing into $(VENV) (a few minutes the first time)"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[dev]'
	@touch $@

check: venv
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-cache

clean:
	rm -rf $(VENV) build dist
