"""Printing an episode's turns in colour by role, streamed or from a trace."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from umi_lite.agent.trace import ending
from umi_lite.protocol.roles import step_text
from umi_lite.protocol.trajectory import (
    Answer,
    Call,
    Observation,
    Offer,
    Plan,
    Step,
    Trajectory,
    User,
)
from umi_lite.sandbox.text import visible

if TYPE_CHECKING:
    from rich.console import Console

    from umi_lite.agent.trace import Trace

COLOURS = {
    "user": "bold",
    "planner": "cyan",
    "caller": "yellow",
    "tool": "magenta",
    "summarizer": "green",
    "backbone": "blue",
    "note": "dim",
}
_WIDE = 60
_SPEAKERS: dict[type[Step], str] = {
    User: "user",
    Plan: "planner",
    Call: "caller",
    Observation: "tool",
    Offer: "tool",
    Answer: "summarizer",
}


def stream_to(console: "Console") -> Callable[[str, str], None]:
    """Return an `on_event` callback for `Agent.run` that prints each role's text after a label.

    Called with `note`, it prints a line of its own.

    What models and tools write is shown literally: no markup, no emoji names, no control
    characters that a terminal would interpret (`sandbox.text.visible`).
    """
    last = ""

    def show(speaker: str, text: str) -> None:
        nonlocal last
        if speaker != last or speaker == "note":
            if last:
                console.print()
            _put(console, speaker, label(speaker, console))
            last = speaker
        _put(console, speaker, text)

    return show


def label(speaker: str, console: "Console") -> str:
    """Return who speaks, in a column of its own where the console is wide enough."""
    return f"{speaker:>10} " if console.width >= _WIDE else f"{speaker} "


def show_steps(trajectory: Trajectory, console: "Console") -> None:
    """Print an episode's instruction and turns, a line each."""
    _line(console, "user", trajectory.instruction)
    for step in trajectory.steps:
        _line(console, _SPEAKERS[type(step)], _text(step, trajectory))


def _text(step: Step, trajectory: Trajectory) -> str:
    """Return a step as the roles read it, of tools their names alone."""
    if isinstance(step, Offer):
        return f"Tools: {', '.join(tool.name for tool in step.tools)}"
    return step_text(step, trajectory.offered)


def show_trace(trace: "Trace", console: "Console") -> None:
    """Print the whole episode, its turns numbered, its stop reason and its cost."""
    made = trace.trajectory
    _line(console, "user", f"{'':>3} {made.instruction}")
    for number, step in enumerate(made.steps, 1):
        _line(console, _SPEAKERS[type(step)], f"{number:>3} {_text(step, made)}")
    reused = sum(turn.reused for turn in trace.turns)
    forced = sum(turn.forced for turn in trace.turns)
    why = ending(trace)
    cost = (
        f"stop: {trace.stop}{f' ({why})' if why else ''} · "
        f"{len(trace.turns)} turns · {trace.seconds:.1f} s · {trace.tokens} tokens evaluated · "
        f"{trace.generated} generated, {forced} of them forced · {reused} reused"
    )
    console.out(visible(cost), style="dim", highlight=False)


def _line(console: "Console", speaker: str, text: str) -> None:
    _put(console, speaker, f"{label(speaker, console)}{text}\n")


def _put(console: "Console", speaker: str, text: str) -> None:
    console.out(visible(text), style=COLOURS[speaker], end="", highlight=False)
