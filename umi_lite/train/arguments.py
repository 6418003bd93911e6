"""A job's settings as TRL's SFTConfig."""

from pathlib import Path
from typing import Any

from umi_lite.recipe import Recipe
from umi_lite.train.backends import choose
from umi_lite.train.backends import settings as backend_settings
from umi_lite.train.plan import Job
from umi_lite.train.precision import has_gpu, precision


def arguments(recipe: Recipe, job: Job, folder: Path) -> Any:
    """The SFTConfig of a job; checkpoints go to `folder`."""
    from trl.trainer.sft_config import SFTConfig

    settings = job.settings
    kind = precision(recipe)
    at_once = 1 if choose(recipe) == "plain" else recipe.micro_batch
    return SFTConfig(
        output_dir=str(folder),
        per_device_train_batch_size=at_once,
        gradient_accumulation_steps=settings.batch // at_once,
        num_train_epochs=1,  # the items of all epochs stand one after another
        train_sampling_strategy="sequential",
        learning_rate=settings.learning_rate,
        lr_scheduler_type="cosine",
        warmup_steps=settings.warmup_ratio,
        weight_decay=settings.weight_decay,
        seed=job.seed,
        data_seed=job.seed,
        use_cpu=not has_gpu(),
        bf16=kind == "bf16",
        fp16=kind == "fp16",
        **backend_settings(recipe),
        max_length=recipe.max_length,
        packing=False,
        loss_type="nll",
        dataset_kwargs={"skip_prepare_dataset": True},
        remove_unused_columns=False,
        dataloader_pin_memory=has_gpu(),
        logging_steps=1,
        logging_nan_inf_filter=False,
        save_strategy="steps",
        save_steps=recipe.checkpoint_every,
        save_total_limit=2,
        disable_tqdm=True,
        report_to="none",
    )
