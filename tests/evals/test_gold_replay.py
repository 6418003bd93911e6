"""What an evaluation lets a perfect model say: all that is trained, in every source."""

import json
from collections.abc import Iterable, Iterator
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from datafiles import data_file
from goldsayer import GoldSayer
from studies import STUDY

from umi_lite.agent.agent import Job, run_many
from umi_lite.agent.bounds import Bounds, holding, settled
from umi_lite.agent.trace import Trace
from umi_lite.data import toolbench
from umi_lite.data.load import load_source
from umi_lite.data.rows import Loaded
from umi_lite.engine.request import Request
from umi_lite.evals.bounds import bounds_of
from umi_lite.evals.live import evaluate, play
from umi_lite.evals.simulated import ANSWERING
from umi_lite.evals.static import score
from umi_lite.evals.static_files import load_gold
from umi_lite.evals.teacher import predict
from umi_lite.protocol.roles import spoken, step_text
from umi_lite.protocol.trajectory import (
    ROLES,
    Answer,
    Call,
    Observation,
    Plan,
    Step,
    Tool,
    Trajectory,
    User,
)
from umi_lite.tools.tools import Toolbox, ToolError, ToolFunction
from umi_lite.train.sayable import only_sayable


def steps_of(trajectory: Trajectory) -> list[Step]:
    """The steps as the roles say them."""
    return [step for _, step in spoken(trajectory.steps)]


def engine_for(gguf: Path, trajectories: Iterable[Trajectory]) -> GoldSayer:
    """An engine that says each episode's gold steps; where there are none left, it gives up."""
    gold = {made.id: steps_of(made) for made in trajectories}

    def say(request: Request) -> str:
        so_far = request.episode.trajectory  # pyright: ignore[reportAttributeAccessIssue]
        left = gold[so_far.id][len(so_far.steps) :]
        step = left[0] if left else Plan(thought="No more.", next="give_up")
        return step_text(step, so_far.tools).strip()

    return GoldSayer(gguf, say)


def ends_alike(gold: Trajectory, trace: Trace) -> bool:
    """True if an episode made the gold's turns and ended by them."""
    made = [s for s in trace.trajectory.steps if not isinstance(s, Observation)]
    wanted = [s for s in steps_of(gold) if not isinstance(s, Observation)]
    text = [[step_text(s, gold.tools).strip() for s in steps] for steps in (made, wanted)]
    stop = "answer" if isinstance(gold.steps[-1], Answer) else "give_up"
    return text[0] == text[1] and trace.stop == stop


def live_options() -> Iterator[Any]:
    for split in ("train", "test", "ood"):
        yield pytest.param("toolworld", {"split": split, "n": 200, "seed": 7}, id=split)
    for split in ("train", "dev", "test"):
        options = {"split": split, "n": 200, "seed": 7}
        yield pytest.param("wild", options, id=f"wild-{split}")
    for split in ("train", "dev"):
        options = {"split": split, "n": 200, "seed": 7}
        yield pytest.param("everyday", options, id=f"everyday-{split}")
    yield pytest.param("gsm8k", {"path": "gsm8k/test.jsonl"}, id="gsm8k-test")
    yield pytest.param("gsm8k", {"path": "gsm8k/train.jsonl"}, id="gsm8k-train")
    yield pytest.param("tora", {"path": "math/tora_examples.jsonl"}, id="tora")


# Its own answer has one polynomial more than its gold.
WRONG = {"tora-tora_examples-12"}


@pytest.mark.parametrize(("source", "options"), list(live_options()))
def test_live(base_gguf: Path, source: str, options: dict[str, Any]) -> None:
    if "path" in options:
        options = {**options, "path": data_file(options["path"])}
    loaded = only_sayable(load_source(source, options))
    assert loaded.amended == []
    tasks = loaded.trajectories if STUDY else sample(loaded.trajectories, 200)
    engine = engine_for(base_gguf, tasks)
    traces: dict[str, Trace] = {}
    score = evaluate(engine, tasks, on_result=lambda r, trace: traces.update({r.id: trace}))
    engine.close()
    assert engine.apart == []
    assert [t.id for t in tasks if not ends_alike(t, traces[t.id])] == []
    assert {result.id for result in score.results if not result.ok} <= WRONG


