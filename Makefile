# The short commands; CI runs the same ones.
VENV := .venv
BIN := $(VENV)/bin
PYTHON ?= python3
EXAMPLE := examples/harbour_2_lantern.txt
SOURCES := summarise schemas prompts tests tools bench

.PHONY: demo test check lint types imports docs format rerecord bench lock clean

demo: $(VENV)/local.done ## fetch the embedded model and summarise an example
	$(BIN)/summarise $(EXAMPLE)

test: $(VENV)/dev.done ## all tests, offline
	$(BIN)/pytest -q

check: lint types imports docs ## everything that is checked without running the product

lint: $(VENV)/dev.done
	$(BIN)/ruff check $(wildcard $(SOURCES))
	$(BIN)/ruff format --check $(wildcard $(SOURCES))

types: $(VENV)/dev.done # the installed package is checked: schemas/ and prompts/ are part of it only there
	rm -rf build
	$(BIN)/pip install -q --no-deps --no-build-isolation --no-index --target build/installed .
	MYPYPATH=build/installed $(BIN)/mypy -p summarise
	MYPYPATH=build/installed:tests $(BIN)/mypy --no-strict-optional tests/support
	rm -rf build

imports: $(VENV)/dev.done
	$(BIN)/lint-imports

docs: $(VENV)/dev.done ## README help text and links are what the program and the tree say
	$(BIN)/python tools/check_docs.py

format: $(VENV)/dev.done
	$(BIN)/ruff check --fix $(wildcard $(SOURCES))
	$(BIN)/ruff format $(wildcard $(SOURCES))

rerecord: $(VENV)/dev.done $(VENV)/local.done ## record the cassettes again from the embedded model; TEST=… for some
	$(BIN)/python tools/rerecord.py $(TEST)

lock: $(VENV)/dev.done ## resolve the lock file anew
	$(BIN)/pip install -q uv
	$(BIN)/uv pip compile -q --universal --python-version 3.11 --all-extras --no-header --upgrade pyproject.toml -o requirements.lock

clean:
	rm -rf build dist .mypy_cache .ruff_cache .pytest_cache .import_linter_cache

$(VENV)/base.done: pyproject.toml requirements.lock
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/pip install -q -c requirements.lock -e .
	touch $@

$(VENV)/local.done: $(VENV)/base.done
	$(BIN)/pip install -q -c requirements.lock -e '.[local]'
	touch $@

$(VENV)/dev.done: $(VENV)/base.done
	$(BIN)/pip install -q -c requirements.lock -e '.[dev]'
	touch $@
