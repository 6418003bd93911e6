"""`python -m benchmarks memory`: memory of three roles, of one `Llama`, of three models.

Each set-up runs in its own process, which evaluates 256 tokens and generates 8 with each model;
its peak is sampled while it runs. PSS counts a page shared by n processes as 1/n.
"""

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.report import ratio, show
from benchmarks.shapes import SHAPES, write_adapter, write_model
from umi_lite.bundle.bundle import Bundle
from umi_lite.bundle.merge import kept_merge
from umi_lite.engine.machine import cores
from umi_lite.engine.proof import death
from umi_lite.errors import UserError
from umi_lite.protocol.trajectory import ROLES, View

if TYPE_CHECKING:
    from rich.console import Console

_READ, _WRITTEN = 256, 8


def bench(bundle: Bundle, console: "Console", *, shape: str | None = None, n_ctx: int) -> None:
    """Measure the bundle, or a newly written model of a `shape` with random weights.

    Raises:
        UserError: an unknown shape, or a set-up's process died.
    """
    if shape is not None and shape not in SHAPES:
        raise UserError(f"no shape {shape!r}; there are {', '.join(SHAPES)}")
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        base = bundle.base
        adapters: dict[View, Path] = {role: bundle.adapters[role] for role in ROLES}
        if shape is not None:
            console.print(f"writing a model of {shape} and three adapters", highlight=False)
            base = folder / f"{shape}.gguf"
            write_model(SHAPES[shape], base)
            adapters = {role: folder / f"{role}.gguf" for role in ROLES}
            for seed, path in enumerate(adapters.values()):
                write_adapter(SHAPES[shape], path, seed)
        merged = _merged(base, adapters, folder, shape)
        rows = {
            name: _peak(name, {"base": str(base), "n_ctx": n_ctx, "mmap": shape is None, **files})
            for name, files in {
                "umi": {"adapters": _names(adapters)},
                "one Llama, one adapter": {"adapters": _names(adapters)},
                "three merged Llamas": {"models": _names(merged)},
            }.items()
        }
    ratios = {
        f"umi/{name}, peak PSS": ratio(rows["umi"]["peak PSS MB"], rows[name]["peak PSS MB"])
        for name in ("one Llama, one adapter", "three merged Llamas")
    }
    show(f"{shape or base.name}, n_ctx {n_ctx}", rows, ratios, cores())


def _names(files: Mapping[View, Path]) -> dict[str, str]:
    return {view: str(path) for view, path in files.items()}


def _merged(
    base: Path, adapters: Mapping[View, Path], folder: Path, shape: str | None
) -> Mapping[View, Path]:
    """Return one model per role. With random weights, copies of the base serve as well."""
    if shape is None:
        return {role: kept_merge(base, path, folder, role) for role, path in adapters.items()}
    import shutil

    return {view: Path(shutil.copyfile(base, folder / f"merged-{view}.gguf")) for view in adapters}


def _peak(setup: str, given: Mapping[str, Any]) -> dict[str, float]:
    """Return the peak RSS and PSS, in MB, of a process that runs one set-up."""
    command = [sys.executable, "-m", "benchmarks.memory", setup, json.dumps(given)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
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
    return {f"peak {name.upper()} MB": round(value / 1024, 1) for name, value in peaks.items()}


def _run(setup: str, given: Mapping[str, Any]) -> None:
    ids = list(range(1000, 1000 + _READ))
    with ExitStack() as stack:
        if setup == "umi":
            from umi_lite.engine.engine import Engine
            from umi_lite.engine.request import Request

            adapters: dict[View, Path | None] = {r: Path(given["adapters"][r]) for r in ROLES}
            engine = stack.enter_context(
                Engine(Path(given["base"]), adapters, n_ctx=given["n_ctx"])
            )
            for role in ROLES:
                engine.generate(Request(role, ids, max_tokens=_WRITTEN))
            return
        from benchmarks.plain_llama import plain_llama

        options = {"n_ctx": given["n_ctx"], "n_threads": cores(), "verbose": False}
        if "models" in given:
            # A mapped file of quantised weights would stay in memory next to the rearranged copy,
            # which would not be a fair comparison.
            options["use_mmap"] = given["mmap"]
            models = [plain_llama(model_path=path, **options) for path in given["models"].values()]
        else:
            lora = next(iter(given["adapters"].values()))
            models = [plain_llama(model_path=given["base"], lora_path=lora, **options)]
        for model in models:
            for count, _ in enumerate(model.generate(ids, temp=0.0), 1):
                if count == _WRITTEN:
                    break


if __name__ == "__main__":
    _run(sys.argv[1], json.loads(sys.argv[2]))
