"""What a machine has free, and what a container leaves of it."""

import os
import subprocess
import sys

import psutil
import pytest

from umi_lite.engine import machine as looked_at
from umi_lite.engine.machine import cores, machine


@pytest.fixture
def cgroup(tmp_path, monkeypatch):
    monkeypatch.setattr(looked_at, "_CGROUP", tmp_path)
    return tmp_path


def test_this_machine(cgroup):
    found = machine()
    assert 0 < found.ram <= psutil.virtual_memory().total
    assert 1 <= found.cores <= len(os.sched_getaffinity(0))
    assert found.gpu == 0 or found.gpu > 1 << 28


def test_a_container_with_less(cgroup):
    (cgroup / "memory.max").write_text("3000000000\n")
    (cgroup / "memory.current").write_text("1000000000\n")
    (cgroup / "cpu.max").write_text("150000 100000\n")
    assert machine().ram == 2_000_000_000
    assert cores() == 1


def test_a_container_without_limits(cgroup):
    before = cores()
    (cgroup / "memory.max").write_text("max\n")
    (cgroup / "cpu.max").write_text("max 100000\n")
    assert machine().ram > 0 and cores() == before


def test_only_cores_that_the_process_may_use():
    code = (
        "import os; os.sched_setaffinity(0, {min(os.sched_getaffinity(0))}); "
        "from umi_lite.engine.machine import cores; print(cores())"
    )
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert told.stdout.strip() == "1"


def test_efficiency_cores_are_left_out(cgroup, tmp_path, monkeypatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(8)))
    monkeypatch.setattr(looked_at, "_TOPOLOGY", str(tmp_path / "cpu{}"))
    for cpu in range(8):  # 0-3 are two cores with two threads each, 4-7 slow ones
        (tmp_path / f"cpu{cpu}").write_text(
            f"{cpu // 2 * 2}-{cpu // 2 * 2 + 1}" if cpu < 4 else str(cpu)
        )
    assert cores() == 6
    (tmp_path / "fast").write_text("0-3\n")
    monkeypatch.setattr(looked_at, "_PERFORMANCE_CORES", tmp_path / "fast")
    assert cores() == 2
