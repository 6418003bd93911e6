"""Trains a recipe's jobs one after another, into a run folder."""

import os
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from umi_lite.agent.bounds import raised, widest
from umi_lite.errors import UserError
from umi_lite.files import write_text
from umi_lite.recipe.schema import Recipe
from umi_lite.recipe.stages import JOBS
from umi_lite.train.backends import Name, choose, make, prepare_process, resolve, settle
from umi_lite.train.budget.free import free_here
from umi_lite.train.budget.peak import context_room, count_reads
from umi_lite.train.budget.shape import shape_of
from umi_lite.train.callbacks import check_report_to, forward_signals
from umi_lite.train.contexts import ContextStore
from umi_lite.train.curves import live_page, loss_svg
from umi_lite.train.dataset import (
    Ready,
    job_bounds,
    job_rows,
    make_contexts,
    make_ready,
    too_long,
)
from umi_lite.train.device import Setting
from umi_lite.train.distributed import (
    by_main,
    check_batches,
    in_turns,
    is_main,
    join,
    together,
    world_size,
)
from umi_lite.train.evaluation import held_out_rows, hold_out
from umi_lite.train.failures import report_refused_writes
from umi_lite.train.inputs import base_language, base_model, load_readable
from umi_lite.train.job import run_job
from umi_lite.train.loading import loading
from umi_lite.train.plan import START, job_data, plan
from umi_lite.train.progress import Reporter, RichReporter, Silent
from umi_lite.train.run_dir import RunDir, lock_run, read_metrics
from umi_lite.train.start import keep_start
from umi_lite.train.targets import check_targets
from umi_lite.weights.base_record import keep_record
from umi_lite.weights.gguf_to_hf import local_folder


@dataclass(frozen=True)
class Run:
    """A finished run: its folder, the four adapters by job, the seconds this call took."""

    root: Path
    adapters: Mapping[str, Path]
    seconds: float


def train(
    recipe: Recipe | None,
    run_dir: Path,
    *,
    resume: bool = False,
    reporter: Reporter | None = None,
) -> Run:
    """Train the jobs of a recipe that are not done yet.

    Args:
        recipe: may be None where a run is resumed: its own recipe is in the folder.
        resume: continue the run in `run_dir`: finished jobs are skipped, the interrupted job
            resumes at its last complete checkpoint.
        reporter: default bars on stderr. With Unsloth, which runs in a separate process,
            always bars.

    Raises:
        UserError: a wrong recipe, data without a trained token, a run folder in use or that
            cannot be written, no run to resume, or a backend that is not installed.
    """
    began = time.monotonic()
    join()
    run = RunDir(run_dir)
    with together():
        recipe = recipe and settle(recipe)
        if resume:
            recipe = run.resume(recipe)
        elif recipe is None:
            raise UserError("no recipe was given to train")
        backend = choose(recipe)
        check_report_to(recipe)
        check_batches(_batches(recipe), recipe.micro_batch if recipe.packing == "none" else 1)
    made = recipe
    with lock_run(run.root):
        if not resume:
            by_main(lambda: run.create(made))
            in_turns(lambda: run.resume(made))  # checks that all processes see its disk
        if backend == "unsloth":
            # Unsloth patches transformers for good, and must be imported before it.
            train_in_child(run.root)
        else:
            shown = (reporter or RichReporter()) if is_main() else Silent()
            try:
                run_jobs(recipe, run, backend, shown)
            finally:
                shown.end()
    adapters = {job.name: run.adapter(job.name) for job in plan(recipe)}
    return Run(run.root, adapters, time.monotonic() - began)


def _batches(recipe: Recipe) -> list[tuple[str, int]]:
    """Return each job's batch after the recipe's key for it."""
    local = recipe.stages.local
    found = []
    for job in plan(recipe):
        key = "global"
        if job.name != "global":
            own = local and getattr(local, job.name).batch
            key = f"local.{job.name}" if own else "local"
        found.append((f"stages.{key}.batch", job.settings.batch))
    return found


