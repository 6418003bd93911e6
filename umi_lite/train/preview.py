"""Rendered samples, as data or in colour with token counts."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any, cast

from umi_lite.agent.show import show_steps
from umi_lite.data.leaks import Leak
from umi_lite.data.load import load_source
from umi_lite.data.rows import Loaded
from umi_lite.data.why_nothing import why_nothing
from umi_lite.errors import UserError
from umi_lite.protocol.prompts import render
from umi_lite.protocol.roles import tool_line
from umi_lite.protocol.template import Rendered, Tokenizer
from umi_lite.protocol.trajectory import VIEWS, Trajectory, View
from umi_lite.recipe.schema import Base, Data, Recipe
from umi_lite.sandbox.text import visible
from umi_lite.train.evaluation import hold_out
from umi_lite.train.inputs import base_language, base_model, load_readable
from umi_lite.train.plan import plan
from umi_lite.train.tokenizer import Language

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

STYLES = {"trained": "green", "masked": "dim", "left out": "red"}


@dataclass(frozen=True)
class Counts:
    """Tokens of a sample: `trained + masked + left_out` is its whole length."""

    trained: int
    masked: int
    left_out: int


def kinds(sample: Rendered, max_length: int) -> list[str]:
    """Return each token's kind: `trained`, `masked`, or `left out` in a sample that is too long."""
    if len(sample.ids) > max_length:
        return ["left out"] * len(sample.ids)
    return ["trained" if own else "masked" for own in sample.mask]


def counts(sample: Rendered, max_length: int) -> Counts:
    """Count a sample's tokens of each kind."""
    names = kinds(sample, max_length)
    return Counts(*(names.count(kind) for kind in STYLES))


def coloured(sample: Rendered, tokenizer: Tokenizer, max_length: int) -> "Text":
    """Return the sample's text: trained green, masked dim, too long red."""
    from rich.text import Text

    text = Text()
    for kind, ids in runs(sample, max_length):
        text.append(visible(tokenizer.decode(ids)), style=STYLES[kind])
    return text


def runs(sample: Rendered, max_length: int) -> list[tuple[str, list[int]]]:
    """Group neighbouring tokens of one kind: a character may span several tokens."""
    grouped: list[tuple[str, list[int]]] = []
    for name, token in zip(kinds(sample, max_length), sample.ids, strict=True):
        if not grouped or grouped[-1][0] != name:
            grouped.append((name, []))
        grouped[-1][1].append(token)
    return grouped


def show(recipe: Recipe, role: str, n: int, console: "Console") -> None:
    """Print the first n samples that a recipe trains a role on, and the counts of all.

    Raises:
        UserError: no such role, or data or base that cannot be read.
    """
    from rich.text import Text

    view = _view(role)
    job = next((job for job in plan(recipe) if view in job.views), None)
    transcript = job and job.transcript
    language = base_language(recipe, base_model(recipe))
    samples = [
        (trajectory.id, sample)
        for trajectory in hold_out(recipe, load_readable(recipe, language).trajectories)[0]
        if (sample := render(trajectory, view, language.template, language.tokenizer, transcript))
    ]
    for number, (name, sample) in enumerate(islice(samples, n), 1):
        count = counts(sample, recipe.max_length)
        console.rule(
            Text.assemble(
                f"sample {number}, {visible(name)}: ",
                *((f"{count.trained} trained", STYLES["trained"]), ", "),
                *((f"{count.masked} masked", STYLES["masked"]), ", "),
                (f"{count.left_out} left out", STYLES["left out"]),
            )
        )
        console.print(coloured(sample, language.tokenizer, recipe.max_length))
    every = [counts(sample, recipe.max_length) for _, sample in samples]
    console.rule(f"all {len(samples)} samples of {view}")
    console.print(
        f"{sum(c.trained for c in every)} trained, {sum(c.masked for c in every)} masked, "
        f"{sum(c.left_out for c in every)} tokens left out; "
        f"{sum(c.left_out > 0 for c in every)} samples are longer than {recipe.max_length}"
    )


def show_tasks(source: str, options: Mapping[str, Any], console: "Console") -> None:
    """Print a source's trajectories: each one's tools, then its turns.

    Raises:
        UserError: no such source, options that it does not take, or no trajectory in it.
    """
    from rich.text import Text

    loaded = load_source(source, options)
    if not loaded.trajectories:
        raise UserError(f"no trajectories: {why_nothing(source, options, loaded)}")
    for number, trajectory in enumerate(loaded.trajectories, 1):
        console.rule(Text(f"task {number}, {visible(trajectory.id)}"), align="left")
        for tool in trajectory.tools:
            console.out(visible(tool_line(tool)), style="dim", highlight=False)
        show_steps(trajectory, console)


def leak_table(leaks: Sequence[Leak]) -> "Table | str":
    """Return a table with one row per leak, or a line if there is none."""
    from rich.table import Table
    from rich.text import Text

    if not leaks:
        return "no training task is in the held-out data"
    exact = sum(leak.exact for leak in leaks)
    title = f"training tasks in the held-out data: {len(leaks)}, word for word {exact}"
    table = Table("trained", "held out", "similarity", "instruction", title=title)
    for leak in leaks:
        instruction = " ".join(leak.trained.instruction.split())[:80]
        texts = (leak.trained.id, leak.held_out.id, f"{leak.similarity:.2f}", instruction)
        table.add_row(*(Text(visible(text)) for text in texts))
    return table


def rendered(
    source: str, options: Mapping[str, Any], role: str, style: str
) -> tuple[Loaded, Iterator[dict[str, Any]]]:
    """Return what was loaded of a source and its samples as JSON values.

    Style `paper`: `input, target`, the official samples. Style `chat`: `prompt, ids, mask`
    in the embedded model's tokens.

    Raises:
        UserError: no such source, role or style, or options that the source does not take.
    """
    view = _view(role)
    if style not in ("chat", "paper"):
        raise UserError(f"no style {style!r}; there are chat, paper")
    exact = source.startswith("toolbench") and style == "paper"
    loaded = load_source(source, {**options, **({"keep_bad_arguments": True} if exact else {})})
    if not loaded.trajectories:
        raise UserError(f"no trajectories: {why_nothing(source, options, loaded)}")
    if style == "paper":
        return loaded, _paper(loaded.trajectories, view)
    recipe = Recipe(name="embedded", base=Base(gguf="embedded"), data=(Data(source="toolworld"),))
    return loaded, _chat(loaded.trajectories, view, base_language(recipe, base_model(recipe)))


def _paper(trajectories: Sequence[Trajectory], view: View) -> Iterator[dict[str, Any]]:
    from umi_lite.protocol.paper import samples

    for trajectory in trajectories:
        yield from (sample._asdict() for sample in samples(trajectory, view))


def _chat(
    trajectories: Sequence[Trajectory], view: View, language: Language
) -> Iterator[dict[str, Any]]:
    for trajectory in trajectories:
        sample = render(trajectory, view, language.template, language.tokenizer)
        if sample is not None:
            prompt = "".join(piece.text for piece in sample.pieces)
            yield {"prompt": prompt, "ids": sample.ids, "mask": sample.mask}


def _view(role: str) -> View:
    if role not in VIEWS:
        raise UserError(f"no role {role!r}; there are {', '.join(VIEWS)}")
    return cast(View, role)
