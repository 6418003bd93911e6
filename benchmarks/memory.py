"""`python -m benchmarks memory`: memory of three roles, of one `Llama`, of three models.

Each set-up runs in its own process, which evaluates 256 tokens and generates 8 with each role;
its peak is sampled while it runs. PSS counts a page shared by n processes as 1/n. Memory depends
on the adapters' shape alone: of a bundle the same ones serve for roles with a view each and for
roles that share the transcript of `backbone`. Of a shape's, the latter have eight layers, as the
variant `activated` trains them.
"""

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.report import ratio, show
from benchmarks.shapes import SHAPES, write_adapter, write_model
from umi_lite.bundle.bundle import Bundle
from umi_lite.bundle.merge import kept_merge
from umi_lite.engine.machine import cores
from umi_lite.engine.proof import death
from umi_lite.errors import UserError
from umi_lite.protocol.trajectory import ROLES, VIEWS, View

if TYPE_CHECKING:
    from rich.console import Console

_READ, _WRITTEN = 256, 8
_OWN_LAYERS = 8
ONE, VIEW_EACH = "umi, one transcript", "umi, a view per role"
LLAMA, MERGED = "one Llama, one adapter", "three merged Llamas"
SETUPS = (ONE, VIEW_EACH, LLAMA, MERGED)


def bench(
    bundle: Bundle,
    console: "Console",
    *,
    shape: str | None = None,
    n_ctx: int,
    only: Sequence[str] = (),
) -> None:
    """Measure the bundle, or a newly written model of a `shape` with random weights.

    Args:
        only: the set-ups to measure, default all.

    Raises:
        UserError: an unknown shape, or a set-up's process died.
    """
    if shape is not None and shape not in SHAPES:
        raise UserError(f"no shape {shape!r}; there are {', '.join(SHAPES)}")
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        base = bundle.base
        adapters: dict[View, Path] = {view: bundle.adapters[view] for view in VIEWS}
        own: dict[View, Path] = {}
        if shape is not None:
            console.print(f"writing a model of {shape} and its adapters", highlight=False)
            base = folder / f"{shape}.gguf"
            write_model(SHAPES[shape], base)
            adapters = {view: folder / f"{view}.gguf" for view in VIEWS}
            own = {role: folder / f"own-{role}.gguf" for role in ROLES}
            for seed, path in enumerate(adapters.values()):
                write_adapter(SHAPES[shape], path, seed)
            for seed, path in enumerate(own.values()):
                write_adapter(SHAPES[shape], path, seed, _OWN_LAYERS)
        given = {"base": str(base), "n_ctx": n_ctx, "mmap": shape is None}
        rows: dict[str, dict[str, float]] = {}
        for name in only or SETUPS:
            mine = adapters | own if name == ONE else adapters
            what: dict[str, Any] = {"adapters": _names(mine)}
            if name == MERGED:
                what = {"models": _names(_merged(base, adapters, folder, shape))}
            rows[name] = _peak(name, {**given, **what})
    ratios = {
        f"{umi}/{name}, {what}": ratio(rows[umi][f"{what} MB"], rows[name].get(f"{what} MB"))
        for umi in (ONE, VIEW_EACH)
        if umi in rows
        for name in rows
        for what in ("peak PSS", "KV")
        if name not in (umi, ONE) and f"{what} MB" in rows[name]
    }
    show(f"{shape or base.name}, n_ctx {n_ctx}", rows, ratios, cores())


def _names(files: Mapping[View, Path]) -> dict[str, str]:
    return {view: str(path) for view, path in files.items()}


def _merged(
    base: Path, adapters: Mapping[View, Path], folder: Path, shape: str | None
) -> Mapping[View, Path]:
    """Return one model per role. With random weights, copies of the base serve as well."""
    if shape is None:
        return {role: kept_merge(base, adapters[role], folder, role) for role in ROLES}
    import shutil

    return {role: Path(shutil.copyfile(base, folder / f"merged-{role}.gguf")) for role in ROLES}


def _peak(setup: str, given: Mapping[str, Any]) -> dict[str, float]:
    """Return the peak RSS and PSS of a process that runs one set-up, and its KV cache, in MB."""
    command = [sys.executable, "-m", "benchmarks.memory", setup, json.dumps(given)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    peaks = {"Rss": 0, "Pss": 0}
    while process.poll() is None:
        try:
            lines = Path(f"/proc/{process.pid}/smaps_rollup").read_text().splitlines()
        except OSError:  # it has just ended
            continue
        for name in peaks:
            found = next((line.split()[1] for line in lines if line.startswith(f"{name}:")), "0")
            peaks[name] = max(peaks[name], int(found))
        time.sleep(0.05)
    if process.returncode:
        raise UserError(f"{setup}: {death(process.returncode, given['base'])}")
    assert process.stdout is not None
    found = json.loads(process.stdout.read().splitlines()[-1])
    found |= {f"peak {name.upper()} MB": value / 1024 for name, value in peaks.items()}
    return {name: round(value, 1) for name, value in found.items()}


def _run(setup: str, given: Mapping[str, Any]) -> None:
    ids = list(range(1000, 1000 + _READ))
    files = {name: Path(path) for name, path in given.get("adapters", {}).items()}
    if setup in (ONE, VIEW_EACH):
        contexts = _roles(setup, Path(given["base"]), files, given["n_ctx"], ids)
        print(json.dumps({"KV MB": contexts * _cache_of(Path(given["base"]), given["n_ctx"])}))
        return
    from benchmarks.plain_llama import plain_llama

    options = {"n_ctx": given["n_ctx"], "n_threads": cores(), "verbose": False}
    if "models" in given:
        # A mapped file of quantised weights would stay in memory next to the rearranged copy,
        # which would not be a fair comparison.
        options["use_mmap"] = given["mmap"]
        models = [plain_llama(model_path=path, **options) for path in given["models"].values()]
    else:
        lora = str(files["planner"])
        models = [plain_llama(model_path=given["base"], lora_path=lora, **options)]
    for model in models:
        for count, _ in enumerate(model.generate(ids, temp=0.0), 1):
            if count == _WRITTEN:
                break
    print("{}")


def _roles(
    setup: str, base: Path, files: Mapping[Any, Path], n_ctx: int, ids: Sequence[int]
) -> int:
    """Run the three roles; return how many contexts they took."""
    from umi_lite.engine.engine import Engine
    from umi_lite.engine.request import Request

    views: dict[View, Path | None] = {role: files[role] for role in ROLES}
    roles: dict[View, Path] = {}
    if setup == ONE:
        views, roles = {"backbone": files["backbone"]}, {role: files[role] for role in ROLES}
    with Engine(base, views, roles=roles, n_ctx=n_ctx) as engine:
        for role in ROLES:
            view = engine.view_of(role)
            engine.generate(Request(view, ids, max_tokens=_WRITTEN, speaker=role))
        return len(engine._schedulers)


def _cache_of(base: Path, n_ctx: int) -> float:
    """Return the keys and values of one context in F16, in MB."""
    from umi_lite.engine.placement import size_of

    return size_of(base, [None], mergeable=False).kv_token * n_ctx / 2**20


if __name__ == "__main__":
    _run(sys.argv[1], json.loads(sys.argv[2]))