def run_jobs(recipe: Recipe, run: RunDir, name: Name, reporter: Reporter) -> None:
    """Run the jobs that are not done, in this process. All rows are made and checked first."""
    todo = [job for job in plan(recipe) if not run.is_done(job.name)]
    if not todo:
        reporter.note("nothing to do: all the jobs are done")
        return
    prepare_process(name)
    setting = resolve(recipe, name)
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    if world_size() > 1:
        reporter.note(f"{world_size()} processes share each step's batch")
    model = in_turns(
        lambda: base_model(recipe, lambda path: reporter.note(f"dequantising the base to {path}"))
    )
    by_main(lambda: _keep_record(run, model))
    by_main(lambda: keep_start(recipe, run.adapter(START), model))
    with together():
        check_targets(recipe, model)
    backend = make(recipe, model, setting)
    with together():
        free = free_here(setting)
        ready = make_all(recipe, model, setting, reporter, free)
    bounds = widest(r.bounds for r in ready)
    by_main(lambda: run.keep_bounds(bounds))
    if changes := raised(bounds):
        reporter.note(f"the bundle's bounds, raised to hold what is trained: {changes}")
    reporter.begin({r.job.name: sum(r.sizes) for r in ready})
    steps = {r.job.name: len(r.sizes) for r in ready}
    store = ContextStore(_room(recipe, setting, ready, free))
    with report_refused_writes(run), live_page(run, steps) as page:
        for item in ready:
            job = item.job.name
            if run.is_done(job):
                reporter.step(job, sum(item.sizes), "done before")
                continue
            run_job(recipe, item, backend, store, run, reporter, page)
            by_main(lambda: _keep_record(run, model))  # a hub model is in the cache by now
            by_main(lambda: _draw(run))


def _room(recipe: Recipe, setting: Setting, ready: list[Ready], free: int) -> int:
    """Return the bytes for contexts that jobs share; 0 for a base whose sizes are not known."""
    if not any(item.contexts for item in ready):
        return 0
    try:
        return context_room(shape_of(recipe), recipe, setting, ready, free)
    except UserError:
        return 0


def _keep_record(run: RunDir, model: str) -> None:
    with loading("weights", model):
        keep_record(run.root, local_folder(model))


def make_all(
    recipe: Recipe, model: str, setting: Setting, reporter: Reporter, free: int
) -> list[Ready]:
    """Make and check every job's rows; the reporter gets the numbers of rows and steps.

    Args:
        model: the result of `base_model`.
        free: bytes of memory, in which contexts are kept.
    """
    language = base_language(recipe, model)
    loaded = load_readable(recipe, language)
    for reason, count, first in loaded.drop_table():
        reporter.note(f"data: {count} left out: {reason} (first: {first})")
    for reason, count, first in loaded.amended_table():
        reporter.note(f"data: {count} turns {reason} (first: {first})")
    trained, held_out = hold_out(recipe, loaded.trajectories)
    jobs, ready = plan(recipe), []
    data = {job.name: job_data(recipe, job, trained) for job in jobs}
    every = {job.name: job_rows(recipe, job, data[job.name], language) for job in jobs}
    others = {job.name: held_out_rows(recipe, job, held_out, language) for job in jobs}
    sharing = [job.name for job in jobs if job.acts == "own turns"]
    contexts = make_contexts(recipe, [of[name].rows for name in sharing for of in (every, others)])
    packs = setting.backend == "plain"
    for job in jobs:
        rows, apart = every[job.name], others[job.name]
        made = make_ready(recipe, job, rows.rows, apart.rows, packs=packs, contexts=contexts)
        bounds = job_bounds(recipe, job, data[job.name], rows, language)
        ready.append(replace(made, bounds=bounds))
    if room := _room(recipe, setting, ready, free):
        ready = count_reads(shape_of(recipe), recipe, setting, ready, room)
    for made in ready:
        job = made.job
        rows, apart = every[job.name], others[job.name]
        reporter.note(
            f"{job.name}: {len(rows.rows)} rows, {rows.tokens} tokens ({rows.trained} trained), "
            f"{len(made.sizes)} steps through {sum(made.sizes)} tokens"
        )
        if apart.rows:
            reporter.note(
                f"{job.name}: {len(apart.rows)} rows held out ({apart.trained} trained tokens)"
            )
        for made_rows, where in ((rows, ""), (apart, "held out, ")):
            if made_rows.too_long:
                reporter.note(f"{job.name}: {where}left out: {too_long(recipe, made_rows)}")
    return ready


def _draw(run: RunDir) -> None:
    losses = {name: [r["loss"] for r in read_metrics(run.metrics(name))] for name in JOBS}
    write_text(run.root / "loss.svg", loss_svg({k: v for k, v in losses.items() if v}))


def train_in_child(root: Path) -> None:
    """Train the jobs of a run that are not done, in a separate process.

    Its memory is free afterwards, and its peak counts the jobs alone.

    Raises:
        UserError: it stopped; the reason was printed.
    """
    command = [sys.executable, "-m", "umi_lite.train.child", str(root)]
    # In a new session: else a terminal's Ctrl-C would reach it twice.
    with lock_run(root) as lock:
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, start_new_session=True, pass_fds=lock
        )
        with forward_signals(process):
            status = process.wait()
    if status == 130:
        raise KeyboardInterrupt
    if status == 2:
        raise UserError(f"training {root} stopped (see above for the reason)")
    if status:
        raise UserError(f"training {root} failed with status {status} (see above)")
