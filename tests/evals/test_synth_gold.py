"""Generated tasks through the loop: a perfect model can say every gold turn and solves all."""

from pathlib import Path
from typing import Any

from goldsayer import GoldSayer
from synth_tools import TOOLS

from umi_lite.agent.trace import Trace
from umi_lite.data.synth.check import judge
from umi_lite.data.synth.generate import load
from umi_lite.data.synth.simulate import environment
from umi_lite.engine.request import Request
from umi_lite.evals.live import evaluate
from umi_lite.protocol.roles import spoken, step_text
from umi_lite.protocol.trajectory import Plan
from umi_lite.train.sayable import only_sayable


def test_every_gold_turn_can_be_said_and_every_task_is_solved(base_gguf: Path) -> None:
    loaded = only_sayable(load(TOOLS, seed=5, count=150, split="test"))
    assert loaded.amended == []
    tasks = loaded.trajectories
    gold = {task.id: [step for _, step in spoken(task.steps)] for task in tasks}

    def say(request: Request) -> str:
        so_far: Any = request.episode.trajectory  # pyright: ignore[reportAttributeAccessIssue]
        left = gold[so_far.id][len(so_far.steps) :]
        step = left[0] if left else Plan(thought="No more.", next="give_up")
        return step_text(step, so_far.tools).strip()

    engine = GoldSayer(base_gguf, say)
    traces: dict[str, Trace] = {}
    score = evaluate(
        engine,
        tasks,
        environment=environment,
        on_result=lambda result, trace: traces.update({result.id: trace}),
    )
    engine.close()
    assert engine.apart == []
    assert [(one.id, one.why) for one in score.results if not one.ok] == []
    answered = [task for task in tasks if traces[task.id].answer is not None]
    assert len(answered) > 100
    for task in answered:
        assert judge(task, traces[task.id], str(traces[task.id].answer)) == ""


def test_a_model_that_makes_no_call_solves_give_ups_alone(base_gguf: Path) -> None:
    tasks = load(TOOLS, seed=6, count=60).trajectories

    def say(request: Request) -> str:
        return "No tool.\nNext: give_up"

    engine = GoldSayer(base_gguf, say)
    score = evaluate(engine, tasks, environment=environment)
    engine.close()
    kinds = {result.family for result in score.results if result.ok}
    assert kinds <= {"missing", "unsupported", "dead_end"} and score.success.hits < 20
