"""Print an episode's turns in colour by role, while they are written or from a trace."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from umi_lite.protocol.roles import step_text
from umi_lite.protocol.trajectory import Answer, Call, Observation, Plan, Step, User

if TYPE_CHECKING:
    from rich.console import Console

    from umi_lite.runtime.trace import Trace

COLOURS = {
    "user": "bold",
    "planner": "cyan",
    "caller": "yellow",
    "tool": "magenta",
    "summarizer": "green",
    "backbone": "blue",
}
_SPEAKERS: dict[type[Step], str] = {
    User: "user",
    Plan: "planner",
    Call: "caller",
    Observation: "tool",
    Answer: "summarizer",
}


def stream_to(console: "Console") -> Callable[[str, str], None]:
    """An `on_event` callback for `Agent.run`: each role's text as it comes, a label a turn."""
    last = ""

    def show(speaker: str, text: str) -> None:
        nonlocal last
        if speaker != last:
            console.print(
                f"{'' if not last else chr(10)}[{COLOURS[speaker]}]{speaker:>10}[/] ", end=""
            )
            last = speaker
        console.print(text, style=COLOURS[speaker], end="", markup=False, highlight=False)

    return show


def show_trace(trace: "Trace", console: "Console") -> None:
    """The whole episode, its stop reason and what it cost."""
    trajectory = trace.trajectory
    _line(console, "user", trajectory.instruction)
    for step in trajectory.steps:
        _line(console, _SPEAKERS[type(step)], step_text(step, trajectory.tools))
    reused = sum(turn.reused for turn in trace.turns)
    forced = sum(turn.forced for turn in trace.turns)
    console.print(
        f"[dim]stop: {trace.stop}{f' ({trace.error})' if trace.error else ''} · "
        f"{len(trace.turns)} turns · {trace.seconds:.1f} s · {trace.tokens} tokens evaluated · "
        f"{trace.generated} generated, {forced} of them forced · {reused} reused[/dim]",
        highlight=False,
    )


def _line(console: "Console", speaker: str, text: str) -> None:
    console.print(f"[{COLOURS[speaker]}]{speaker:>10}[/] ", end="")
    console.print(text, style=COLOURS[speaker], markup=False, highlight=False)
