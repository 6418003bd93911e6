"""Scratch folders: gone when done, and what a killed process left is swept."""

import resource
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from umi_lite.bundle.staging import staged_folder
from umi_lite.errors import UserError
from umi_lite.files import scratch
from umi_lite.weights.gguf_to_hf import hf_folder

HOLD = """
import sys, time
from pathlib import Path
from umi_lite.files import scratch
with scratch(Path(sys.argv[1])) as work:
    (work / "half.gguf").write_bytes(b"half")
    print(work, flush=True)
    time.sleep(60)
"""


def test_what_a_killed_process_left_is_swept_and_nothing_else_is(tmp_path: Path) -> None:
    target = tmp_path / "bundle"
    command = [sys.executable, "-c", HOLD, str(target)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        left = Path(process.stdout.readline().strip())
        mine, other = tmp_path / ".bundle-backup", tmp_path / ".bundler-abcdefgh"
        mine.mkdir()
        other.mkdir()
        with scratch(target) as work:
            assert work.is_dir() and (left / "half.gguf").is_file()  # it is in use
        assert not work.exists()
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert left.is_dir()
    with scratch(target) as work:
        assert not left.exists() and work.is_dir()
    assert sorted(tmp_path.iterdir()) == [mine, other]


def test_one_process_may_have_several(tmp_path: Path) -> None:
    with scratch(tmp_path / "x") as one, scratch(tmp_path / "x") as two:
        assert one != two and one.is_dir() and two.is_dir()
    assert not list(tmp_path.iterdir())


def test_an_export_sweeps_what_a_killed_one_left(tmp_path: Path) -> None:
    (tmp_path / ".bundle-0123abcd" / "bundle").mkdir(parents=True)
    with staged_folder(tmp_path / "bundle") as work:
        (work / "bundle.json").write_text("{}")
    assert [path.name for path in tmp_path.iterdir()] == ["bundle"]


def test_a_cache_that_is_full_or_not_a_folder_is_one_line(base_gguf: Path, tmp_path: Path) -> None:
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (2**20, before[1]))
        with pytest.raises(UserError, match="cannot be written: File too large") as told:
            hf_folder(base_gguf, tmp_path / "full")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert "\n" not in str(told.value) and not list((tmp_path / "full").iterdir())
    (tmp_path / "file").write_text("")
    link = tmp_path / "link"
    link.symlink_to(tmp_path / "gone")
    for place in (tmp_path / "file", Path("/proc/self/cache"), link):
        with pytest.raises(UserError, match=f"^{place}/.* cannot be written: "):
            hf_folder(base_gguf, place)
