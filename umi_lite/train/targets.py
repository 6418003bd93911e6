"""Which linear layers of a base a recipe adapts."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from umi_lite.errors import UserError
from umi_lite.recipe.schema import Recipe


@dataclass(frozen=True)
class Targets:
    """What to adapt, as PEFT takes it.

    Attributes:
        modules: the linear layers.
        layers: the numbers of the layers; None is all of them.
    """

    modules: str | list[str]
    layers: list[int] | None


def targets_of(recipe: Recipe, model: Any, under: Path | None = None) -> Targets:
    """Return what an adapter of a recipe adapts.

    Args:
        model: the base.
        under: the adapter under one that acts on own turns: it has the same linear layers.

    Raises:
        UserError: the base has fewer layers than the recipe wants adapted.
    """
    own = recipe.of_own_turns()
    if under is None or own == recipe:
        named = recipe.lora.targets
        names = named if isinstance(named, str) else list(named)
        return Targets(names, _layers(recipe, model))
    config = json.loads((under / "adapter_config.json").read_text(encoding="utf-8"))
    # Of "all-linear" PEFT writes whole names, which `layers_to_transform` does not filter.
    names = sorted({name.rpartition(".")[2] for name in config["target_modules"]})
    return Targets(names, _layers(own, model))


def _layers(recipe: Recipe, model: Any) -> list[int] | None:
    wanted = recipe.lora.last_layers
    if wanted is None:
        return None
    count = model.config.num_hidden_layers
    if wanted > count:
        raise UserError(f"last_layers is {wanted}, but the base has {count} layers")
    return list(range(count - wanted, count))


def check_targets(recipe: Recipe, model: str) -> None:
    """Check that each name matches linear layers within the base's blocks, without weights.

    Args:
        model: folder or hub id of the base.

    Raises:
        UserError: a name that matches nothing, or an embedding, a norm or lm_head.
    """
    if isinstance(recipe.lora.targets, str):
        return
    base = _without_weights(model)
    head = base.get_output_embeddings()
    modules = {name: module for name, module in base.named_modules() if name}
    able = {name for name, m in modules.items() if _is_linear(m) and m is not head}
    known = ", ".join(sorted({name.rpartition(".")[2] for name in able}))
    for target in recipe.lora.targets:
        matched = [name for name in modules if name == target or name.endswith(f".{target}")]
        if not matched:
            raise UserError(f"lora.targets: the base has no module {target!r}; it has: {known}")
        wrong = [name for name in matched if name not in able]
        if wrong:
            kind = type(modules[wrong[0]]).__name__
            raise UserError(
                f"lora.targets: {target!r} is {wrong[0]} ({kind}); adapters on embeddings, norms, "
                f"whole blocks and lm_head do not convert to GGUF; it can be: {known}"
            )


def _is_linear(module: Any) -> bool:
    import torch

    return isinstance(module, torch.nn.Linear)


def _without_weights(model: str) -> Any:
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM

    try:
        config = AutoConfig.from_pretrained(model)
        with torch.device("meta"):
            return AutoModelForCausalLM.from_config(config)
    except (OSError, ValueError) as err:
        reason = (str(err).strip().splitlines() or [type(err).__name__])[0]
        raise UserError(f"the base model {model} cannot be loaded: {reason}") from err
