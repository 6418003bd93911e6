"""From a finished run to its bundle."""

import json
from collections.abc import Callable
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from umi_lite.base import EMBEDDED_HF_ID, GgufType, embedded_gguf
from umi_lite.base_record import FILE, read_record, record_of
from umi_lite.export.bundle import Bundle, write_bundle
from umi_lite.export.lora import convert_loras
from umi_lite.export.quantize import requantize
from umi_lite.export.right_base import check_right_base
from umi_lite.export.staging import scratch_folder
from umi_lite.export.trained import base_folder, check_reading, window_note
from umi_lite.protocol.errors import UserError
from umi_lite.protocol.phrases import PHRASES
from umi_lite.protocol.roles import View
from umi_lite.recipe import Recipe
from umi_lite.recipe_file import check, read_yaml
from umi_lite.recipe_names import template_text
from umi_lite.runtime.bounds import Bounds


def export_run(
    run_dir: str | Path,
    out: str | Path | None = None,
    *,
    quantize: GgufType | None = None,
    merge: bool = False,
    base: Path | None = None,
    note: Callable[[str], None] = lambda _: None,
) -> Bundle:
    """Export a finished run as a bundle, each adapter proven to change logits.

    Args:
        run_dir: `recipe.yaml`, `versions.json`, `bounds.json` and `<job>/adapter` of all the
            jobs, their phrases beside the adapters' weights.
        out: default `run_dir/bundle`.
        quantize: make the base GGUF as this type; default is the recipe's `export.quantize`
            where `base` is None.
        merge: also write each role as a model of its own to `<out>-merged/<role>.gguf`, for
            programs that take no adapters (of type `quantize`, else F16).
        base: the base GGUF; default is the recipe's `base.gguf`.
        note: called with a line that is worth reading.

    Raises:
        UserError: the run is not finished, names no base, was trained on another model or chat
            template than the base has, or a file was refused.
    """
    run_dir = Path(run_dir)
    recipe = _recipe(run_dir)
    out = Path(out) if out else run_dir / "bundle"
    jobs = recipe.stages.speakers()
    folders: dict[View, Path] = {view: run_dir / job / "adapter" for view, job in jobs.items()}
    for view, folder in folders.items():
        if not folder.is_dir():
            raise UserError(
                f"{run_dir} is not finished: job {jobs[view]} has no adapter; "
                "umi train --resume goes on with it"
            )
    learned: dict[View, Path] = {
        view: path for view, folder in folders.items() if (path := folder / PHRASES).is_file()
    }
    source = base or _base_gguf(recipe)
    wanted = quantize or (recipe.export.quantize if base is None else None)
    hf = base_folder(recipe, next(iter(folders.values())))
    odd = check_reading(recipe, hf, source)
    if odd:
        shown = ", ".join(map(repr, odd[:5])) + (", ..." if len(odd) > 5 else "")
        note(
            f"{source.name} reads {len(odd)} of the texts that were tried as other tokens than "
            f"training did: {shown}; the roles never saw these in a user's or a tool's text"
        )
    _check_base(run_dir, source, hf if merge else None, note)
    other = window_note(hf, source)
    if other:
        note(other)
    with scratch_folder(out) as work:
        converted = convert_loras(folders, hf, work / "lora")
        deployed = source
        if wanted:
            deployed = work / f"{source.stem}.{wanted}.gguf"
            requantize(source, deployed, wanted)
        bundle = write_bundle(
            out,
            base_gguf=deployed,
            adapters=converted,
            phrases=learned,
            recipe=recipe,
            hf_id=recipe.base.model or (EMBEDDED_HF_ID if recipe.base.gguf == "embedded" else None),
            tools=_toolset(recipe),
            bounds=_bounds(run_dir),
            versions=_versions(run_dir),
            template=template_text(recipe.base.template) if recipe.base.template else None,
        )
    if merge:
        from umi_lite.export.merge import merge_adapter

        for view, folder in folders.items():
            target = out.with_name(f"{out.name}-merged") / f"{view}.gguf"
            merge_adapter(
                hf, folder, target, quantization=recipe.quantization, type=wanted or "F16"
            )
    return bundle


def _recipe(run_dir: Path) -> Recipe:
    path = run_dir / "recipe.yaml"
    if not path.is_file():
        raise UserError(f"{run_dir} holds no run: it has no recipe.yaml")
    return check(Recipe, read_yaml(path), str(path))


def _base_gguf(recipe: Recipe) -> Path:
    name = recipe.base.gguf
    if name is None:
        raise UserError(
            f"recipe {recipe.name} names no base.gguf: say which one is deployed (--base FILE)"
        )
    return embedded_gguf() if name == "embedded" else Path(name).expanduser()


def _check_base(
    run_dir: Path, source: Path, merged: Path | None, note: Callable[[str], None]
) -> None:
    """Check the base GGUF, and the folder that is merged into, against what was trained on."""
    record = read_record(run_dir)
    if record is None:
        note(
            f"{run_dir} has no {FILE} (it is of an older version, or its base's weights could not "
            f"be read): that {source.name} is what it was trained on is not checked"
        )
        return
    check_right_base(record, source)
    if merged and record_of(merged) != record:
        raise UserError(
            f"base {merged} has other weights than when {run_dir} was trained: merging needs those"
        )


def _toolset(recipe: Recipe) -> str | None:
    """The source whose tools the run was trained with, where there is just one."""
    sources = {data.source for data in recipe.data}
    return sources.pop() if len(sources) == 1 else None


def _bounds(run_dir: Path) -> Bounds:
    """Bounds that hold what was trained; of a run that wrote none, the defaults."""
    path = run_dir / "bounds.json"
    if not path.is_file():
        return Bounds()
    try:
        return TypeAdapter(Bounds).validate_json(path.read_bytes())
    except ValidationError as err:
        first = err.errors()[0]
        where = ".".join(map(str, first["loc"])) or "the file"
        raise UserError(f"{path}: {where}: {first['msg']}") from None


def _versions(run_dir: Path) -> dict[str, str]:
    path = run_dir / "versions.json"
    return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
