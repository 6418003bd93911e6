"""Each role as a model of its own, for programs that cannot load adapters: GGUF and Modelfile."""

from collections.abc import Callable, Mapping
from pathlib import Path

from umi_lite.bundle.about import About
from umi_lite.bundle.modelfile import modelfile
from umi_lite.bundle.spec import BundleSpec
from umi_lite.errors import UserError
from umi_lite.files import write_text, writing
from umi_lite.protocol.trajectory import View
from umi_lite.recipe.schema import Recipe
from umi_lite.weights.gguf_to_hf import GgufType
from umi_lite.weights.merge_hf import merge_adapter


def write_models(
    out: Path,
    spec: BundleSpec,
    recipe: Recipe,
    what: About,
    base_hf: Path,
    adapters: Mapping[View, Path],
    type: GgufType,
    note: Callable[[str], None],
) -> None:
    """Write `<role>.gguf` and `<role>.Modelfile` of each adapter that acts always.

    Args:
        out: the folder; it is created.
        base_hf: HF folder of the base, weights included.
        adapters: PEFT folders.
        note: called with what is left out, and why.

    Raises:
        UserError: see `merge_adapter`.
    """
    sharing = [view for view in adapters if spec.views[view].acts == "own turns"]
    if sharing:
        note(
            f"not merged: {', '.join(sharing)}: their adapters act in their own turns alone, "
            "which weights of their own cannot do; --merge writes those that act always"
        )
    for view, folder in adapters.items():
        if view in sharing:
            continue
        target = out / f"{view}.gguf"
        merge_adapter(
            base_hf,
            folder,
            target,
            quantization=recipe.quantization,
            type=type,
            card=what.model_fields(view, type),
            template=spec.template,
            temperature=spec.sampling.temperature,
        )
        _write_modelfile(target, view, spec, what.name, note)


def _write_modelfile(
    gguf: Path, view: View, spec: BundleSpec, name: str, note: Callable[[str], None]
) -> None:
    path = gguf.with_suffix(".Modelfile")
    path.unlink(missing_ok=True)  # an older one may be of another template
    if spec.style != "chat":
        note(f"no Modelfile for the {view}: prompts of style {spec.style} have no chat roles")
        return
    try:
        text = modelfile(gguf, view, name=name, temperature=spec.sampling.temperature)
    except UserError as err:
        note(f"no Modelfile for the {view}: {err}")
        return
    with writing(path):
        write_text(path, text)
