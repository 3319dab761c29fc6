# The two commands of a fresh machine: `make demo` and `make test`. Everything else is for developers.
# Needs git, make, a C compiler and Python 3.11+ with venv. Where packages come from is the machine's own pip configuration.

PYTHON ?= python3
PYTEST_ARGS ?=
TEST_PROCESSES ?= 2

VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --quiet --quiet --disable-pip-version-check
CODE := src tests docs benchmarks viewer
EXTRAS := --extra cluster --extra fetch --extra infer --extra parquet --extra release --extra review --extra docs --extra test --extra dev

# An editable installation knows modules by name and holds the compiled kernels: it is made anew when a module is
# added, moved or removed, or a kernel changed.
MODULES := $(shell (find src -name '*.py' | LC_ALL=C sort; cat CMakeLists.txt src/kernels/*) | cksum | cut -d ' ' -f 1)
INSTALLED := $(VENV)/installed-$(MODULES).stamp

# Packages are installed uncompiled, so where this variable is set, every process that a test or the demo starts would
# compile all it imports again: two thirds of its start.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help demo torch test check format lint types imports docs pages lock viewer wheel clean

help:  ## this list
	@sed -n 's/^\([a-z]*\):.*## /  make \1\t/p' $(MAKEFILE_LIST) | expand -t 16

demo: $(INSTALLED) viewer  ## a phantom cohort through everything; prints the path of the report
	$(BIN)/uptake demo

torch: $(VENV)/torch.stamp  ## what trains networks, into the same environment (1.5 GB)

test: $(INSTALLED) $(VENV)/torch.stamp viewer  ## the whole test suite; PYTEST_ARGS="-k bias" for a part of it
	$(BIN)/python -m pytest --numprocesses $(TEST_PROCESSES) --dist loadfile $(PYTEST_ARGS)

check: lint types imports docs test  ## what to run before every commit

format: $(INSTALLED)  ## put every file in the project's form
	$(BIN)/ruff format $(CODE)
	$(BIN)/ruff check --fix $(CODE)

lint: $(INSTALLED)  ## form and lint, nothing changed
	$(BIN)/ruff format --check $(CODE)
	$(BIN)/ruff check $(CODE)

types: $(INSTALLED)  ## mypy --strict on src
	$(BIN)/mypy

imports: $(INSTALLED)  ## who may import whom
	$(BIN)/lint-imports

docs: $(INSTALLED)  ## the pages, as HTML in docs/_build/html; a warning is an error
	$(BIN)/sphinx-build --quiet --fail-on-warning --keep-going docs docs/_build/html
	@echo docs/_build/html/index.html

pages: $(INSTALLED)  ## write the pages that are made from the code (docs/pipeline.md)
	$(BIN)/python docs/generate.py

lock:  ## resolve the dependencies anew into requirements.lock and requirements-torch.lock
	$(PYTHON) -m venv build/lock
	build/lock/bin/python -m pip --quiet install --upgrade uv
	build/lock/bin/uv pip compile --universal --fork-strategy fewest --python-version 3.11 --upgrade $(EXTRAS) \
	  --no-emit-package uptake --no-annotate --no-header --no-emit-index-url --quiet --output-file requirements.lock pyproject.toml
	build/lock/bin/uv pip compile --universal --fork-strategy fewest --python-version 3.11 --upgrade --extra torch \
	  --constraint requirements.lock --no-emit-package uptake --no-annotate --no-header --no-emit-index-url --quiet \
	  --output-file build/torch.lock pyproject.toml
	awk -F '==' 'NR == FNR { pinned[$$1]; next } !($$1 in pinned) && !/^(cuda|nvidia|triton)/' \
	  requirements.lock build/torch.lock > requirements-torch.lock

# Without npm, or without a way to it, this warns and goes on: everything but `uptake review` works.
viewer: $(INSTALLED)  ## the viewer of the review page, from npm as package-lock.json pins it
	@$(BIN)/python viewer/fetch.py || true

wheel: viewer  ## a wheel in dist, with the viewer and its licences
	$(PIP) wheel --no-deps --no-build-isolation --wheel-dir dist .

clean:  ## remove everything that make has made
	rm -rf $(VENV) build demo docs/_build .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .coverage src/uptake/review/page/vendor

# Every package of the lock is named with its version, so pip has nothing to resolve (--no-deps); what is
# never imported is never compiled (--no-compile). Both together halve the time of an installation.
$(VENV)/locked.stamp: requirements.lock
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "uptake needs Python 3.11 or newer: make PYTHON=python3.12 ...")'
	@echo "Making $(VENV) with the locked packages: about a minute, once"
	$(PYTHON) -m venv $(VENV)
	$(PIP) install --no-deps --no-compile --requirement requirements.lock
	@touch $@

# requirements-torch.lock names all that comes with PyTorch but CUDA's libraries: whether and which of them are needed
# is the wheel's own matter (none for a CPU's), so pip finds those.
$(VENV)/torch.stamp: $(VENV)/locked.stamp requirements-torch.lock
	@echo "Adding PyTorch to $(VENV): one or two minutes, once"
	$(PIP) install --no-compile --constraint requirements.lock --requirement requirements-torch.lock
	@touch $@

$(INSTALLED): $(VENV)/locked.stamp pyproject.toml src/uptake/__init__.py
	$(PIP) install --no-deps --no-build-isolation --no-compile --editable .
	@rm -f $(VENV)/installed-*.stamp
	@touch $@
