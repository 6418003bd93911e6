"""`umi doctor` on this machine, and on machines that are not this one."""

import json
import subprocess
import sys
from collections import namedtuple
from pathlib import Path

import pytest

from umi_lite import doctor
from umi_lite.console import Line

NAMES = [
    "GPU", "torch", "Unsloth", "bitsandbytes", "GGUF converters", "llama.cpp", "embedded model",
    "inference", "sandbox", "memory", "disk",
]  # fmt: skip


@pytest.fixture(scope="module")
def here() -> dict[str, Line]:
    umi = Path(sys.executable).parent / "umi"
    done = subprocess.run([umi, "doctor", "--json"], capture_output=True, text=True, timeout=400)
    assert not done.stderr.strip(), done.stderr
    lines = [Line.model_validate(line) for line in json.loads(done.stdout.splitlines()[-1])]
    assert done.returncode == any(line.mark == "✗" for line in lines)
    assert [line.name for line in lines] == NAMES
    return {line.name: line for line in lines}


def test_what_was_installed_works(here: dict[str, Line]) -> None:
    for name in (
        "torch",
        "bitsandbytes",
        "GGUF converters",
        "llama.cpp",
        "embedded model",
        "inference",
    ):
        assert here[name].mark == "✓", here[name]
    assert here["torch"].found.startswith("2.13")
    assert "NF4 on c" in here["bitsandbytes"].found


def test_without_a_card_all_says_so(here: dict[str, Line]) -> None:
    if here["GPU"].mark == "✓":
        pytest.skip("this machine has a card")
    assert "training uses the CPU; bf16 has " in here["torch"].found
    assert here["llama.cpp"].found == "inference uses the CPU"


@pytest.mark.parametrize(
    ("told", "mark", "word"),
    [
        ({"version": "2.13", "cuda": None, "card": None}, "✗", "does not use the GPU"),
        (
            {"version": "2.13", "cuda": "13.0", "card": "RTX", "memory": [2**33, 2**34],
             "bf16": True, "right": True},
            "✓", "training uses RTX, 8.0 of 16.0 GiB free, bf16",
        ),
        (
            {"version": "2.13", "cuda": "13.0", "card": "RTX", "memory": [0, 2**34],
             "bf16": False, "right": False},
            "✗", "fp16",
        ),
        ("fails: libcudart.so: cannot open", "✗", "libcudart"),
    ],
)  # fmt: skip
def test_torch_beside_a_card(told, mark, word, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "_child", lambda *_: told)
    line = doctor.torch_line("RTX, 580, 16 GB")
    assert (line.mark, word in line.found) == (mark, True), line


@pytest.mark.parametrize(("speed", "advised"), [(0.56, False), (1.2, False), (2.4, True)])
def test_bf16_is_advised_where_it_is_faster(
    speed, advised, monkeypatch: pytest.MonkeyPatch
) -> None:
    measured = {"version": "2.13", "cuda": None, "card": None, "bf16_speed": speed}
    monkeypatch.setattr(doctor, "_child", lambda *_: measured)
    line = doctor.torch_line(None)
    assert f"{speed:.1f} times the speed" in line.found
    assert ("-o precision=bf16" in line.found) is advised


def test_a_child_that_fails_is_told_in_one_line() -> None:
    assert doctor._child("raise ValueError('no\\nsuch')", "torch") == "fails: such"
    assert doctor._child("", "no_such_package") == "not installed"


def test_llama_built_without_cuda_beside_a_card(monkeypatch: pytest.MonkeyPatch) -> None:
    line = doctor.llama_line("RTX")
    assert (line.mark, "GGML_CUDA" in (line.fix or "")) == ("✗", True)


def test_a_llama_that_does_not_load_is_one_cross_and_the_rest_goes_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "llama_cpp", None)
    lines = {line.name: line for line in doctor.running_lines("RTX")}
    assert lines["llama.cpp"].mark == "✗" and "cannot be loaded" in lines["llama.cpp"].found
    assert {name for name, line in lines.items() if line.mark == "✗"} == {"llama.cpp"}


@pytest.mark.parametrize(("taken", "mark"), [(110 << 20, "✓"), (0, "✗"), (None, "✓")])
def test_offload_is_told_by_the_cards_memory(
    taken: int | None, mark: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from umi_lite.engine.library import library

    monkeypatch.setattr(library(), "llama_supports_gpu_offload", lambda: True)
    monkeypatch.setattr(doctor, "_memory_on_gpu", lambda: taken)
    assert doctor.llama_line("RTX").mark == mark


def test_inference_that_dies_is_a_cross_with_the_file_and_what_to_try(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from umi_lite.engine import proof

    monkeypatch.setenv("UMI_REPACK", "1")  # the child is not llama.cpp
    run = subprocess.run
    dying = [sys.executable, "-c", "import os; os.kill(os.getpid(), 11)"]
    monkeypatch.setattr(proof.subprocess, "run", lambda _, **options: run(dying, **options))
    line = doctor.inference_line()
    assert line.mark == "✗" and "gguf (SIGSEGV)" in line.found
    assert "UMI_REPACK=0" in (line.fix or "")


def test_inference_without_a_model_is_not_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    from umi_lite.weights import embedded

    monkeypatch.setattr(embedded.importlib.util, "find_spec", lambda _: None)
    line = doctor.inference_line()
    assert (line.mark, line.found) == ("–", "not tried: no model is installed")


def test_a_full_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(doctor.shutil, "disk_usage", lambda _: usage(10, 9, 1))
    assert doctor.disk_line(Path()).mark == "✗"
