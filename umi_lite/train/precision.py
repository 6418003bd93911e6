"""What this machine computes in."""

from typing import Any, Literal

from umi_lite.recipe import Recipe


def has_gpu() -> bool:
    import torch

    return torch.cuda.is_available()


def precision(recipe: Recipe) -> Literal["fp32", "bf16", "fp16"]:
    """The recipe's precision, `auto` resolved: bf16 where the GPU has it, fp32 on a CPU."""
    if recipe.precision != "auto":
        return recipe.precision
    import torch

    if not torch.cuda.is_available():
        return "fp32"
    return "bf16" if torch.cuda.is_bf16_supported() else "fp16"


def dtype_of(recipe: Recipe) -> Any:
    """The base's torch dtype for the recipe's precision."""
    import torch

    kinds = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}
    return kinds[precision(recipe)]
