# The short commands; CI runs the same ones.
VENV := .venv
BIN := $(VENV)/bin
PYTHON ?= python3
EXAMPLE := examples/harbour_2_lantern.txt
SOURCES := summarise schemas prompts tests tools bench

.PHONY: demo test check lint installed types imports docs format rerecord bench bench-full bench-tools lock clean

demo: $(VENV)/done ## fetch the embedded model and summarise an example
	$(BIN)/summarise $(EXAMPLE)

test: $(VENV)/done ## all tests, offline
	$(BIN)/pytest -q

check: lint types imports docs ## everything that is checked without running the product

lint: $(VENV)/done
	$(BIN)/ruff check $(wildcard $(SOURCES))
	$(BIN)/ruff format --check $(wildcard $(SOURCES))

# schemas/ and prompts/ are part of the package only where it is installed, so that is what is checked.
installed: $(VENV)/done
	rm -rf build
	$(BIN)/pip install -q --no-deps --no-build-isolation --no-index --target build/installed . 2>/dev/null

types: installed
	MYPYPATH=build/installed $(BIN)/mypy -p summarise

imports: installed
	cd build/installed && ../../$(BIN)/lint-imports --config ../../pyproject.toml

docs: $(VENV)/done ## README help text and links are what the program and the tree say
	$(BIN)/python tools/check_docs.py

format: $(VENV)/done
	$(BIN)/ruff check --fix $(wildcard $(SOURCES))
	$(BIN)/ruff format $(wildcard $(SOURCES))

rerecord: $(VENV)/done ## record the cassettes again from the embedded model; TEST=… for some
	$(BIN)/python tools/rerecord.py $(TEST)

bench: bench-tools ## grounding beside other tools, and a short look at a batch's speed (peers on a model: bench/peers)
	$(VENV)-bench/bin/python bench/grounding/compare.py
	$(BIN)/python bench/batch/run.py

bench-full: bench-tools ## the batch figures of docs/performance.md; about an hour
	$(BIN)/python bench/batch/run.py --full

bench-tools: $(VENV)/done
	test -x $(VENV)-bench/bin/python || $(PYTHON) -m venv $(VENV)-bench
	$(VENV)-bench/bin/pip install -q -r bench/grounding/requirements.txt -r bench/batch/requirements.txt
	$(VENV)-bench/bin/pip install -q -e .

lock: $(VENV)/done ## resolve the lock file anew
	$(BIN)/pip install -q uv
	$(BIN)/uv pip compile -q --universal --python-version 3.11 --all-extras --no-header --upgrade pyproject.toml -o requirements.lock

clean:
	rm -rf build dist .mypy_cache .ruff_cache .pytest_cache .import_linter_cache

$(VENV)/done: pyproject.toml requirements.lock
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/pip install -q -c requirements.lock -e '.[local,dev]'
	touch $@