def sample(trajectories: list[Trajectory], most: int) -> list[Trajectory]:
    """Half of them those with the longest turns, the others spread over all."""
    if len(trajectories) <= most:
        return trajectories
    by_length = sorted(trajectories, key=lambda made: -max(len(s) for s in texts(made)))
    rest = by_length[most // 2 :]
    return by_length[: most // 2] + rest[:: len(rest) // (most // 2) + 1]


def texts(trajectory: Trajectory) -> list[str]:
    return [step_text(s, trajectory.tools) for s in trajectory.steps if not heard(s)]


def heard(step: Step) -> bool:
    return isinstance(step, User | Observation)


def test_math_is_bounded_as_tora_whose_programs_are_its_gold() -> None:
    assert bounds_of("math") == bounds_of("tora")
    assert bounds_of("toolworld").max_call_tokens == 96  # what an untrained model may ramble


def test_static_dialogues(base_gguf: Path, tmp_path: Path) -> None:
    """Every trained turn is said, on a history that is the gold's."""
    path = data_file("toolbench/static_dev.json")
    records = json.loads(path.read_text())
    if not STUDY:
        by_length = sorted(records, key=lambda r: -max(len(t["value"]) for t in spoken_by(r)))
        path = tmp_path / "gold.json"
        path.write_text(json.dumps([*by_length[:30], *records[:20]]))
    gold = load_gold(path)
    trajectories = toolbench.load(path, keep_bad_arguments=True).trajectories
    said: dict[Any, Iterator[Any]] = {}

    def say(request: Request) -> str:
        lesson: Any = request.episode
        steps = said.setdefault(lesson, iter(lesson.dialogue.steps))
        if request.view == "planner":
            lesson.now = next(steps)
        # The instruction is turn 0; what the plan led to is the turn after it.
        at = lesson.now.turn - (request.view == "planner")
        return step_text(dict(spoken(lesson.trajectory.steps))[at], lesson.trajectory.tools).strip()

    engine = GoldSayer(base_gguf, say)
    forced = predict(engine, gold)
    engine.close()
    assert forced.missing == [] and len(forced.predictions) == len(gold.steps)
    checked = only_sayable(Loaded(trajectories)).trajectories
    untrained = {
        step_text(step, made.tools).strip()
        for made in checked
        for _, step in spoken(made.steps)
        if not heard(step) and not step.trained  # pyright: ignore[reportAttributeAccessIssue]
    }
    assert set(engine.apart) <= untrained
    means = score(gold, forced.predictions).means
    assert means["plan_acc"].value == means["act_em"].value == 100
    assert means["rouge_l"].value > 99.99 and means["arg_f1"].value > 98


def spoken_by(record: dict[str, Any]) -> list[dict[str, str]]:
    return [turn for turn in record["conversations"] if turn["from"] not in ("user", "observation")]


def test_a_small_context_leaves_a_static_turn_the_official_512_tokens(
    base_gguf: Path, tmp_path: Path
) -> None:
    """One long gold answer must not make every other step's prompt too long."""
    dialogue = {
        "tools": [],
        "instruction": "Write.",
        "conversations": [
            {"from": "user", "value": "Write."},
            {"from": "assistant", "value": "Known.\n Next: conclusion."},
            {"from": "conclusion", "value": "word " * 900},
        ],
    }
    path = tmp_path / "gold.json"
    path.write_text(json.dumps([dialogue]))
    answers = iter(["Known.\nNext: summarizer", "word " * 899 + "word"])
    engine = GoldSayer(base_gguf, lambda _: next(answers), n_ctx=700)
    forced = predict(engine, load_gold(path))
    engine.close()
    answer = forced.predictions[0, 1].answer
    assert forced.missing == [] and answer is not None
    assert 512 < len(answer.split()) < 700


class Recorded:
    """The tools of a finished trajectory: they answer what they answered then, in order."""

    def __init__(self, steps: Iterable[Step]):
        self._seen = iter([step for step in steps if isinstance(step, Observation)])

    def toolbox(self, tools: Iterable[Tool]) -> Toolbox:
        return Toolbox(ToolFunction(tool, self._answer) for tool in tools)

    def _answer(self, **_: Any) -> str:
        seen = next(self._seen)
        if seen.error:
            raise ToolError(seen.content)
        return seen.content


def episodes(loaded: Loaded) -> Iterator[tuple[Trajectory, Trajectory]]:
    """What was recorded from the user's last turn on: where it begins, and how it goes on.

    Only where the loop could have made all of it: every turn trained, and an end.
    """
    names = count()
    for made in loaded.trajectories:
        steps = steps_of(made)
        begin = max((i + 1 for i, s in enumerate(steps) if isinstance(s, User)), default=0)
        rest = steps[begin:]
        ended = rest and (
            isinstance(rest[-1], Answer)
            or (isinstance(rest[-1], Plan) and rest[-1].next == "give_up")
        )
        if ended and all(heard(s) or s.trained for s in rest):  # pyright: ignore
            name = f"{made.id}-{next(names)}"
            start = made.model_copy(update={"id": name, "steps": tuple(steps[:begin])})
            yield start, start.model_copy(update={"steps": tuple(steps)})


@pytest.mark.parametrize(
    ("source", "name", "least"),
    [
        ("toolbench", "toolbench/static_dev.json", 180),
        ("toolbench_raw", "toolbench/raw_answers", 9),
        ("toolbench_samples", "toolbench/split_example", 14),
    ],
)
def test_recorded_dialogues_run_within_their_bundles_bounds(
    base_gguf: Path, source: str, name: str, least: int
) -> None:
    """As `umi run` would with a bundle trained on them: the loop, its bounds, recorded tools."""
    pairs = list(episodes(only_sayable(load_source(source, {"path": data_file(name)}))))
    assert len(pairs) >= least
    engine = engine_for(base_gguf, [gold for _, gold in pairs])
    bounds = holding((gold for _, gold in pairs), ROLES, engine.language("planner"))
    jobs = [Job(start, Recorded(gold.steps[len(start.steps) :]).toolbox(start.tools))
            for start, gold in pairs]  # fmt: skip
    traces = run_many(engine, jobs, bounds=settled(Bounds(), bounds, {"max_seconds": 3600}))
    engine.close()
    assert engine.apart == []
    assert [
        t.trajectory.id
        for t, (_, gold) in zip(traces, pairs, strict=True)
        if not ends_alike(gold, t)
    ] == []


def test_simulated_and_traces(base_gguf: Path, tmp_path: Path) -> None:
    """An instance as long as ToolAlpaca's training data has them, and its trace again."""
    find = Tool(
        name="find", parameters={"type": "object", "properties": {"name": {"type": "string"}}}
    )
    steps = (
        Plan(thought="A long thought about an axolotl. " * 40, next="caller"),
        Call(tool="find", arguments={"name": "word " * 300}),
        Observation(content="Status Code: 404. Response: none", error=True),
        Plan(thought="I know it now.", next="summarizer"),
        Answer(text="It is pink. " * 100),
    )
    gold = Trajectory(id="a", source="toolalpaca", tools=(find,), instruction="?", steps=steps)
    again = gold
    for _ in range(2):
        engine = engine_for(base_gguf, [again])
        kept: list[Trace] = []
        play(
            engine,
            [again],
            lambda at, trace, result, kept=kept: kept.append(trace),
            bounds=ANSWERING,
            environment=lambda task: Recorded(steps).toolbox(task.tools),
        )
        engine.close()
        assert engine.apart == [] and ends_alike(again, kept[0])
        kept[0].save(tmp_path / "a.json")
        loaded = only_sayable(load_source("traces", {"path": tmp_path / "a.json"}))
        assert loaded.amended == loaded.dropped == []
        (again,) = loaded.trajectories
    assert [step_text(s, ()) for s in again.steps] == [step_text(s, ()).strip() for s in gold.steps]
