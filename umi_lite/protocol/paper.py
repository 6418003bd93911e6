"""Style `paper`: the official α-UMi prompts byte for byte, one sample per step.

The facts are those of the official repository's prompts and split rules (X-PLUG/Multi-LLM-Agent,
snapshot f9eeef7), its spelling mistakes included; the code is our own. A source's exact words
(`source_text`) are used where a step has them, else the step is worded in the same form.
"""

import json
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple, cast

from umi_lite.errors import UserError
from umi_lite.protocol.roles import dump_json, order_arguments
from umi_lite.protocol.template import Piece, Rendered, Tokenizer, encode_pieces
from umi_lite.protocol.trajectory import (
    HEARD,
    Answer,
    Call,
    Next,
    Observation,
    Offer,
    Plan,
    Step,
    Tool,
    Trajectory,
    User,
    View,
)

NEXT_WORD: dict[Next, str] = {
    "caller": "caller",
    "summarizer": "conclusion",
    "give_up": "give up",
}
# How the official data marks a call of a tool that does not exist.
HALLUCINATED = "invalid_hallucination_function_name"
# How it marks a dialogue without an answer.
NO_ANSWER = "none"
END = "</s>"
NAME_CHARS = 64
DESCRIPTION_CHARS = 256

_HEAD = "You have assess to the following apis:\n{docs}\n\nThe conversation history is:\n"
_SUMMARIZER_HEAD = "Make a conclusion based on the conversation history:\n"
_TAIL: dict[View, str] = {
    "backbone": (
        "\nYou should answer the action of next step in the following format:\n"
        "The thought to solve the question,\n"
        "Action: the name of api that should be called in this step, should be exactly in "
        "[{names}],\n"
        "Action Input: the api call request.\n"
        "Once you think the question is finished, output conclusion: the final answer of the "
        "question or give up if you think you cannot answer this question.\n assistant: "
    ),
    "planner": (
        "\nYou are the assistant to plan what to do next and whether is caller's or "
        "conclusion's turn to answer.\n"
        "Answer with a following format:\n"
        "The thought of the next step, followed by Next: caller or conclusion or give up."
        " assistant: "
    ),
    "caller": (
        "\nThe thought of this step is:\n{thought}\n"
        "Base on the thought make an api call in the following format:\n"
        "Action: the name of api that should be called in this step, should be exactly in "
        "[{names}],\n"
        "Action Input: the api call request. caller: "
    ),
    "summarizer": " conclusion: ",
}


class PaperSample(NamedTuple):
    """One official training sample: the prompt and what the view should write."""

    input: str
    target: str


class _Turn(NamedTuple):
    """One entry of the history. Everything but an observation ends with `</s>`."""

    who: str
    text: str
    ended: bool


class _Sample(NamedTuple):
    head: str
    history: tuple[_Turn, ...]
    tail: str
    target: str


def tool_name(name: str) -> str:
    """Return a tool's name as the official docs have it: its last 64 characters."""
    return name[-NAME_CHARS:]


def tool_doc(tool: Tool) -> str:
    """Return an official doc: `{"Name", "function", "input": {argument: "type, text"}}`."""
    arguments = tool.parameters.get("properties", {})
    doc = {
        "Name": tool_name(tool.name),
        "function": tool.description[:DESCRIPTION_CHARS],
        "input": {name: _argument_doc(schema) for name, schema in arguments.items()},
    }
    return json.dumps(doc)


def _argument_doc(schema: Any) -> str:
    if not isinstance(schema, dict):
        return ""
    facts = cast(dict[str, Any], schema)
    text = str(facts.get("description", ""))[:DESCRIPTION_CHARS]
    kind = facts.get("type")
    if kind is None:
        return text
    kinds = cast(list[str], kind) if isinstance(kind, list) else [str(kind)]
    return f"{'|'.join(kinds)}, {text}"


def plan_text(plan: Plan) -> str:
    """Return `thought`, newline, ` Next: caller.|conclusion.|give up.`; no tag without a next."""
    if plan.source_text is not None:
        return plan.source_text
    return plan.thought if plan.next is None else f"{plan.thought}\n Next: {NEXT_WORD[plan.next]}."


def call_text(call: Call, tools: tuple[Tool, ...]) -> str:
    """Return `Action: name`, newline, `Action Input: json`."""
    if call.source_text is not None:
        return call.source_text
    arguments = dump_json(order_arguments(call, tools))
    return f"Action: {tool_name(call.tool)}\nAction Input: {arguments}"


def _turn(step: Step, tools: tuple[Tool, ...]) -> _Turn:
    match step:
        case User():
            return _Turn("user", step.text, True)
        case Plan():
            return _Turn("assistant", plan_text(step), True)
        case Call():
            return _Turn("caller", call_text(step, tools), True)
        case Observation():
            return _Turn("observation", step.content, False)
        case Offer():
            return _Turn("observation", _docs(step.tools), False)
        case Answer():
            return _Turn("conclusion", step.text, True)


def _hallucinated(step: Step | None) -> bool:
    return isinstance(step, Call) and step.tool == HALLUCINATED


