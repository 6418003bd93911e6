"""`umi data preview --html`: what each role trains on, as one page to open in a browser."""

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from umi_lite.data.rows import Loaded
from umi_lite.files import write_text, writing
from umi_lite.protocol.template import Tokenizer
from umi_lite.protocol.trajectory import VIEWS, Trajectory, View
from umi_lite.recipe.schema import Recipe
from umi_lite.train.evaluation import hold_out
from umi_lite.train.inputs import base_language, base_model, load_readable
from umi_lite.train.plan import Job, plan
from umi_lite.train.preview import counts, runs
from umi_lite.train.samples import renderings
from umi_lite.train.tokenizer import Language
from umi_lite.webpage import json_block, web_page

_LONG = 2  # samples that are too long, after the first n


@dataclass(frozen=True)
class RolePreview:
    """What a view trains on.

    Attributes:
        trained, masked, left_out: tokens of all samples.
        lengths: tokens of each sample, in the data's order.
        too_long: samples that are left out because they are longer than `max_length`.
        silent: trajectories in which the view does not speak.
        samples: the first ones, and the first that are too long: `name`, their counts, and `runs`
            of (kind, text).
    """

    view: View
    trained: int
    masked: int
    left_out: int
    lengths: list[int]
    too_long: int
    silent: int
    samples: list[dict[str, Any]]


def write_preview(recipe: Recipe, n: int, out: Path) -> list[RolePreview]:
    """Write the page of a recipe's training samples, and return what it shows.

    Args:
        n: samples of each role that are shown whole.

    Raises:
        UserError: data or base that cannot be read, or a page that cannot be written.
    """
    language = base_language(recipe, base_model(recipe))
    loaded = load_readable(recipe, language)
    trained = hold_out(recipe, loaded.trajectories)[0]
    jobs = {view: job for job in reversed(plan(recipe)) for view in job.views}
    roles = [
        _role(recipe, jobs[view], view, trained, language, n) for view in VIEWS if view in jobs
    ]
    data = {
        "recipe": recipe.name,
        "style": recipe.style,
        "max_length": recipe.max_length,
        "trajectories": len(trained),
        "held_out": len(loaded.trajectories) - len(trained),
        "lost": _lost(loaded),
        "roles": [asdict(role) for role in roles],
    }
    text = json.dumps(data, ensure_ascii=False)
    with writing(out):
        out.parent.mkdir(parents=True, exist_ok=True)
        write_text(out, web_page("umi_lite.train", "preview", [json_block(text, id="preview")]))
    return roles


def _lost(loaded: Loaded) -> list[dict[str, Any]]:
    """Return what was dropped or amended: why, how many, and where the first one is."""
    tables = {"row left out": loaded.drop_table(), "turn amended": loaded.amended_table()}
    return [
        {"what": what, "why": why, "count": count, "first": first}
        for what, table in tables.items()
        for why, count, first in table
    ]


def _role(
    recipe: Recipe,
    job: Job,
    view: View,
    trajectories: Iterable[Trajectory],
    language: Language,
    n: int,
) -> RolePreview:
    every: list[tuple[str, Any]] = []
    silent = 0
    for trajectory in trajectories:
        made = renderings(trajectory, view, language, recipe.style, job.transcript)
        silent += not made
        every += [(trajectory.id, sample) for sample in made]
    counted = [counts(sample, recipe.max_length) for _, sample in every]
    pairs = list(zip(every, counted, strict=True))
    long = [pair for pair in pairs[n:] if pair[1].left_out]
    return RolePreview(
        view=view,
        trained=sum(count.trained for count in counted),
        masked=sum(count.masked for count in counted),
        left_out=sum(count.left_out for count in counted),
        lengths=[len(sample.ids) for _, sample in every],
        too_long=sum(count.left_out > 0 for count in counted),
        silent=silent,
        samples=[
            {"name": name, **asdict(count), "runs": _texts(sample, language.tokenizer, recipe)}
            for (name, sample), count in [*pairs[:n], *long[:_LONG]]
        ],
    )


def _texts(sample: Any, tokenizer: Tokenizer, recipe: Recipe) -> list[tuple[str, str]]:
    return [(kind, tokenizer.decode(ids)) for kind, ids in runs(sample, recipe.max_length)]
