"""Fixtures that more than one folder needs: the embedded model, loaded once a test run."""

import ctypes
import os
from collections.abc import Iterator
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def base_gguf() -> Path:
    """The embedded model's file."""
    from umi_lite.weights.gguf_to_hf import embedded_gguf

    return embedded_gguf()


@pytest.fixture(scope="session")
def base_hf(base_gguf: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The embedded model as an ordinary HF folder."""
    from umi_lite.weights.gguf_to_hf import hf_folder

    return hf_folder(base_gguf, tmp_path_factory.mktemp("base"))


@pytest.fixture(scope="session")
def f32_gguf(base_gguf: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The embedded model in F32: a token's logits hardly depend on what is evaluated with it.

    Quantised weights have other kernels for many tokens than for one, and an untrained model's
    choices are close.
    """
    from umi_lite.engine.library import library

    path = tmp_path_factory.mktemp("f32") / "base.F32.gguf"
    lib = library()
    params = lib.llama_model_quantize_default_params()
    params.ftype, params.allow_requantize = lib.LLAMA_FTYPE_ALL_F32, True
    files = (os.fsencode(base_gguf), os.fsencode(path))
    assert lib.llama_model_quantize(*files, ctypes.byref(params)) == 0
    return path


@pytest.fixture(scope="session")
def engine(base_gguf: Path) -> Iterator:
    """The embedded model, four views, no adapter, two slots."""
    from umi_lite.engine.engine import Engine

    views = ("backbone", "planner", "caller", "summarizer")
    with Engine(base_gguf, dict.fromkeys(views), n_ctx=1024, slots=2) as made:
        yield made
