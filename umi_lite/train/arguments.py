"""A job's settings as TRL's SFTConfig."""

from pathlib import Path
from typing import Any

from umi_lite.recipe import Recipe
from umi_lite.train.backends import settings as backend_settings
from umi_lite.train.precision import has_gpu, precision
from umi_lite.train.processes import accumulation
from umi_lite.train.ready import Ready


def arguments(recipe: Recipe, ready: Ready, folder: Path) -> Any:
    """The SFTConfig of a job; checkpoints go to `folder`."""
    from trl.trainer.sft_config import SFTConfig

    job, settings = ready.job, ready.job.settings
    kind = precision(recipe)
    return SFTConfig(
        output_dir=str(folder),
        per_device_train_batch_size=ready.at_once,
        gradient_accumulation_steps=accumulation(settings.batch, ready.at_once),
        ddp_find_unused_parameters=False,
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
        disable_tqdm=True,
        report_to="none",  # `report_to.trackers` are added as callbacks
        project=recipe.name,
        run_name=job.name,
    )
