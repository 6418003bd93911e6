"""Packages for a machine without a network are stripped, split into parts, and joined again."""

import base64
import hashlib
import json
import os
import zipfile
from pathlib import Path

import pytest

from benchmarks.gpu import parts, wheels


def fake_wheel(folder: Path, name: str, files: dict[str, bytes]) -> Path:
    path = folder / f"{name}-1.0-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as wheel:
        for place, data in files.items():
            wheel.writestr(place, data)
        wheel.writestr(f"{name}-1.0.dist-info/RECORD", "made by hand\n")
    return path


def test_a_wheel_is_stripped_and_its_record_is_right(tmp_path: Path) -> None:
    line = "bits==1.0 drop bits/lib_*.so keep bits/lib_cudaCUDA.so\n# no package\n"
    (wanted,) = wheels.read_wanted(line, "130")
    files = {
        "bits/__init__.py": b"",
        "bits/lib_cuda118.so": b"old",
        "bits/lib_cuda130.so": b"new",
        "bits-1.0.data/scripts/bits": b"#!python",
        "bits-1.0.data/purelib/bits/more.py": b"more = 1",
    }
    wheels.unpack(wanted, fake_wheel(tmp_path, "bits", files), tmp_path / "tree")
    found = {
        p.relative_to(tmp_path / "tree").as_posix() for p in wheels.files_of(tmp_path / "tree")
    }
    record = "bits-1.0.dist-info/RECORD"
    assert found == {"bits/__init__.py", "bits/lib_cuda130.so", "bits/more.py", record}
    rows = [line.split(",") for line in (tmp_path / "tree" / record).read_text().splitlines()]
    assert {row[0] for row in rows} == found
    digest = base64.urlsafe_b64encode(hashlib.sha256(b"new").digest()).decode().rstrip("=")
    assert ["bits/lib_cuda130.so", f"sha256={digest}", "3"] in rows
    (other,) = wheels.read_wanted(line, "999")
    with pytest.raises(wheels.Stop, match="has no such file"):
        wheels.unpack(other, tmp_path / "bits-1.0-py3-none-any.whl", tmp_path / "other")
    with pytest.raises(wheels.Stop, match="NAME==VERSION"):
        wheels.read_wanted("bits", "130")


def test_parts_stay_below_the_limit_and_are_joined_again(tmp_path: Path) -> None:
    sizes = {"small": [10, 20], "middle": [400, 90], "large": [700, 700], "huge": [2500]}
    packages = {name: tmp_path / "trees" / name for name in sizes}
    for name, counts in sizes.items():
        for number, count in enumerate(counts):
            path = packages[name] / name / f"{number}.bin"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(os.urandom(count))
    out = tmp_path / "out"
    made = parts.split(packages, out, 1000)
    for name, part in made.items():
        held = sum(path.stat().st_size for path in parts.files_of(out / name))
        assert held == part["bytes"] <= 1000
    where = {name for name, part in made.items() if "middle" in part["packages"]}
    assert len(where) == 1, "a package that fits into a part is whole in one"
    (out / parts.MANIFEST).write_text(json.dumps({"parts": made}))

    # Installed in two calls, as on a machine that takes limited transfers.
    later = tmp_path / "later"
    later.mkdir()
    (out / "part-1").rename(later / "part-1")
    site = tmp_path / "site"
    assert parts.install(out, site) == ["part-1"]
    (later / parts.MANIFEST).write_text((out / parts.MANIFEST).read_text())
    parts.install(later, site)
    for name, tree in packages.items():
        for path in parts.files_of(tree):
            assert (site / path.relative_to(tree)).read_bytes() == path.read_bytes(), name
    assert len(parts.files_of(site)) == sum(map(len, sizes.values()))

    next(iter(parts.files_of(later / "part-1"))).write_bytes(b"else")
    with pytest.raises(parts.Stop, match="part-1 is damaged"):
        parts.install(later, site)
