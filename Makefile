# Every command of the project. `make demo` and `make test` need nothing but Python, Rust and a JDK.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# The newest Delta Lake whose jar Maven Central has; it supports no PySpark newer than 4.2.
DELTA := .venv-delta
PROFILE ?= release
# Most tests wait: for sessions to expire, for processes to die. A file stays in one worker, with its server and Spark;
# in the order of the names, as the files with the fewest tests are the slowest.
PYTEST_WORKERS ?= -n 4 --dist loadfile --no-loadscope-reorder
# Zig links against the oldest glibc that is promised, whatever this machine has: that of RHEL 8, Debian 10, Ubuntu 20.04.
MANYLINUX := $(if $(filter Linux,$(shell uname)),--zig --compatibility manylinux_2_28)
RUST_SOURCES := Cargo.toml Cargo.lock $(shell find src -name '*.rs')
# Executors must run the interpreter that has the wheel.
export PYSPARK_PYTHON := $(CURDIR)/$(BIN)/python
export PYSPARK_DRIVER_PYTHON := $(PYSPARK_PYTHON)

.DEFAULT_GOAL := help
.PHONY: help demo test test-rust test-python test-matrix check stubs bench bench-scale chaos notebooks wheel sdist docs docs-links build clean

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: ## Run the story of examples/first_light.py on real flights
	@$(MAKE) --no-print-directory --jobs=2 $(VENV)/.built $(VENV)/.demo
	$(BIN)/python examples/first_light.py

test: test-rust test-python ## Run every test

test-rust: build ## Rust: unit, property and integration tests
	$(BIN)/python .ci/with_server.py cargo test --profile $(PROFILE)
	$(BIN)/python .ci/with_server.py cargo run --quiet --profile $(PROFILE) --example plain_rust

test-python: build $(VENV)/spark.jsa ## Python: pytest against real Spark, a real ZooKeeper and a real Chromium
	.ci/chromium > /dev/null
	$(BIN)/python -m pytest $(PYTEST_WORKERS)

test-matrix: build ## Smoke tests on PySpark 3.5 and 4.3
	.ci/matrix

check: build ## fmt, clippy, rustdoc, ruff, mypy, stubtest, and no pyo3 without its feature
	cargo fmt --check
	cargo clippy --all-targets --profile $(PROFILE) -- -D warnings
	cargo clippy --all-targets --profile $(PROFILE) --features python -- -D warnings
	RUSTDOCFLAGS="-D warnings" cargo doc --no-deps
	! cargo tree --edges normal,dev | grep -q pyo3
	! git grep -n '@@[A-Z]' -- '*.md'
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/python -m mypy.stubtest sparkeeper._sparkeeper --ignore-disjoint-bases

stubs: build ## Write python/sparkeeper/_sparkeeper.pyi anew from the Rust sources
	.ci/stubs $(BIN)

bench: build $(DELTA)/.installed ## Recipes, tasks and tree reads beside kazoo and Curator, placement and writes beside plain Spark and Delta Lake
	$(BIN)/python benches/locks.py
	$(BIN)/python benches/repartition.py
	$(BIN)/python benches/writes.py
	$(BIN)/python benches/tasks.py
	$(BIN)/python benches/data_source.py
	mkdir -p dist
	$(BIN)/python benches/assign.py --plot dist/growth.html

bench-scale: build ## What servers carry: growth with sessions, watchers and tasks, costs in ensembles of 1, 3 and 5
	mkdir -p dist
	$(BIN)/python benches/scale.py --plot dist/scale.svg --json dist/scale.json

chaos: build ## Ten minutes of random kills of a group's members, then 200 of writing drivers, beside plain Spark
	$(BIN)/python tests/python/partitions_chaos.py --minutes 10
	$(BIN)/python tests/python/writes_chaos.py --kills 200 --beside-plain --json dist/writes_chaos.json

notebooks: build ## Execute the notebooks, in place
	$(BIN)/python .ci/notebooks.py

wheel: $(VENV)/.installed ## Build the wheel as it is released, and run the README's five lines with it in a clean environment
	rm -f dist/sparkeeper-*.whl
	$(BIN)/python -m pip install --quiet $$($(PYTHON) .ci/requirements.py wheel)
	PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/maturin build --profile dist $(MANYLINUX) --out dist
	PYTHON=$(CURDIR)/$(BIN)/python .ci/quickstart dist/sparkeeper-*.whl

sdist: $(VENV)/.installed ## Build the source distribution
	rm -f dist/sparkeeper-*.tar.gz
	$(BIN)/maturin sdist --out dist

docs: build ## The pages into dist/docs, the Rust crate's documentation into target/doc
	$(BIN)/python -m sphinx --quiet --fail-on-warning --keep-going docs dist/docs
	RUSTDOCFLAGS="-D warnings" cargo doc --no-deps

docs-links: build ## Ask every address that the pages link to; needs the network
	$(BIN)/python -m sphinx --quiet --builder linkcheck docs dist/links

# Downloads and the compiler wait for different things.
build: ## Set up the virtual environment and build the extension
	@$(MAKE) --no-print-directory --jobs=2 $(VENV)/.built $(VENV)/.installed

$(VENV)/.begun: pyproject.toml .ci/prerequisites
	@.ci/prerequisites $(PYTHON)
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet $$($(PYTHON) .ci/requirements.py build)
	@touch $@

$(VENV)/.demo: $(VENV)/.begun
	$(BIN)/python -m pip install --quiet $$($(PYTHON) .ci/requirements.py demo)
	@touch $@

$(VENV)/.installed: $(VENV)/.begun
	$(BIN)/python -m pip install --quiet $$($(PYTHON) .ci/requirements.py dev)
	@touch $@

$(DELTA)/.installed: Makefile
	test -x $(DELTA)/bin/python || $(PYTHON) -m venv $(DELTA)
	$(DELTA)/bin/python -m pip install --quiet 'pyspark==4.2.*' delta-spark==4.4.0 'pandas<3' pyarrow psutil
	@touch $@

$(VENV)/.built: $(VENV)/.begun $(RUST_SOURCES)
	PIP_QUIET=1 $(BIN)/maturin develop --quiet --profile $(PROFILE)
	@touch $@

# What the tests' JVMs start from.
$(VENV)/spark.jsa: $(VENV)/.installed .ci/spark_archive.py
	$(BIN)/python .ci/spark_archive.py $@

clean: ## Remove what was built
	rm -rf $(VENV) $(DELTA) target dist
