"""How an episode ended: the reason, and what to try, in one line."""

from umi_lite.agent.trace import StopReason, Trace
from umi_lite.protocol.trajectory import Answer, Plan

# Of giving up, which is not an error, and of traces that an older version wrote.
_REASONS: dict[StopReason, str] = {
    "answer": "the answer was cut off",
    "give_up": "the planner gave up",
    "max_calls": "the planner wanted more calls than allowed",
    "stuck": "the same call gave the same result again",
    "timeout": "the time was over",
}
_TRY: dict[StopReason, str] = {
    "give_up": "say it in other words, or give tools that can do it (--tools)",
    "max_calls": "raise --max-calls",
    "stuck": "say it in other words, or raise --repeats",
    "timeout": "raise --max-seconds",
    "context": "raise --n-ctx, or lower --max-observation-chars",
    "bad_turn": "say it in other words, or sample (--temperature 0.7)",
    "tool_crash": "let the tool raise an exception: it must not end the program",
}


def ending(trace: Trace) -> str | None:
    """Why there is no answer, or only a part of one; None where there is a whole one."""
    cut = bool(trace.turns) and trace.turns[-1].stop == "length"
    if trace.stop == "answer" and not cut:
        return trace.error
    reason = trace.error or _REASONS.get(trace.stop, trace.stop)
    hint = f"raise --max-{_last_turn(trace)}-tokens" if cut else _TRY.get(trace.stop)
    return f"{reason}; {hint}" if hint else reason


def _last_turn(trace: Trace) -> str:
    """What the last turn was to be: after a plan it is a call."""
    steps = trace.trajectory.steps
    last = steps[-1] if steps else None
    return "answer" if isinstance(last, Answer) else "call" if isinstance(last, Plan) else "thought"
