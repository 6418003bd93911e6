"""A branch of an episode: its first steps, the last of them in other words, to continue from."""

import re
from uuid import uuid4

from umi_lite.errors import UserError
from umi_lite.protocol.roles import BadTurn, parse_call, parse_plan
from umi_lite.protocol.trajectory import Answer, Call, Observation, Plan, Step, Trajectory, User

_NEXT = re.compile(r"^Next: ", re.MULTILINE)


def branch(trajectory: Trajectory, turn: int | None = None, text: str | None = None) -> Trajectory:
    """Return the episode up to a turn, for the loop to continue (`agent.episode`).

    Args:
        turn: the number of a step, from 1. It and all later ones are left out; None keeps all.
        text: that turn in other words: a thought, whose next speaker stays as it was unless a line
            `Next: …` names it; a call as `tool {json}`; a tool's result. None lets the loop take
            the turn again.

    Returns:
        A trajectory with an id of its own; its `meta` has `branch_of` and `turn`.

    Raises:
        UserError: no such turn, a text that cannot be that turn, or nothing to continue.
    """
    steps = trajectory.steps
    if turn is None:
        if text is not None:
            raise UserError("a text is in place of a turn: name the turn with --from")
        turn = len(steps) + 1
    elif not 1 <= turn <= len(steps):
        raise UserError(f"episode {trajectory.id} has no turn {turn}; it has {len(steps)}")
    kept = steps[: turn - 1]
    if text is not None:
        kept = (*kept, _worded(steps[turn - 1], text, trajectory, turn))
    if kept and (isinstance(kept[-1], Answer) or _gives_up(kept[-1])):
        raise UserError(f"nothing is to do after turn {len(kept)}: name one with --from")
    return trajectory.model_copy(
        update={
            "id": f"replay-{uuid4().hex[:12]}",
            "source": "run",
            "steps": kept,
            "meta": {"branch_of": trajectory.id, "turn": turn},
        }
    )


def _gives_up(step: Step) -> bool:
    return isinstance(step, Plan) and step.next == "give_up"


def _worded(step: Step, text: str, trajectory: Trajectory, turn: int) -> Step:
    """Return a step in other words."""
    text = text.replace("\r\n", "\n").strip()
    try:
        match step:
            case Plan():
                if _NEXT.search(text):
                    return parse_plan(f"\n{text}")
                return Plan(thought=text, next=step.next or "caller")
            case Call():
                call = parse_call(text)
                known = [tool.name for tool in trajectory.offered]
                if call.tool not in known:
                    raise BadTurn(f"no tool {call.tool!r}; there are {', '.join(known)}")
                return call
            case Observation():
                return Observation(content=text)
            case User():
                return User(text=text)
            case Answer():
                raise BadTurn("an answer ends the episode, so nothing comes after it")
            case _:
                raise BadTurn("it cannot be in other words")
    except BadTurn as err:
        raise UserError(f"turn {turn}: {err}") from None
