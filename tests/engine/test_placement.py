"""What is chosen for a machine, and whether the estimate holds on this one."""

import json
import subprocess
import sys
from dataclasses import replace

import pytest
from studies import study

from umi_lite.engine.machine import Machine
from umi_lite.engine.placement import Overrides, Size, place, size_of

GIB = 1 << 30
# Qwen2.5-7B in Q4_0, with three adapters of rank 16.
SEVEN = Size(
    base=int(4.1 * GIB), adapters=GIB // 4, views=3, layers=28, kv_token=57_344,
    scratch=370 << 20, n_ctx_train=32_768, mergeable=False,
)  # fmt: skip
SMALL = Size(
    base=270 << 20, adapters=30 << 20, views=3, layers=30, kv_token=23_040,
    scratch=110 << 20, n_ctx_train=8192, mergeable=True,
)  # fmt: skip


def chosen(size, machine, **overrides):
    made = place(size, machine, Overrides(**overrides))
    return made.weights, made.n_ctx, made.kv, made.n_gpu_layers


@pytest.mark.parametrize(
    ("size", "ram", "gpu", "choice"),
    [
        (SMALL, 16, 0, ("merged", 4096, "f16", 0)),
        (SMALL, 1.5, 0, ("adapters", 4096, "f16", 0)),
        (SMALL, 1, 0, ("adapters", 2048, "f16", 0)),
        (SMALL, 8, 8, ("merged", 4096, "f16", -1)),
        (SEVEN, 16, 0, ("adapters", 4096, "f16", 0)),
        (SEVEN, 5.4, 0, ("adapters", 1024, "f16", 0)),
        (SEVEN, 16, 8, ("adapters", 4096, "f16", -1)),
        (SEVEN, 16, 6.2, ("adapters", 512, "f16", -1)),
        (SEVEN, 16, 4, ("adapters", 4096, "f16", 15)),
        (SEVEN, 16, 1, ("adapters", 4096, "f16", 0)),
    ],
)
def test_by_what_is_free(size, ram, gpu, choice):
    assert chosen(size, Machine(int(ram * GIB), int(gpu * GIB), 8)) == choice


def test_overrides_are_kept():
    machine = Machine(16 * GIB, 8 * GIB, 8)
    assert chosen(SMALL, machine, weights="adapters")[0] == "adapters"
    assert chosen(SMALL, machine, n_ctx=300)[1] == 300
    assert chosen(SMALL, machine, kv="q8_0")[2] == "q8_0"
    assert chosen(SMALL, machine, n_gpu_layers=3)[3] == 3
    assert chosen(SMALL, machine, n_gpu_layers=0)[3] == 0
    assert (
        place(SMALL, machine, Overrides(threads=3)).threads
        == 3
        != place(SMALL, machine).threads
        == 8
    )
    assert chosen(replace(SMALL, n_ctx_train=1024), machine)[1] == 1024
    # Merged weights that were asked for may take more than half.
    assert chosen(SMALL, Machine(2 * GIB, 0, 2), weights="merged")[0] == "merged"


def test_for_one_episode_nothing_is_merged_unless_asked():
    machine = Machine(16 * GIB, 0, 8)
    assert chosen(SMALL, machine, episodes=1)[0] == "adapters"
    assert chosen(SMALL, machine, episodes=2)[0] == "merged"
    assert chosen(SMALL, machine, episodes=1, weights="merged")[0] == "merged"


def test_more_than_is_free_is_said():
    made = place(SEVEN, Machine(3 * GIB, 0, 2))
    assert (made.weights, made.n_ctx, made.kv) == ("adapters", 512, "q8_0")
    assert "more than is free" in str(made) and "\n" not in str(made)
    assert "more than" not in str(place(SMALL, Machine(3 * GIB, 0, 2)))


def test_more_episodes_at_once_take_more():
    one, many = (place(SMALL, Machine(16 * GIB, 0, 2), Overrides(slots=n)) for n in (1, 16))
    assert many.needs > one.needs and "16 x " in str(many)


_RUN = """
import json, sys
from pathlib import Path
from umi_lite.engine.engine import Engine
from umi_lite.engine.request import Request

def held():
    lines = Path("/proc/self/smaps_rollup").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("Rss:")) << 10

import llama_cpp, numpy
before = held()
views = ("planner", "caller", "summarizer")
with Engine(Path(sys.argv[1]), dict.fromkeys(views), n_ctx=int(sys.argv[2])) as engine:
    for view in views:
        engine.generate(Request(view, list(range(1000, 1500)), max_tokens=4))
    print(json.dumps(held() - before))
"""


@pytest.mark.parametrize("n_ctx", [pytest.param(512, marks=study), 4096])
def test_the_estimate_against_a_real_engine(base_gguf, n_ctx):
    size = replace(size_of(base_gguf, [], mergeable=False), views=3)
    needs = place(size, Machine(64 * GIB, 0, 2), Overrides(n_ctx=n_ctx)).needs
    command = [sys.executable, "-c", _RUN, str(base_gguf), str(n_ctx)]
    told = subprocess.run(command, capture_output=True, text=True, check=True)
    assert 0.9 <= needs / json.loads(told.stdout) <= 2
