"""Three roles with all layers on the card: speed and memory, next to three separate models.

    python -m benchmarks.gpu.llama_cuda build     (llama.cpp with CUDA, once; or make GPU=1)
    python -m benchmarks.gpu.inference [--bundle runs/quickstart/bundle]

The embedded model, or a bundle, and a 7B shape in Q4_0 with random weights, each as one base with
three adapters that are active over a global one in their roles' turns, as one base with three
adapters that always are, and as three models. It fails if the layers are not on the card.
"""

import argparse
import json
from functools import partial
from pathlib import Path

from benchmarks.gpu.common import (
    HERE,
    Figures,
    Options,
    Part,
    arguments,
    child,
    last_line,
    main_of,
    python,
    run_parts,
)
from benchmarks.shapes import SHAPES, Shape, write_adapter, write_model
from umi_lite.bundle.bundle import load_bundle
from umi_lite.errors import UserError
from umi_lite.protocol.trajectory import ROLES, VIEWS
from umi_lite.weights.embedded import embedded_gguf

_EMBEDDED = Shape(width=576, layers=30, heads=9, kv_heads=3, inner=1536)
_TINY = Shape(width=128, layers=2, heads=2, kv_heads=1, inner=256)
Files = tuple[Path, dict[str, Path]]


def main() -> int:
    options = arguments(__doc__ or "", _own)
    sizes = {"n_ctx": 2048, "read": 512, "written": 64, "rounds": 4}
    if options.tiny:
        sizes = {"n_ctx": 256, "read": 64, "written": 8, "rounds": 1}
    models = {"tiny": partial(_shape, options, "tiny", _TINY)}
    if not options.tiny:
        models = {
            options.more.bundle.name if options.more.bundle else "embedded": partial(
                _small, options
            ),
            "7b shape": partial(_shape, options, "7b", SHAPES["7b"]),
        }
    parts: dict[str, Part] = {}
    for name, files in models.items():
        parts[f"{name}, one transcript"] = partial(_shared, options, name, files, sizes)
        parts[f"{name}, three roles"] = partial(_roles, options, name, files, sizes)
        parts[f"{name}, three models"] = partial(_models, options, name, files, sizes)
    return run_parts(
        "inference", options, {**sizes, "bundle": str(options.more.bundle or "")}, parts
    )


def _own(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--bundle", type=Path, help="a bundle instead of the embedded model")


def _small(options: Options) -> Files:
    if options.more.bundle:
        bundle = load_bundle(options.more.bundle)
        return bundle.base, {view: bundle.adapters[view] for view in VIEWS}
    return embedded_gguf(), _adapters(options, "embedded", _EMBEDDED)


def _shape(options: Options, name: str, shape: Shape) -> Files:
    base = options.work / "gguf" / f"{name}.gguf"
    if not base.exists():
        write_model(shape, base)
    return base, _adapters(options, name, shape)


def _adapters(options: Options, name: str, shape: Shape) -> dict[str, Path]:
    made = {view: options.work / "gguf" / f"{name}-{view}.gguf" for view in VIEWS}
    for seed, path in enumerate(made.values()):
        if not path.exists():
            write_adapter(shape, path, seed)
    return made


def _shared(options: Options, name: str, files: partial[Files], sizes: Figures) -> Figures:
    base, adapters = files()
    named = {view: str(path) for view, path in adapters.items()}
    views = {"backbone": named.pop("backbone")}
    setup = {"base": str(base), "adapters": views, "roles": named, "models": {}}
    return _measure(options, name, {**setup, **sizes})


def _roles(options: Options, name: str, files: partial[Files], sizes: Figures) -> Figures:
    base, adapters = files()
    named = {role: str(adapters[role]) for role in ROLES}
    setup = {"base": str(base), "adapters": named, "roles": {}, "models": {}}
    return _measure(options, name, {**setup, **sizes})


def _models(options: Options, name: str, files: partial[Files], sizes: Figures) -> Figures:
    """Measure three models; a card shares nothing, so three names of one file serve as well."""
    base, _ = files()
    names = {
        role: options.work / "gguf" / f"{name}-as-{role}.gguf".replace(" ", "-") for role in ROLES
    }
    for path in names.values():
        path.unlink(missing_ok=True)
        path.symlink_to(base)
    models = {role: str(path) for role, path in names.items()}
    setup = {"base": models["planner"], "adapters": dict.fromkeys(ROLES), "roles": {}}
    return _measure(options, name, {**setup, "models": models, **sizes})


def _measure(options: Options, name: str, setup: Figures) -> Figures:
    kind = "models" if setup["models"] else "shared" if setup["roles"] else "roles"
    log = options.work / "inference" / f"{name}-{kind}.txt"
    log.unlink(missing_ok=True)
    status = child(python(str(HERE / "inference_setup.py"), json.dumps(setup)), options, log)
    said = last_line(log)
    if status and "memory" in said:
        return {"out of memory": said}
    if status:
        raise UserError(f"status {status}: {said}")
    # CUDA may have printed lines of its own.
    lines = log.read_text(errors="replace").splitlines()
    figures = json.loads(next(line for line in reversed(lines) if line.startswith("{")))
    if not options.tiny and not figures["offloaded"]:
        raise UserError(
            f"only {figures['taken on the card, MiB']} of {figures['weights, MiB']} MiB of weights "
            "are on the card: build llama.cpp with CUDA (benchmarks/gpu/llama_cuda.py build)"
        )
    return figures


if __name__ == "__main__":
    main_of(main)
