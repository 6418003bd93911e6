"""The examples in docs/architecture.md are made by the code that they explain.

`python tests/test_docs.py` writes them anew.
"""

import dataclasses
import json
import re
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from umi_lite.agent.episode import Bounds, Episode
from umi_lite.agent.trace import Trace
from umi_lite.data import toolworld
from umi_lite.engine.engine import Engine
from umi_lite.engine.request import Request
from umi_lite.protocol import paper
from umi_lite.protocol.grammar import call_grammar, plan_grammar
from umi_lite.protocol.prompts import render
from umi_lite.protocol.roles import VIEWS, View, step_text
from umi_lite.protocol.trajectory import Answer, Call, Plan, Trajectory
from umi_lite.weights.gguf_to_hf import embedded_gguf

PAGE = Path(__file__).resolve().parents[1] / "docs" / "architecture.md"
BLOCK = re.compile(
    r"(<!-- made by tests/test_docs\.py: (\S+) -->\n```\w*\n)(.*?)(\n```)", re.DOTALL
)


def example() -> Trajectory:
    tasks = toolworld.load("test", n=60, seed=0).trajectories
    return next(t for t in tasks if t.meta["kind"] == "two_chain")


def trajectory_block() -> str:
    made = example()
    lines = [f"id           {made.id}", f"instruction  {made.instruction}"]
    lines.append(f"tools        {', '.join(tool.name for tool in made.tools)}")
    lines += [f"step         {step.model_dump_json(exclude_none=True)}" for step in made.steps]
    kept = ("family", "split", "calls", "world_seed")
    lines.append(f"gold         {made.gold}")
    lines.append(f"meta         {json.dumps({key: made.meta[key] for key in kept})} ...")
    return "\n".join(lines)


def transcript_block(view: View, engine: Engine) -> str:
    """A view's one sample; what is trained stands between the marks."""
    words = engine.language(view)
    rendered = render(example(), view, words.template, words)
    assert rendered is not None
    shown, before = "", False
    for piece in rendered.pieces:
        shown += "⟧" * (before and not piece.trained) + "⟦" * (piece.trained and not before)
        shown += piece.text
        before = piece.trained
    shown += "⟧" * before
    if view in ("planner", "caller"):  # of the system messages only the first line differs
        shown = shown[shown.index("<|im_start|>user") :]
    return shown


def counts_block(engine: Engine) -> str:
    lines = ["view        tokens  shared  trained"]
    for view in VIEWS:
        words = engine.language(view)
        made = render(example(), view, words.template, words)
        assert made is not None
        numbers = f"{len(made.ids):6}  {made.shared:6}  {sum(made.mask):7}"
        lines.append(f"{view:10}  {numbers}")
    return "\n".join(lines)


def paper_block() -> str:
    sample = paper.samples(example(), "caller")[0]
    head, _, tail = sample.input.partition("\n\n")
    return f"{head.splitlines()[0]}\n[one line of JSON a tool]\n\n{tail}⟦{sample.target}⟧"


def grammar_block() -> str:
    first = call_grammar(example().tools).splitlines()
    return "\n".join(["# planner", plan_grammar(400), "# caller", *first[:2], "..."])


def replayed(engine: Engine) -> Trace:
    """The example run by the real loop, engine and tools, each turn held to the gold text."""
    gold = example()
    words = iter(
        step_text(step, gold.tools) for step in gold.steps if isinstance(step, Plan | Call | Answer)
    )
    toolbox = toolworld.environment(gold)
    bounds = Bounds(max_seconds=3600)
    episode = Episode(gold.model_copy(update={"steps": ()}), engine, bounds)
    steps = episode.run()
    answer = None
    try:
        while True:
            asked = steps.send(answer)
            if isinstance(asked, Request):
                # A choice at the turn's end, which nobody takes: the engine must look.
                words_or_more = f'start: {json.dumps(next(words), ensure_ascii=False)} "☒"?'
                answer = engine.generate(dataclasses.replace(asked, grammar=words_or_more))
            else:
                answer = toolbox.call(asked)
    except StopIteration:
        return episode.trace(model=engine.base.name)
    finally:
        engine.release(episode)


def trace_block(engine: Engine) -> str:
    trace = replayed(engine)
    assert trace.trajectory.steps == example().steps
    lines = ["turn  view        prompt = reused + evaluated   generated"]
    for number, turn in enumerate(trace.turns, 1):
        lines.append(
            f"{number:4}  {turn.view:10}  {turn.prompt_tokens:6}   {turn.reused:6}   "
            f"{turn.evaluated:9}   {turn.generated:9}"
            if turn.view != "tool"
            else f"{number:4}  tool"
        )
    return "\n".join([*lines, f"stop: {trace.stop}   answer: {trace.answer}"])


PLAIN: dict[str, Callable[[], str]] = {
    "trajectory": trajectory_block,
    "paper": paper_block,
    "grammar": grammar_block,
}
WITH_ENGINE: dict[str, Callable[[Engine], str]] = {
    **{view: lambda engine, view=view: transcript_block(view, engine) for view in VIEWS},
    "counts": counts_block,
    "trace": trace_block,
}


def blocks(text: str) -> Mapping[str, str]:
    return {found[2]: found[3] for found in BLOCK.finditer(text)}


def fresh_engine() -> Engine:
    return Engine(embedded_gguf(), dict.fromkeys(VIEWS), n_ctx=1024, slots=2)


def test_every_block_is_made_here():
    assert set(blocks(PAGE.read_text())) == {*PLAIN, *WITH_ENGINE}


@pytest.mark.parametrize("name", PLAIN)
def test_plain_block(name):
    assert blocks(PAGE.read_text())[name] == PLAIN[name](), "run: python tests/test_docs.py"


@pytest.fixture(scope="module")
def engine():
    """One of its own: what an engine has cached shows in the trace's counts."""
    with fresh_engine() as made:
        yield made


@pytest.mark.parametrize("name", WITH_ENGINE)
def test_block_with_engine(name, engine):
    made = WITH_ENGINE[name](engine)
    assert blocks(PAGE.read_text())[name] == made, "run: python tests/test_docs.py"


def write() -> None:
    with fresh_engine() as engine:
        made = {name: make() for name, make in PLAIN.items()}
        made |= {name: make(engine) for name, make in WITH_ENGINE.items()}
    text = PAGE.read_text()
    PAGE.write_text(BLOCK.sub(lambda found: found[1] + made[found[2]] + found[4], text))


if __name__ == "__main__":
    write()
