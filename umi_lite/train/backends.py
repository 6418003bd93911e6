"""One interface to the models of both backends, and which backend a recipe runs on.

Both give a PEFT model to TRL's SFTTrainer and save ordinary PEFT adapters, so that a run may
continue with the other one.
"""

import importlib.util
import warnings
from pathlib import Path
from typing import Any, Literal, Protocol

from umi_lite.errors import Note, UserError
from umi_lite.recipe.schema import Recipe
from umi_lite.train import plain, unsloth
from umi_lite.train.activated import OwnTurns
from umi_lite.train.contexts import Contexts, ContextStore
from umi_lite.train.device import Setting, has_gpu
from umi_lite.train.distributed import is_sharded, threads, world_size

Name = Literal["plain", "unsloth"]


class Backend(Protocol):
    """Where a job's model comes from. The base is loaded once, at the first job."""

    setting: Setting
    packs: bool
    """True if it uses the attention of `attention` (shared-prefix packing)."""

    def open(self, start: Path | None, seed: int, under: Path | None = None) -> tuple[Any, Any]:
        """Return a PEFT model ready to train and its tokenizer, as if loaded for this job alone.

        Args:
            start: an adapter to continue; None initializes one, A by `seed`, B zero.
            under: an adapter that stays active and frozen under it.
        """
        ...

    def own_turns(self, contexts: Contexts, store: ContextStore) -> OwnTurns:
        """Return the collator of jobs whose adapters act on own turns.

        Args:
            contexts: of the job's rows.
            store: keeps keys from one step, epoch and job to the next.
        """
        ...

    def close(self, model: Any) -> None:
        """Release the model after a job; it stays in memory for the next one."""
        ...


def choose(recipe: Recipe) -> Name:
    """Return the backend of a recipe: `auto` is Unsloth if it is installed and there is a GPU.

    Raises:
        UserError: Unsloth was asked for and is not installed, or cannot do what the recipe says.
    """
    has_unsloth = importlib.util.find_spec("unsloth") is not None
    obstacle = _obstacle(recipe)
    if recipe.backend == "unsloth":
        if not has_unsloth:
            raise UserError("backend: unsloth is not installed (pip install --no-deps unsloth)")
        if obstacle:
            raise UserError(obstacle)
        return "unsloth"
    able = has_unsloth and not obstacle
    return "unsloth" if recipe.backend == "auto" and able and has_gpu() else "plain"


def settle(recipe: Recipe) -> Recipe:
    """Return the recipe with the local adapters that its backend can train on its base.

    `continued` ones, with a note, where Unsloth cannot train activated ones: a run has one
    backend, and its local stage does not change to another one.

    Raises:
        UserError: see `choose`; or FSDP shards the base, which has no shared contexts.
    """
    local = recipe.stages.local
    if local is None or local.adapters == "continued":
        return recipe
    window = _window(recipe) if choose(recipe) == "unsloth" else None
    if window is not None and window < recipe.max_length:
        reason = (
            f"max_length {recipe.max_length} is more than the base's attention window, {window}, "
            "which backend unsloth does not keep to in a role's own turns"
        )
        warnings.warn(Note(f"stages.local.adapters: continued, as {reason}"), stacklevel=2)
        local = local.model_copy(update={"adapters": "continued"})
        stages = recipe.stages.model_copy(update={"local": local})
        return recipe.model_copy(update={"stages": stages})
    if is_sharded():
        raise UserError(
            "stages.local.adapters: activated does not train with FSDP; use DDP (one base per "
            "process), or adapters: continued"
        )
    return recipe


def _window(recipe: Recipe) -> int | None:
    """Return how many tokens the base's windowed layers see; None is all."""
    from transformers import AutoConfig

    if recipe.base.model is None:
        return None  # a GGUF, of an architecture without windows
    try:
        config = AutoConfig.from_pretrained(str(recipe.base.model)).get_text_config()
    except (OSError, ValueError):
        return None  # what loads the base says what is wrong with it
    return getattr(config, "sliding_window", None)


def resolve(recipe: Recipe, backend: Name | None = None) -> Setting:
    """Return what the recipe's device, backend, precision and optimizer are on this machine.

    `auto` is bf16 where the GPU has it, fp32 on a CPU; and 8-bit AdamW on a GPU.

    A GPU gets a CUDA context for it.

    Args:
        backend: the result of `choose`, where it is known already.

    Raises:
        UserError: see `choose`; or 8-bit AdamW was asked for without bitsandbytes.
    """
    name, on_gpu = backend or choose(recipe), has_gpu()
    has_bitsandbytes = importlib.util.find_spec("bitsandbytes") is not None
    optimizer = recipe.optimizer
    if optimizer == "auto":
        optimizer = "adamw_8bit" if on_gpu and has_bitsandbytes else "adamw"
    if optimizer == "adamw_8bit" and not has_bitsandbytes:
        raise UserError("optimizer: adamw_8bit needs bitsandbytes (pip install bitsandbytes)")
    precision = _best_precision() if recipe.precision == "auto" else recipe.precision
    return Setting("cuda" if on_gpu else "cpu", name, precision, optimizer)


def _best_precision() -> Literal["fp32", "bf16", "fp16"]:
    import torch

    if not torch.cuda.is_available():
        return "fp32"
    return "bf16" if torch.cuda.is_bf16_supported() else "fp16"


def _obstacle(recipe: Recipe) -> str | None:
    """Return what the recipe asks for and Unsloth cannot do."""
    if recipe.packing == "shared_prefix":
        return "packing: shared_prefix needs backend plain; unsloth has no such attention"
    if recipe.decision_weight != 1:
        return (
            f"decision_weight: {recipe.decision_weight:g} needs backend plain; the loss that "
            "unsloth computes inside the model weighs all tokens alike"
        )
    if world_size() > 1:
        return (
            f"backend: unsloth trains in one process here; {world_size()} processes "
            "need -o backend=plain"
        )
    return None


def make(recipe: Recipe, model: str, setting: Setting) -> Backend:
    """Create the backend for a base model (a folder or hub id)."""
    made = plain.Plain if setting.backend == "plain" else unsloth.Unsloth
    return made(recipe, model, setting)


def settings(recipe: Recipe, setting: Setting) -> dict[str, Any]:
    """Return SFTConfig's arguments for the optimizer and gradient checkpointing.

    Unsloth sets up its own checkpointing in the model and reads only the switch.
    """
    made = {
        "optim": {"adamw": "adamw_torch_fused"}.get(setting.optimizer, setting.optimizer),
        "gradient_checkpointing": recipe.gradient_checkpointing,
    }
    return made | (plain.settings(recipe) if setting.backend == "plain" else {})


def prepare_process(name: Name) -> None:
    """Import Unsloth before anything that it patches; use all the cores of this process."""
    if name == "unsloth":
        unsloth.prepare()
    import torch

    if not torch.cuda.is_available():
        torch.set_num_threads(threads())
