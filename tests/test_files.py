"""Scratch folders: gone when done, and what a killed process left is swept."""

import signal
import subprocess
import sys
from pathlib import Path

from umi_lite.files import scratch

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
