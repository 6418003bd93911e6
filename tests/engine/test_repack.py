"""Weights are rearranged for the processor but where that ends the process; both ways compute."""

import ctypes
import os
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from benchmarks.plain_llama import plain_llama
from umi_lite.engine.context import Context
from umi_lite.engine.engine import Engine
from umi_lite.engine.library import clear_log, keep_line, last_reason, library
from umi_lite.engine.llama import Model
from umi_lite.engine.machine import REPACK, features, may_repack, repacks
from umi_lite.engine.request import Request
from umi_lite.errors import UserError

TEXT = "<|im_start|>user\nWhat is the capital of France?<|im_end|>\n<|im_start|>assistant\n"
ZEN = "CPU : SSE3 = 1 | AVX2 = 1 | AVX512 = 1 | LLAMAFILE = 1 | OPENMP = 1 | REPACK = 1 | "
SAPPHIRE = ZEN + "AMX_INT8 = 1 | "
# With AMX rearranged weights would end the tests, too.
SAFE = ("0", "1") if may_repack(features()) else ("0",)


@pytest.mark.parametrize(
    ("built", "given", "right"),
    [
        (ZEN, None, True), (SAPPHIRE, None, False), ("", None, True), (ZEN, "", True),
        (ZEN, "0", False), (SAPPHIRE, "1", True), (SAPPHIRE, "0", False),
    ],
)  # fmt: skip
def test_only_amx_keeps_weights_as_they_are(built, given, right) -> None:
    assert may_repack(built, given) is right


def test_another_choice_is_refused() -> None:
    with pytest.raises(UserError, match="UMI_REPACK=no: 0 keeps"):
        may_repack(ZEN, "no")


class Spy:
    """llama.cpp's bindings, but for the model parameters that it notes."""

    def __init__(self, built: str):
        self.built = built
        self.lib = library()
        self.seen: list[tuple[bool, int]] = []

    def __getattr__(self, name: str):
        return getattr(self.lib, name)

    def llama_print_system_info(self) -> bytes:
        return self.built.encode()

    def llama_model_load_from_file(self, path, params):
        self.seen.append((params.use_extra_bufts, params.load_mode))
        return self.lib.llama_model_load_from_file(path, params)


@pytest.mark.parametrize(("built", "repacked"), [(ZEN, True), (SAPPHIRE, False)])
def test_a_model_is_opened_as_the_processor_demands(
    built, repacked, base_gguf, monkeypatch
) -> None:
    monkeypatch.delenv(REPACK, raising=False)
    spy = Spy(built)
    for module in ("llama", "machine"):
        monkeypatch.setattr(f"umi_lite.engine.{module}.library", lambda: spy)
    Model(base_gguf).close()
    # What is not rearranged is mapped: there is no second copy.
    mode = spy.LLAMA_LOAD_MODE_NONE if repacked else spy.LLAMA_LOAD_MODE_MMAP
    assert spy.seen == [(repacked, mode)]


def distribution(gguf: Path) -> np.ndarray:
    """float64 [n_vocab]: the next token's probabilities after TEXT, read as one batch."""
    with closing(Model(gguf)) as model:
        ids = model.encode(TEXT, special=True)
        with closing(
            Context(model, None, n_ctx=256, slots=1, threads=2, n_batch=len(ids))
        ) as context:
            context.decode([(t, i, 0, i == len(ids) - 1) for i, t in enumerate(ids)])
            logits = context.logits(len(ids) - 1).astype(np.float64)
    shares = np.exp(logits - logits.max())
    return shares / shares.sum()


def quantise(source: Path, target: Path, kind: str) -> None:
    lib = library()
    params = lib.llama_model_quantize_default_params()
    params.ftype, params.allow_requantize = getattr(lib, f"LLAMA_FTYPE_{kind}"), True
    files = (os.fsencode(source), os.fsencode(target))
    assert lib.llama_model_quantize(*files, ctypes.byref(params)) == 0


@pytest.fixture(scope="module")
def files(base_gguf, tmp_path_factory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("types")
    made = {"Q4_1": base_gguf}
    for kind in ("Q8_0", "Q4_K_M"):
        made[kind] = folder / f"{kind}.gguf"
        quantise(base_gguf, made[kind], f"MOSTLY_{kind}")
    return made


@pytest.mark.parametrize("kind", ["Q4_1", "Q8_0", "Q4_K_M"])
def test_weights_compute_as_their_floats_do(kind, files, tmp_path, monkeypatch) -> None:
    """A batch of many tokens, rearranged or not, against the same weights written in F32."""
    quantise(files[kind], tmp_path / "floats.gguf", "ALL_F32")
    truth = distribution(tmp_path / "floats.gguf")
    for choice in SAFE:
        monkeypatch.setenv(REPACK, choice)
        found = distribution(files[kind])
        # Activations are rounded to 8 bits for quantised weights: in nats.
        assert (truth * (np.log(truth) - np.log(found))).sum() < 0.05


@pytest.mark.parametrize("kind", ["Q4_1", "Q8_0"])
def test_an_engine_answers_right_with_the_cure(kind, files, monkeypatch) -> None:
    monkeypatch.setenv(REPACK, "0")
    assert not repacks()
    with Engine(files[kind], {"planner": None}, n_ctx=256) as engine:
        ids = engine.language("planner").encode(TEXT, special=True)
        said = engine.generate(Request("planner", ids, max_tokens=16)).text
    assert "Paris" in said


def test_a_plain_llama_gets_the_cure_too(base_gguf, monkeypatch) -> None:
    defaults = library().llama_cpp.llama_model_default_params
    for choice in ("0", "1"):
        monkeypatch.setenv(REPACK, choice)
        made = plain_llama(model_path=str(base_gguf), n_ctx=64, verbose=False)
        assert made.model_params.use_extra_bufts == (choice == "1")
        made.close()
    assert library().llama_cpp.llama_model_default_params is defaults


def test_a_failed_load_gives_its_cause_and_not_a_warning_before_it() -> None:
    clear_log()
    for layer in range(30):
        keep_line(3, f"lora for 'blk.{layer}.attn_q.weight' cannot use buft 'AMX'".encode())
    keep_line(2, b"info")
    keep_line(4, b"LoRA tensor 'x' does not exist in base model\n")
    for _ in range(30):
        keep_line(4, b"failed to load\n")
    assert last_reason() == "LoRA tensor 'x' does not exist in base model"
    assert last_reason() == "llama.cpp gave no reason"
    keep_line(3, b"only a warning")
    assert last_reason() == "only a warning"
