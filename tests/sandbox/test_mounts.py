"""Root's Python below a closed folder: shown to the user that root switches to."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

_LOOK = """
import json, os, sys
from umi_lite.sandbox.confine import show
closed = sys.argv[1]
try:
    show([closed + "/deep/shown", closed + "/deep/shown/inner", closed + "/one.txt"])
except PermissionError as err:
    print(json.dumps({"mounts": str(err)}))
    raise SystemExit
os.setgroups([])
os.setresgid(60900, 60900, 60900)
os.setresuid(60900, 60900, 60900)
print(json.dumps({
    "top": sorted(os.listdir(closed)),
    "deep": os.listdir(closed + "/deep"),
    "inner": open(closed + "/deep/shown/inner/file.txt").read(),
    "one": open(closed + "/one.txt").read(),
}))
"""


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can mount")
def test_only_what_is_shown_is_there_and_only_for_this_process(tmp_path_factory):
    closed = tmp_path_factory.mktemp("closed")
    (closed / "deep" / "shown" / "inner").mkdir(parents=True)
    (closed / "deep" / "shown" / "inner" / "file.txt").write_text("inside")
    (closed / "deep" / "hidden").mkdir()
    (closed / "one.txt").write_text("alone")
    (closed / "secret.txt").write_text("root's own")
    closed.chmod(0o700)
    mounts = Path("/proc/self/mounts").read_text()
    command = [sys.executable, "-c", _LOOK, str(closed)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    seen = json.loads(done.stdout)
    if "mounts" in seen:
        pytest.skip(f"root may not mount here: {seen['mounts']}")
    assert seen == {
        "top": ["deep", "one.txt"],
        "deep": ["shown"],
        "inner": "inside",
        "one": "alone",
    }
    assert Path("/proc/self/mounts").read_text() == mounts
    assert (closed / "secret.txt").read_text() == "root's own"
