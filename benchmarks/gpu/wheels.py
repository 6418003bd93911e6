"""Collect what a GPU machine without a network needs, in folders transferred one by one.

    python -m benchmarks.gpu.wheels collect runs/offline      (here, where the registry is)
    python -m benchmarks.gpu.wheels install runs/offline site && export PYTHONPATH=$PWD:$PWD/site

`collect` downloads the packages of offline.txt for another Python and platform, unpacks them
without what it drops (Unsloth's studio, unused CUDA versions of bitsandbytes), and splits the files
into part-1, part-2, ... with a manifest of hashes. `install` checks the parts that are present and
copies them into one folder for PYTHONPATH; a split file is joined once all its pieces are there.
Only the standard library is imported.
"""

import argparse
import base64
import csv
import hashlib
import json
import shutil
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path

from benchmarks.gpu.parts import MANIFEST, Stop, files_of, install, split

HERE = Path(__file__).parent
# pip takes a wheel only where its platform is named exactly.
_GLIBC = range(17, 40)


@dataclass(frozen=True)
class Wanted:
    """A package: `NAME==VERSION [drop PATTERN ...] [keep PATTERN ...]`; keep takes precedence."""

    name: str
    version: str
    drop: tuple[str, ...] = ()
    keep: tuple[str, ...] = ()

    def takes(self, path: str) -> bool:
        """True if a file of the package is wanted; `*` in a pattern also matches slashes."""
        dropped = any(fnmatch(path, pattern) for pattern in self.drop)
        return not dropped or any(fnmatch(path, pattern) for pattern in self.keep)


def read_wanted(text: str, cuda: str) -> list[Wanted]:
    """Parse offline.txt; CUDA in a pattern is the version, e.g. 130.

    Raises:
        Stop: a line is not of that form.
    """
    found = []
    for line in text.splitlines():
        head, *words = line.split("#")[0].split() or [""]
        if not head:
            continue
        name, pinned, version = head.partition("==")
        patterns: dict[str, list[str]] = {"drop": [], "keep": []}
        into = None
        for word in words:
            if word in patterns:
                into = patterns[word]
            elif into is not None:
                into.append(word.replace("CUDA", cuda))
            else:
                raise Stop(f"offline.txt: {line!r}: drop or keep is expected before {word!r}")
        if not pinned:
            raise Stop(f"offline.txt: {line!r}: NAME==VERSION is expected")
        found.append(Wanted(name, version, tuple(patterns["drop"]), tuple(patterns["keep"])))
    return found


def download(wanted: Sequence[Wanted], folder: Path, python: str) -> None:
    """Download all wheels for the other machine, or the source archive of a package without wheels.

    Raises:
        Stop: the registry does not have one of them.
    """
    glibc = [f"--platform=manylinux_2_{minor}_x86_64" for minor in _GLIBC]
    platforms = [*glibc, "--platform=manylinux2014_x86_64", "--platform=manylinux1_x86_64"]
    other = ["--only-binary=:all:", f"--python-version={python}", "--implementation=cp", *platforms]
    pip = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", f"--dest={folder}"]
    pip += ["--disable-pip-version-check"]
    for one in wanted:
        if archive_of(one, folder) is not None:
            continue
        name = f"{one.name}=={one.version}"
        done = subprocess.run([*pip, *other, name], capture_output=True, text=True)
        if done.returncode:
            source = [*pip, "--no-binary", one.name, name]
            done = subprocess.run(source, capture_output=True, text=True)
        if done.returncode or archive_of(one, folder) is None:
            said = done.stderr.strip().splitlines()
            raise Stop(f"{name} could not be downloaded: {said[-1] if said else 'no reason given'}")


def archive_of(one: Wanted, folder: Path) -> Path | None:
    """Return the package's wheel or source archive in a folder, None if it is missing."""
    found = [*folder.glob(f"{one.name}-{one.version}-*.whl")]
    found += folder.glob(f"{one.name}-{one.version}.tar.gz")
    return found[0] if found else None


def unpack(one: Wanted, archive: Path, folder: Path) -> None:
    """Unpack the wanted files: of a wheel as in site-packages, of a source archive in source/.

    Raises:
        Stop: a `keep` matches no file: the list is older than the package.
    """
    if archive.suffix == ".whl":
        _unpack_wheel(one, archive, folder)
    else:
        _unpack_source(one, archive, folder)
    paths = [file.relative_to(folder).as_posix() for file in files_of(folder)]
    for pattern in one.keep:
        if not any(fnmatch(path, pattern) for path in paths):
            raise Stop(f"offline.txt: {one.name}: keep {pattern}: {archive.name} has no such file")


