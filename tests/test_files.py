"""Whole-or-nothing writes, scratch folders and what killed processes left, remembered hashes."""

import hashlib
import os
import resource
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from umi_lite import files
from umi_lite.errors import UserError
from umi_lite.files import (
    hash_ahead,
    known_sha256,
    replacing,
    scratch,
    sha256,
    staged_file,
    staged_folder,
    write_text,
    writing,
)
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
        with pytest.raises(UserError, match="cannot be written: File too large") as refused:
            hf_folder(base_gguf, tmp_path / "full")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert "\n" not in str(refused.value) and not list((tmp_path / "full").iterdir())
    (tmp_path / "file").write_text("")
    link = tmp_path / "link"
    link.symlink_to(tmp_path / "gone")
    for place in (tmp_path / "file", Path("/proc/self/cache"), link):
        with pytest.raises(UserError, match=f"^{place}/.* cannot be written: "):
            hf_folder(base_gguf, place)


def test_a_hash_is_remembered_until_the_file_changes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hashed: list[Path] = []

    def counted(path: Path) -> str:
        hashed.append(path)
        return sha256(path)

    monkeypatch.setenv("UMI_LITE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(files, "sha256", counted)
    monkeypatch.setattr(files, "_SETTLED_NS", -(10**9))
    base = tmp_path / "base.gguf"
    base.write_bytes(b"one")
    first = known_sha256(base)
    assert first == sha256(base) == known_sha256(base) and len(hashed) == 1
    # Another content of the same size and age, written in place and by a rename.
    old = base.stat()
    base.write_bytes(b"two")
    os.utime(base, ns=(old.st_atime_ns, old.st_mtime_ns))
    assert known_sha256(base) == sha256(base) != first and len(hashed) == 2
    (tmp_path / "other").write_bytes(b"six")
    os.utime(tmp_path / "other", ns=(old.st_atime_ns, old.st_mtime_ns))
    (tmp_path / "other").replace(base)
    assert known_sha256(base) == sha256(base) and len(hashed) == 3
    for kept in (tmp_path / "cache" / "hashes").iterdir():
        kept.write_text('{"state": 1')
    assert known_sha256(base) == sha256(base) and len(hashed) == 4


def test_a_hash_is_not_remembered_of_a_file_that_just_changed_or_without_a_cache(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("UMI_LITE_CACHE", str(tmp_path / "cache"))
    base = tmp_path / "base.gguf"
    base.write_bytes(b"one")
    assert known_sha256(base) == sha256(base) and not (tmp_path / "cache").exists()
    monkeypatch.setattr(files, "_SETTLED_NS", -(10**9))
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("UMI_LITE_CACHE", str(tmp_path / "file"))
    assert known_sha256(base) == sha256(base)


def test_a_hash_ahead_is_used_once_and_errors_come_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("UMI_LITE_CACHE", str(tmp_path / "cache"))
    base, missing = tmp_path / "base.gguf", tmp_path / "missing.gguf"
    base.write_bytes(bytes(range(256)) * 200_000)  # several reads
    first = hashlib.sha256(base.read_bytes()).hexdigest()
    hash_ahead([base, missing])
    assert known_sha256(base) == first
    base.write_bytes(b"two")
    assert known_sha256(base) == sha256(base) != first
    with pytest.raises(FileNotFoundError):
        known_sha256(missing)


def test_a_file_is_replaced_whole_or_not_at_all(tmp_path: Path) -> None:
    target = tmp_path / "file"
    write_text(target, "old")
    with pytest.raises(ValueError), replacing(target) as work:
        work.write_text("half")
        raise ValueError
    assert target.read_text() == "old" and list(tmp_path.iterdir()) == [target]
    with writing(target), staged_file(target) as work:
        assert work.name == target.name
        work.write_text("new")
    assert target.read_text() == "new" and list(tmp_path.iterdir()) == [target]
