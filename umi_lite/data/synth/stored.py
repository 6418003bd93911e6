"""Tasks that were generated for a set of tools and stored as JSON lines (`umi adapt`)."""

from umi_lite.data import traces
from umi_lite.data.source import Source
from umi_lite.data.synth.simulate import Simulator, environment
from umi_lite.errors import UserError
from umi_lite.protocol.trajectory import Trajectory

NAME = "synth"


def environment_of(task: Trajectory | None) -> Simulator:
    """Return fresh simulated tools of a task.

    Raises:
        UserError: no task: the tools are in the tasks, not in the source.
    """
    if task is None:
        raise UserError(f"tasks of {NAME} have tools of their own: name yours with --tools FILE.py")
    return environment(task)


SOURCE = Source(
    about="tasks that umi adapt generated for your tools, as JSONL (path, n)",
    load=traces.load,
    tools=environment_of,
    judge="umi_lite.data.synth.check:judge",
)