def _unpack_source(one: Wanted, archive: Path, folder: Path) -> None:
    with tarfile.open(archive) as tar:
        for member in tar.getmembers():
            if member.isfile() and one.takes(member.name):
                member.name = f"source/{one.name}/{member.name.partition('/')[2]}"
                tar.extract(member, folder, filter="data")


def _unpack_wheel(one: Wanted, archive: Path, folder: Path) -> None:
    with zipfile.ZipFile(archive) as wheel:
        kept: list[str] = []
        for name in wheel.namelist():
            _, _, rest = name.partition(".data/")
            place = rest.partition("/")[2] if rest else name
            if rest and not rest.startswith(("purelib/", "platlib/")):
                continue  # scripts and headers are not used from a folder of PYTHONPATH
            if name.endswith("/") or not one.takes(place):
                continue
            target = folder / place
            if not target.resolve().is_relative_to(folder.resolve()):
                raise Stop(f"{archive.name}: {name} is outside the folder")
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(wheel.read(name))
            kept.append(place)
    _write_record(folder, kept)


def _write_record(folder: Path, kept: Sequence[str]) -> None:
    """Rewrite RECORD for the kept files (PEP 376: path, sha256 in URL-safe base64, bytes)."""
    record = next((path for path in kept if path.endswith(".dist-info/RECORD")), None)
    if record is None:
        return
    with (folder / record).open("w", newline="") as file:
        rows = csv.writer(file, lineterminator="\n")
        for path in kept:
            if path == record:
                continue
            data = (folder / path).read_bytes()
            digest = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
            rows.writerow([path, f"sha256={digest}", len(data)])
        rows.writerow([record, "", ""])


def collect(out: Path, python: str, cuda: str, limit: int) -> dict[str, object]:
    """Download, unpack and split the packages; return the manifest."""
    wanted = read_wanted((HERE / "offline.txt").read_text(encoding="utf-8"), cuda)
    archives = out / "archives"
    archives.mkdir(parents=True, exist_ok=True)
    download(wanted, archives, python)
    for old in [*out.glob("part-*"), out / "trees"]:
        shutil.rmtree(old, ignore_errors=True)
    packages: dict[str, Path] = {}
    archived: dict[str, dict[str, object]] = {}
    for one in wanted:
        archive = archive_of(one, archives)
        assert archive is not None  # checked by download
        packages[one.name] = out / "trees" / one.name
        unpack(one, archive, packages[one.name])
        with archive.open("rb") as data:
            digest = hashlib.file_digest(data, "sha256").hexdigest()
        size = sum(file.stat().st_size for file in files_of(packages[one.name]))
        archived[one.name] = {"archive": archive.name, "sha256": digest, "bytes": size}
    parts = split(packages, out, limit)
    shutil.rmtree(out / "trees")
    made = {"python": python, "cuda": cuda, "packages": archived, "parts": parts}
    (out / MANIFEST).write_text(json.dumps(made, indent=1) + "\n")
    return made


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    verbs = parser.add_subparsers(dest="verb", required=True)
    gather = verbs.add_parser("collect", help="download, strip and split")
    gather.add_argument("out", type=Path)
    gather.add_argument("--python", default="3.12")
    gather.add_argument("--cuda", default="130", help="CUDA version of torch there: 130 is 13.0")
    gather.add_argument("--limit", type=float, default=58.0, help="MB per part; default: 58")
    place = verbs.add_parser("install", help="copy the parts into a folder for PYTHONPATH")
    place.add_argument("source", type=Path)
    place.add_argument("site", type=Path)
    given = parser.parse_args()
    try:
        if given.verb == "install":
            missing = install(given.source, given.site)
            print(f"missing: {', '.join(missing)}" if missing else f"all parts are in {given.site}")
            return 0
        made = collect(given.out, given.python, given.cuda, int(given.limit * 1e6))
    except Stop as stop:
        print(f"error: {stop}", file=sys.stderr)
        return 2
    for name, part in made["parts"].items():  # type: ignore[union-attr]
        print(f"{name}: {part['bytes'] / 1e6:.1f} MB: {', '.join(part['packages'])}")
    print(json.dumps(made))
    return 0


if __name__ == "__main__":
    sys.exit(main())
