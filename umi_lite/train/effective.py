"""What a trainer will really do, read back from it: a backend may have changed what was asked."""

from typing import Any

from umi_lite.protocol.errors import UserError
from umi_lite.recipe import Recipe


def effective(trainer: Any, recipe: Recipe, longest: int) -> str:
    """The settings that count, in one line.

    Args:
        longest: tokens of the longest row of the job.

    Raises:
        UserError: the trainer or the model would cut rows that the recipe does not cut.
    """
    args, model = trainer.args, trainer.model
    limits = {
        "the trainer's max_length": args.max_length,
        "the model's max_seq_length": getattr(model, "max_seq_length", None),
        "the model's positions": getattr(model.config, "max_position_embeddings", None),
    }
    for name, limit in limits.items():
        if limit is not None and limit < min(longest, recipe.max_length):
            raise UserError(
                f"rows of {longest} tokens would be cut: {name} is {limit}, the recipe's "
                f"max_length {recipe.max_length}; lower it, or take a base that reads more"
            )
    trained, parameters = model.get_nb_trainable_parameters()
    precision = "bf16" if args.bf16 else "fp16" if args.fp16 else "fp32"
    said = [
        f"{trained / 1e6:.2f}M of {parameters / 1e6:.0f}M parameters trained",
        precision + (" over 4-bit weights" if recipe.quantization == "4bit" else ""),
        f"longest row {longest} tokens",
        f"{args.gradient_accumulation_steps} x {args.per_device_train_batch_size} in a step",
        str(getattr(args.optim, "value", args.optim)),
    ]
    for name in ("packing", "padding_free", "gradient_checkpointing"):
        said += [name.replace("_", " ")] * bool(getattr(args, name, False))
    return ", ".join(said)
