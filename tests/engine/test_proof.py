"""llama.cpp is tried in a child process; its death is one line with the file and what to try."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from umi_lite.engine import proof
from umi_lite.engine.machine import REPACK
from umi_lite.errors import UserError
from umi_lite.weights.quantize import requantize


def dying(number: int) -> list[str]:
    return [sys.executable, "-c", f"import os; os.kill(os.getpid(), {number})"]


@pytest.fixture
def child(monkeypatch):
    """Replace the child's command by another one, and count the starts."""
    starts: list[list[str]] = []
    run = subprocess.run

    def make(command: list[str] | None) -> list[list[str]]:
        def started(given, **options):
            starts.append(given)
            return run(given if command is None else command, **options)

        monkeypatch.setattr(proof.subprocess, "run", started)
        return starts

    return make


@pytest.mark.parametrize("choice", ["0", ""])
def test_the_embedded_model_is_evaluated(choice, base_gguf, monkeypatch) -> None:
    monkeypatch.setenv(REPACK, choice)
    proof.prove(base_gguf)


@pytest.mark.parametrize(
    ("number", "words"),
    [
        (signal.SIGSEGV, ("SIGSEGV", "UMI_REPACK=0", "F16", "build llama.cpp again")),
        (signal.SIGABRT, ("SIGABRT", "UMI_REPACK=0")),
        (signal.SIGILL, ("SIGILL", "another processor", "pip install")),
        (signal.SIGKILL, ("SIGKILL", "memory")),
    ],
)
def test_a_death_is_one_line(number, words, base_gguf, child, monkeypatch) -> None:
    monkeypatch.setenv(REPACK, "1")  # the child is not llama.cpp
    child(dying(number))
    with pytest.raises(UserError) as err:
        proof.prove(base_gguf)
    for word in (str(base_gguf), *words):
        assert word in str(err.value)
    assert "\n" not in str(err.value)


def test_what_is_set_already_is_not_proposed(monkeypatch) -> None:
    monkeypatch.setenv(REPACK, "0")
    assert REPACK not in proof.death(-signal.SIGSEGV, "x.gguf")


def test_a_fault_of_another_kind_quotes_the_last_line(base_gguf, child) -> None:
    child([sys.executable, "-c", "raise ValueError('no such')"])
    with pytest.raises(UserError, match=r"failed on .*gguf \(status 1\): ValueError: no such"):
        proof.prove(base_gguf)


def test_a_file_that_is_cut_off_says_so(base_gguf, tmp_path) -> None:
    cut = tmp_path / "cut.gguf"
    cut.write_bytes(base_gguf.read_bytes()[:-2_000_000])
    with pytest.raises(UserError, match=r"cut\.gguf cannot be loaded"):
        proof.prove(cut)


def test_a_type_of_weights_is_tried_once(base_gguf, tmp_path, child, monkeypatch) -> None:
    starts = child(None)
    for _ in range(2):
        proof.prove_once(base_gguf, tmp_path / "proofs")
    assert len(starts) == 1
    monkeypatch.setattr(proof, "features", lambda: "CPU : another build | ")
    proof.prove_once(base_gguf, tmp_path / "proofs")
    assert len(starts) == 2


def test_what_died_is_tried_again(base_gguf, tmp_path, child) -> None:
    child(dying(signal.SIGSEGV))
    for _ in range(2):
        with pytest.raises(UserError, match="SIGSEGV"):
            proof.prove_once(base_gguf, tmp_path / "proofs")


def test_floats_need_no_proof(base_gguf, tmp_path, child) -> None:
    requantize(base_gguf, tmp_path / "base.gguf", "F16")
    starts = child(None)
    proof.prove_once(tmp_path / "base.gguf", tmp_path / "proofs")
    assert not starts and not Path(tmp_path / "proofs").exists()
