"""BFCL's multi-turn tasks: an episode per user turn, on the package's own stateful worlds."""

import ast
import sys
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from functools import cache
from itertools import count
from typing import Any

from umi_lite.agent.agent import Job, run_many
from umi_lite.agent.bounds import Bounds, Sampling
from umi_lite.agent.trace import Trace
from umi_lite.engine.request import RoleEngine
from umi_lite.errors import UserError
from umi_lite.evals.bfcl.check import without_models
from umi_lite.protocol.trajectory import Call, Observation, Trajectory, User
from umi_lite.tools.tools import Toolbox

_UTILS = "bfcl_eval.eval_checker.multi_turn_eval.multi_turn_utils"
_NUMBERS = count()
Turns = list[list[Call]]


def gold_turns(task: Trajectory) -> Turns:
    """Return the answers of a multi-turn task, `name(a, b=1)` each, as calls by turn."""
    names = {tool.name: list(tool.parameters["properties"]) for tool in task.tools}
    return [[_call(text, names) for text in turn] for turn in task.meta["answers"]]


def _call(text: str, names: dict[str, list[str]]) -> Call:
    made = ast.parse(text, mode="eval").body
    assert isinstance(made, ast.Call) and isinstance(made.func, ast.Name)
    name = made.func.id
    given = {key: ast.literal_eval(part) for key, part in zip(names[name], made.args, strict=False)}
    given |= {str(part.arg): ast.literal_eval(part.value) for part in made.keywords}
    return Call(tool=name, arguments=given)


def turns_verdict(task: Trajectory, turns: Turns) -> str:
    """Return what is wrong with the calls of all turns; "" for nothing.

    `multi_turn_checker` of the package runs them and the answers in two worlds: after each turn
    both must be in the same state, and the answers' results be among those of the calls.

    Raises:
        UserError: a package that the worlds need is not installed.
    """
    check, _ = _package()
    tools = [tool.name for tool in task.tools]
    if refused := [call.tool for calls in turns for call in calls if not _runs(call, tools)]:
        return f"a call of {refused[0]!r} that is none of its tools' calls"
    made = [[[_source(call)] for call in calls] for calls in turns]
    name = _fresh_name()
    try:
        entry, answers = task.meta["entry"], task.meta["answers"]
        found = check(made, answers, entry, task.meta["split"], name)
    finally:
        _forget(name)
    return "" if found["valid"] else f"{found['error_type']}: {found['error_message']}"


def _runs(call: Call, tools: Collection[str]) -> bool:
    """True if the call may be evaluated: a role at an endpoint can write any names."""
    return call.tool in tools and all(map(str.isidentifier, call.arguments))


def _source(call: Call) -> str:
    """Return a call as Python source, which the package evaluates."""
    return f"{call.tool}({', '.join(f'{key}={value!r}' for key, value in call.arguments.items())})"


class World(Toolbox):
    """The live tools of one task, with a state of their own until `close`."""

    def __init__(self, task: Trajectory):
        self._task = task
        self._name = _fresh_name()
        super().__init__()

    def call(self, call: Call) -> Observation:
        """Run the call; the package words its errors."""
        if not _runs(call, [tool.name for tool in self._task.tools]):
            return Observation(content=f"Error during execution: no {call.tool!r}", error=True)
        _, execute = _package()
        entry = self._task.meta["entry"]
        where = (entry["initial_config"], entry["involved_classes"], self._name, entry["id"])
        results, _ = execute([_source(call)], *where)
        return Observation(content=results[0])

    def close(self) -> None:
        """Forget the state."""
        _forget(self._name)


@dataclass
class _Running:
    """A task between two of its turns."""

    task: Trajectory
    world: World
    so_far: Trajectory
    turns: Turns = field(default_factory=list)


def play_turns(
    engine: RoleEngine,
    tasks: Sequence[Trajectory],
    on_end: Callable[[Trajectory, Turns, Trace], None],
    *,
    bounds: Bounds,
    sampling: Sampling,
) -> None:
    """Run multi-turn tasks, one episode per user turn; all tasks' first turns, then the second.

    A turn that does not end by an answer or by giving up is its task's last.

    Args:
        on_end: called with each task, its calls by turn and the trace of its last turn.

    Raises:
        UserError: a package that the worlds need is not installed.
    """
    running = [_Running(task, World(task), task) for task in tasks]
    try:
        while running:
            left: list[_Running] = []

            def ended(at: int, trace: Trace, now=running, left=left) -> None:
                each = now[at]
                steps = trace.trajectory.steps[len(each.so_far.steps) :]
                each.turns.append([step for step in steps if isinstance(step, Call)])
                said = each.task.meta["turns"]
                if trace.stop not in ("answer", "give_up") or len(each.turns) == len(said):
                    on_end(each.task, each.turns, trace)
                    return
                each.so_far = trace.trajectory.with_step(User(text=said[len(each.turns)]))
                left.append(each)

            jobs = (Job(each.so_far, each.world) for each in running)
            run_many(engine, jobs, bounds=bounds, sampling=sampling, on_trace=ended)
            running = left
    finally:
        for each in running:
            each.world.close()


def _fresh_name() -> str:
    """Return a model's name that no world has: the package keeps worlds by model and task."""
    return f"umi{next(_NUMBERS)}"


def _forget(name: str) -> None:
    kept = vars(sys.modules[_UTILS]) if _UTILS in sys.modules else {}
    for key in [key for key in kept if key.startswith(f"{name}_")]:
        del kept[key]


@cache
def _package() -> tuple[Callable[..., dict[str, Any]], Callable[..., Any]]:
    """Return the package's checker of multi-turn tasks, and its executor of calls."""
    with without_models():
        try:
            import mpmath  # noqa: F401
        except ModuleNotFoundError:
            raise UserError("BFCL's worlds need mpmath: pip install mpmath") from None
        from bfcl_eval.eval_checker.multi_turn_eval.multi_turn_checker import multi_turn_checker
        from bfcl_eval.eval_checker.multi_turn_eval.multi_turn_utils import (
            execute_multi_turn_func_call,
        )
    return multi_turn_checker, execute_multi_turn_func_call
