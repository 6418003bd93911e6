"""The adapter that a run starts from: a bundle's global one, kept in the run's folder."""

from pathlib import Path

from umi_lite.bundle.spec import base_of, bundle_folder, read_spec
from umi_lite.bundle.verify import verified
from umi_lite.errors import UserError
from umi_lite.recipe.schema import Recipe
from umi_lite.weights.base_record import check_right_base, record_of
from umi_lite.weights.gguf_to_hf import local_folder
from umi_lite.weights.gguf_to_lora import lora_folder


def keep_start(recipe: Recipe, target: Path, model: str) -> None:
    """Write the adapter that `stages.global.start` names into the run, once.

    The run then resumes without the bundle.

    Args:
        target: the adapter's folder, kept if it is there.
        model: the result of `base_model`.

    Raises:
        UserError: no such bundle, one of another base, or one without a global adapter.
    """
    first = recipe.stages.global_
    if first is None or first.start is None or target.is_dir():
        return
    bundle = bundle_folder(Path(first.start))
    spec = read_spec(bundle)
    if "backbone" not in spec.views:
        raise UserError(
            f"stages.global.start: {first.start} has no global adapter; it has: "
            f"{', '.join(spec.views)}"
        )
    folder = local_folder(model)
    if folder is None:
        raise UserError(f"stages.global.start: the base {model} is not on this machine yet")
    adapter = bundle / spec.views["backbone"].file
    verified(adapter, spec.views["backbone"], "global adapter")
    if record := record_of(folder):
        check_right_base(record, base_of(bundle, spec))
    target.parent.mkdir(exist_ok=True)
    lora_folder(adapter, folder, target)
