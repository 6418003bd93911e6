"""A recipe's jobs in order, with their settings: the four of GLPFT, or a variant's."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from umi_lite.protocol.trajectory import ROLES, Acts, Trajectory, View
from umi_lite.recipe.schema import Recipe
from umi_lite.recipe.stages import JobName, Stage

START: Literal["start"] = "start"
"""The adapter that `stages.global.start` names, as a folder of the run (`start.keep_start`)."""


@dataclass(frozen=True)
class Job:
    """One adapter to train on the samples of `views`.

    Attributes:
        start: the job whose adapter is copied, or `START`; None initializes a new one.
        acts: `own turns` trains an adapter that is active only where its role speaks.
        under: the job whose adapter stays active, frozen, under one that acts on own turns;
            None is the base alone.
        start_share: share of the start's weights in the finished adapter.
    """

    name: JobName
    views: tuple[View, ...]
    start: JobName | Literal["start"] | None
    settings: Stage
    seed: int
    acts: Acts = "always"
    under: JobName | None = None
    start_share: float = 0.0

    @property
    def transcript(self) -> View | None:
        """The view whose system message its samples have; None is each view's own."""
        return None if self.acts == "always" else "backbone"


def plan(recipe: Recipe) -> list[Job]:
    """Return the jobs in order: global, then each role from the global adapter.

    A stage that the recipe leaves out has no job; without the global one a role starts from a new
    adapter.
    """
    first, local = recipe.stages.global_, recipe.stages.local
    jobs: list[Job] = []
    if first:
        views: tuple[View, ...] = ("backbone",) if first.samples == "trajectories" else ROLES
        start, share = (START, first.start_share) if first.start else (None, 0.0)
        jobs.append(Job("global", views, start, first, recipe.seed, start_share=share))
    if local:
        before: JobName | None = "global" if first else None
        for i, role in enumerate(ROLES, 1):
            settings, seed = local.of(role), recipe.seed + i
            if recipe.stages.acts(role) == "always":
                jobs.append(Job(role, (role,), before, settings, seed))
            else:
                jobs.append(Job(role, (role,), None, settings, seed, "own turns", before))
    return jobs


def job_data(recipe: Recipe, job: Job, data: Sequence[Trajectory]) -> Sequence[Trajectory]:
    """Return the trajectories of a job: all, or one half for each stage without reuse."""
    if not recipe.stages.reuse:
        data = data[0::2] if job.name == "global" else data[1::2]
    return data[: job.settings.max_samples]


def _layers(recipe: Recipe) -> str:
    local = recipe.stages.local
    count = local.last_layers if local else None
    return f" and its last {count} layers" if count else ""


def describe(recipe: Recipe) -> list[str]:
    """Return the plan in lines, as `umi train --dry-run` prints it."""
    base = recipe.base.model or f"the GGUF {recipe.base.gguf}, dequantised"
    lines = [
        f"recipe {recipe.name}: seed {recipe.seed}, style {recipe.style}",
        f"base: {base}; quantization {recipe.quantization}, precision {recipe.precision}, "
        f"backend {recipe.backend}, optimizer {recipe.optimizer}, gradient checkpointing "
        f"{'on' if recipe.gradient_checkpointing else 'off'}",
    ]
    for data in recipe.data:
        options = ", ".join(f"{key} {value}" for key, value in data.options().items())
        lines.append(f"data: {data.source} ({options or 'all of it'})")
    lora = recipe.lora
    targets = lora.targets if isinstance(lora.targets, str) else ", ".join(lora.targets)
    lines.append(f"lora: r {lora.r}, alpha {lora.alpha}, dropout {lora.dropout}, on {targets}")
    lines.append(
        f"rows: at most {recipe.max_length} tokens (longer ones: {recipe.too_long}), "
        f"packing {recipe.packing} (up to {recipe.packed_length}), "
        f"micro-batch {recipe.micro_batch}, decision weight {recipe.decision_weight:g}"
    )
    validation = recipe.validation
    if validation.share:
        kept = "the lowest" if validation.keep == "best" else "the last"
        lines.append(
            f"validation: {validation.share:.0%} of the trajectories held out, evaluation loss "
            f"every {validation.every} steps; a job ends with the adapter of {kept}"
        )
    for number, job in enumerate(plan(recipe), 1):
        s = job.settings
        start = "a new adapter" if job.start is None else f"a copy of {job.start}"
        if job.start == START and recipe.stages.global_:
            start = f"a copy of the global adapter of {recipe.stages.global_.start}"
            share = job.start_share
            start += f", averaged with it at the end ({share:g} of it)" * bool(share)
        if job.acts == "own turns":
            start += f" over {job.under or 'the base'}, active in its own turns"
            start += _layers(recipe)
        limits = [f"max {s.max_samples} samples"] * bool(s.max_samples)
        limits += [f"max {s.max_steps} steps"] * bool(s.max_steps)
        limits += [f"max {s.max_trained_tokens} trained tokens"] * bool(s.max_trained_tokens)
        rows = "" if len(job.views) == 1 else f" on the samples of {', '.join(job.views)}"
        lines.append(
            f"job {number} {job.name}: {start}{rows}, rate {s.learning_rate:g}, "
            f"epochs {s.epochs:g}, batch {s.batch}, warm-up {s.warmup_ratio:g}, "
            f"decay {s.weight_decay:g}, seed {job.seed}{''.join(f', {limit}' for limit in limits)}"
        )
    return lines
