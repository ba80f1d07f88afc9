# The words of this project. Each makes what it needs the first time and is quick the second.
#
#   make demo    train a small classifier, log it, show what was logged; make demo-keras: the same with Keras
#   make test    the whole test suite          make check   ruff, mypy, pyright
#   make bench   side by side with the peers   make pages   TensorBoard's pages in a headless Chromium
#   make faults  the longer fault tests        make proto   generate eventwriter/_proto again
#   make keras   the Keras callback's tests alone

PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV ?= .venv
PROTO_VENV ?= .venv-proto
# Test processes side by side. Each may load TensorFlow, torch and jax: 1.5 GB.
JOBS ?= 2
RUN := $(VENV)/bin/python
# Kept out of tracebacks and logs of a run: what a pip of another version would say.
PIP := $(RUN) -m pip install --quiet --disable-pip-version-check
export PYTHONPATH :=
export TF_CPP_MIN_LOG_LEVEL := 3

.PHONY: demo demo-keras keras test check bench pages faults proto clean

demo: $(VENV)/.demo
	$(RUN) examples/digits.py

demo-keras: $(VENV)/.test
	$(RUN) examples/keras_digits.py

test: $(VENV)/.test $(PROTO_VENV)/.proto
	$(RUN) -m pytest -n $(JOBS) --dist loadgroup $(ARGS)

check: $(VENV)/.test
	$(RUN) -m ruff check .
	$(RUN) -m ruff format --check .
	$(RUN) -m mypy
	$(RUN) -m pyright

bench: $(VENV)/.test
	$(RUN) benchmarks/run.py $(ARGS)
	$(RUN) benchmarks/graph.py

pages: $(VENV)/.test
	EVENTWRITER_PAGES=1 $(RUN) -m pytest tests/pages $(ARGS)

faults: $(VENV)/.test
	EVENTWRITER_FAULTS=1 $(RUN) -m pytest tests/faults $(ARGS)

keras: $(VENV)/.test
	$(RUN) -m pytest tests/keras $(ARGS)

proto: $(PROTO_VENV)/.proto
	$(PROTO_VENV)/bin/python proto/generate.py

clean:
	rm -rf $(VENV) $(PROTO_VENV) build dist runs screenshots .mypy_cache .pytest_cache .ruff_cache .hypothesis

$(VENV)/bin/python:
	@test -n "$(PYTHON)" || { echo "Python 3.11 or newer is needed (Debian: apt install python3 python3-venv)"; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
		|| { echo "Python 3.11 or newer is needed, $(PYTHON) is older"; exit 1; }
	$(PYTHON) -m venv $(VENV) \
		|| { rm -rf $(VENV); echo "Debian keeps venv apart: apt install python3-venv"; exit 1; }
	$(PIP) --upgrade pip

# The CPU build, before anything that depends on torch: a torch that pip is left to choose brings gigabytes of CUDA.
$(VENV)/.torch: $(VENV)/bin/python
	$(PIP) torch==2.13.0
	@touch $@

$(VENV)/.demo: pyproject.toml $(VENV)/.torch
	$(PIP) --editable . --group demo
	@touch $@

$(VENV)/.test: pyproject.toml $(VENV)/.torch
	$(PIP) --editable . --group test
	$(PIP) --no-deps --group ultralytics
	@touch $@ $(VENV)/.demo

# grpcio-tools pins an old protobuf, so it has an environment of its own.
$(PROTO_VENV)/.proto: pyproject.toml $(VENV)/bin/python
	$(PYTHON) -m venv $(PROTO_VENV)
	$(PROTO_VENV)/bin/python -m pip install --quiet --disable-pip-version-check --upgrade pip
	$(PROTO_VENV)/bin/python -m pip install --quiet --disable-pip-version-check --group proto
	@touch $@