def _role_samples(trajectory: Trajectory, view: View) -> Iterator[_Sample]:
    """Yield samples of planner, caller and summarizer."""
    tools, steps = trajectory.tools, trajectory.steps
    history = [_Turn("user", trajectory.instruction, True)]
    head = _SUMMARIZER_HEAD if view == "summarizer" else _HEAD.format(docs=_docs(tools))
    plan = ""
    for step, after in zip(steps, [*steps[1:], None], strict=True):
        turn = _turn(step, tools)
        trained = not isinstance(step, HEARD) and step.trained
        wanted = {
            "planner": isinstance(step, Plan) and step.next and not _hallucinated(after),
            "caller": isinstance(step, Call) and not _hallucinated(step),
            "summarizer": isinstance(step, Answer) and step.text != NO_ANSWER,
        }[view]
        if wanted and trained:
            tail = _tail(view, tools, plan)
            yield _Sample(head, tuple(history), tail, turn.text)
        if isinstance(step, Plan):
            plan = turn.text
        history.append(turn)


def _backbone_samples(trajectory: Trajectory, as_published: bool) -> Iterator[_Sample]:
    """Yield the backbone's samples: thought and action, or thought and conclusion, as one turn."""
    tools, steps = trajectory.tools, trajectory.steps
    head, tail = _HEAD.format(docs=_docs(tools)), _tail("backbone", tools, "")
    history = [_Turn("user", trajectory.instruction, True)]
    seen: tuple[_Turn, ...] | None = None
    plan: Plan | None = None
    for step in steps:
        if plan is not None and isinstance(step, Call | Answer):
            text = call_text(step, tools) if isinstance(step, Call) else f"conclusion: {step.text}"
            trained = plan.trained and step.trained
            target, plan, seen = f"{plan.thought}\n{text}", None, tuple(history)
            if trained:
                yield _Sample(head, seen, tail, target)
            history.append(_Turn("assistant", target, True))
            continue
        if plan is not None:
            history.append(_turn(plan, tools))
            plan = None
        if isinstance(step, Plan) and step.next == "give_up":
            # The published give-up samples carry the prompt of the sample before them.
            shown = seen if as_published and seen else tuple(history)
            target = f"{step.thought}\nconclusion: give up."
            if step.trained:
                yield _Sample(head, shown, tail, target)
            history.append(_Turn("assistant", target, True))
        elif isinstance(step, Plan):
            plan = step
        else:
            history.append(_turn(step, tools))


def _docs(tools: tuple[Tool, ...]) -> str:
    return "\n".join(map(tool_doc, tools))


def _tail(view: View, tools: tuple[Tool, ...], thought: str) -> str:
    # Not str.format: a thought may hold braces.
    names = ", ".join(tool_name(tool.name) for tool in tools)
    return _TAIL[view].replace("{names}", names).replace("{thought}", thought)


def _samples(trajectory: Trajectory, view: View, as_published: bool) -> Iterator[_Sample]:
    if view == "backbone":
        return _backbone_samples(trajectory, as_published)
    return _role_samples(trajectory, view)


def _history_text(history: Sequence[_Turn]) -> str:
    return "".join(f"{t.who}: {t.text}{END if t.ended else ''}" for t in history)


def samples(trajectory: Trajectory, view: View, *, as_published: bool = True) -> list[PaperSample]:
    """Return the official samples of a view, one for each of its turns.

    Left out, as officially: plans without a `Next` tag (they stay in the history); for planner
    and caller the steps that call `invalid_hallucination_function_name` (the backbone keeps
    them); for the summarizer the answer `none`. So are turns that are context only (`trained`
    false); of the backbone where its thought or its action is.

    Args:
        as_published: reproduce a defect of the published backbone samples, where a give-up
            sees the prompt of the step before. False gives it the whole history.
    """
    return [
        PaperSample(f"{s.head}{_history_text(s.history)}{s.tail}", s.target)
        for s in _samples(trajectory, view, as_published)
    ]


def render_paper(
    trajectory: Trajectory,
    view: View,
    tokenizer: Tokenizer,
    *,
    end: str = END,
    bos: str = "",
    as_published: bool = True,
) -> list[Rendered]:
    """Return the samples as token ids, trained on the target and the end token only.

    As the official training does, `system: ` precedes every prompt. The official `</s>`
    is LLaMA's end token; here it is the base's own end token `end`, after every turn and after
    the target. All the other text is plain: no tool output can forge an end.

    Args:
        end: the text of the base's end token, e.g. `<|im_end|>`.
        bos: the text of a token to begin with, where the base wants one.
        as_published: as in `samples`.

    Raises:
        UserError: `end` is not one token of this tokenizer.
    """
    if len(tokenizer.encode(end, special=True)) != 1:
        raise UserError(
            f"style paper: {end!r} is not one token of this base; give its own end token as `end`"
        )
    stop = Piece(end, special=True, trained=False)
    out: list[Rendered] = []
    for sample in _samples(trajectory, view, as_published):
        pieces = [Piece(bos, special=True, trained=False)] if bos else []
        pieces.append(Piece(f"system: {sample.head}", special=False, trained=False))
        shared, _ = encode_pieces(pieces, tokenizer)
        for turn in sample.history:
            pieces.append(Piece(f"{turn.who}: {turn.text}", special=False, trained=False))
            pieces += [stop] if turn.ended else []
        pieces.append(Piece(sample.tail, special=False, trained=False))
        pieces.append(Piece(sample.target, special=False, trained=True))
        pieces.append(stop._replace(trained=True))
        ids, mask = encode_pieces(pieces, tokenizer)
        out.append(Rendered(ids, mask, len(shared), pieces))
    return out
