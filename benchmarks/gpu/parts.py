"""Split packages into folders that are transferred one by one, and join them again.

Only the standard library is imported, since it also runs where the packages are installed.
"""

import hashlib
import json
import shutil
from collections.abc import Mapping
from pathlib import Path

MANIFEST = "manifest.json"
_PIECE = ".piece-"


class Stop(Exception):
    """An error that the user can fix, in one line."""


def split(packages: Mapping[str, Path], out: Path, limit: int) -> dict[str, dict[str, object]]:
    """Copy the packages' files into part-1, part-2, ... of at most `limit` bytes each.

    A package that fits into a part stays in one part; a file larger than a part is split.

    Returns:
        The packages, bytes and hash of each part.
    """
    sizes = {name: sum(f.stat().st_size for f in files_of(tree)) for name, tree in packages.items()}
    parts: list[int] = []
    inside: list[set[str]] = []

    def room(size: int) -> int:
        for number, taken in enumerate(parts):
            if taken + size <= limit:
                return number
        parts.append(0)
        inside.append(set())
        return len(parts) - 1

    for name in sorted(packages, key=lambda name: (-sizes[name], name)):
        tree = packages[name]
        whole = room(sizes[name]) if sizes[name] <= limit else None
        for file in files_of(tree):
            size = file.stat().st_size
            path = file.relative_to(tree)
            starts = range(0, max(size, 1), limit)
            for piece, start in enumerate(starts, 1):
                data = min(limit, size - start)
                number = room(data) if whole is None else whole
                suffix = f"{_PIECE}{piece}-of-{len(starts)}" if len(starts) > 1 else ""
                target = out / f"part-{number + 1}" / f"{path}{suffix}"
                target.parent.mkdir(parents=True, exist_ok=True)
                with file.open("rb") as source:
                    source.seek(start)
                    target.write_bytes(source.read(data))
                shutil.copymode(file, target)
                parts[number] += data
                inside[number].add(name)
    return {
        f"part-{i + 1}": {
            "packages": sorted(inside[i]),
            "bytes": taken,
            "sha256": folder_hash(out / f"part-{i + 1}"),
        }
        for i, taken in enumerate(parts)
    }


def folder_hash(folder: Path) -> str:
    """Return the SHA-256 of the paths in a folder and the hashes of its files, ordered by path."""
    whole = hashlib.sha256()
    for file in files_of(folder):
        with file.open("rb") as data:
            digest = hashlib.file_digest(data, "sha256").hexdigest()
        whole.update(f"{file.relative_to(folder).as_posix()}\0{digest}\n".encode())
    return whole.hexdigest()


def install(source: Path, site: Path) -> list[str]:
    """Copy the parts that are in `source` into `site`.

    Returns:
        The parts that are missing; they may be installed earlier or later.

    Raises:
        Stop: no manifest, or a part differs from its hash.
    """
    if not (source / MANIFEST).is_file():
        raise Stop(f"{source}: no {MANIFEST} (written by python -m benchmarks.gpu.wheels collect)")
    parts = json.loads((source / MANIFEST).read_text())["parts"]
    here = [name for name in parts if (source / name).is_dir()]
    for name in here:
        if folder_hash(source / name) != parts[name]["sha256"]:
            raise Stop(f"{source / name} is damaged or incomplete: transfer it again")
    for name in here:
        shutil.copytree(source / name, site, dirs_exist_ok=True)
    _join(site)
    return [name for name in parts if name not in here]


def _join(site: Path) -> None:
    for first in sorted(site.rglob(f"*{_PIECE}1-of-*")):
        name, _, position = first.name.rpartition(_PIECE)
        count = int(position.partition("-of-")[2])
        pieces = [first.with_name(f"{name}{_PIECE}{i}-of-{count}") for i in range(1, count + 1)]
        if not all(piece.is_file() for piece in pieces):
            continue
        work = first.with_name(f".{name}.joining")
        with work.open("wb") as whole:
            for piece in pieces:
                with piece.open("rb") as data:
                    shutil.copyfileobj(data, whole)
        work.replace(first.with_name(name))
        for piece in pieces:
            piece.unlink()


def files_of(folder: Path) -> list[Path]:
    """Return all files in a folder, ordered by path."""
    return sorted(path for path in folder.rglob("*") if path.is_file())
