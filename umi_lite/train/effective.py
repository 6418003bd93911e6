"""What a trainer will really do, read back from it: a backend may have changed what was asked."""

from typing import Any

from umi_lite.protocol.errors import UserError
from umi_lite.recipe import Recipe
from umi_lite.train import backends
from umi_lite.train.collate import PackCollator
from umi_lite.train.padding_free import JoinedCollator
from umi_lite.train.precision import precision


def effective(trainer: Any, recipe: Recipe, longest: int) -> str:
    """The settings that count, in one line; what is not as asked is told as such.

    Args:
        longest: tokens of the longest row of the job.

    Raises:
        UserError: the trainer or the model would cut rows that the recipe does not cut.
    """
    args, model = trainer.args, trainer.model
    _no_cut(trainer, recipe, longest)
    trained, parameters = model.get_nb_trainable_parameters()
    asked, got = _asked(recipe), _got(trainer)
    over = "" if got["quantization"] == "none" else f" over {got['quantization']} weights"
    checkpointing = ["gradient checkpointing"] * (got["gradient checkpointing"] == "on")
    said = [
        f"{trained / 1e6:.2f}M of {parameters / 1e6:.0f}M parameters trained",
        got["precision"] + over,
        f"longest row {longest} tokens",
        f"{args.gradient_accumulation_steps} x {args.per_device_train_batch_size} in a step",
        got["optimizer"],
        _rows(trainer, recipe),
        *checkpointing,
        f"attention {getattr(model.config, '_attn_implementation', None) or 'of its own'}",
    ]
    changed = [
        f"asked {name} {asked[name]}, got {got[name]}" for name in asked if asked[name] != got[name]
    ]
    return ", ".join(said) + "".join(f"; {text}" for text in changed)


def _no_cut(trainer: Any, recipe: Recipe, longest: int) -> None:
    limits = {
        "the trainer's max_length": trainer.args.max_length,
        "the model's max_seq_length": getattr(trainer.model, "max_seq_length", None),
        "the model's positions": getattr(trainer.model.config, "max_position_embeddings", None),
    }
    for name, limit in limits.items():
        if limit is not None and limit < min(longest, recipe.max_length):
            raise UserError(
                f"rows of {longest} tokens would be cut: {name} is {limit}, the recipe's "
                f"max_length {recipe.max_length}; lower it, or take a base that reads more"
            )


def _asked(recipe: Recipe) -> dict[str, str]:
    return {
        "precision": precision(recipe),
        "quantization": recipe.quantization,
        "optimizer": "adamw_8bit" if "8bit" in backends.optimizer(recipe) else "adamw",
        "gradient checkpointing": "on" if recipe.gradient_checkpointing else "off",
    }


def _got(trainer: Any) -> dict[str, str]:
    args, model = trainer.args, trainer.model
    four_bit = any(type(module).__name__ == "Linear4bit" for module in model.modules())
    checkpointing = args.gradient_checkpointing or any(
        getattr(module, "gradient_checkpointing", False) for module in model.modules()
    )
    return {
        "precision": "bf16" if args.bf16 else "fp16" if args.fp16 else "fp32",
        "quantization": "4bit" if four_bit else "none",
        "optimizer": _optimizer(trainer),
        "gradient checkpointing": "on" if checkpointing else "off",
    }


def _optimizer(trainer: Any) -> str:
    """What the trainer will make: the class, and how wide bitsandbytes keeps the moments."""
    made, options = trainer.get_optimizer_cls_and_kwargs(trainer.args, trainer.model)
    if "adamw" not in made.__name__.lower():
        return made.__name__
    eight = options.get("optim_bits") == 8 or "8bit" in made.__name__.lower()
    return "adamw_8bit" if eight else "adamw"


def _rows(trainer: Any, recipe: Recipe) -> str:
    """How the rows of a micro-batch lie in it."""
    args, collator = trainer.args, trainer.data_collator.collator
    packs = isinstance(collator, PackCollator)
    if packs and recipe.packing != "none":
        return "packed behind shared prefixes"
    if args.per_device_train_batch_size == 1 and not args.packing:
        return "row by row"
    return "padding-free" if packs or isinstance(collator, JoinedCollator) else "padded"
