"""The points of static evaluation: one prediction against its gold step.

The definitions are α-UMi's (X-PLUG/Multi-LLM-Agent, GLPFT/inference_utils/toolbench,
`evaluate-multi_agent.py`). Each metric reads the field of a prediction that it is about, and is
100 times a mean of points over the gold steps that it counts:

- `plan_acc`, of `next`: all scored steps; 1 where it is the gold's. `none` is nobody's.
- `act_em`, of `tool`: steps with a gold call; 1 where the names are equal. No call is 0.
- `hallucination`, of `tool`: all scored steps; 1 where the name is not in the tool list. No
  call is 0.
- `arg_f1`, of `arguments`: steps with a gold call. See `argument_f1`.
- `rouge_l`, of `answer`: steps with a gold conclusion; F of ROUGE-L (`evals.rouge`). A missing
  answer is the word "none".

A predicted tool name is taken as it is, neither shortened nor stripped: gold calls name the tools
as the docs do, by the last 64 characters, and so must a prediction. `tool: null` and the name
`none` (the official word for it) are no call. A step that the predictions lack counts as
`next: none` without call and answer.
"""

import json
import math
from typing import Any, NamedTuple

from umi_lite.evals.rouge import rouge_l
from umi_lite.evals.static_gold import GoldStep
from umi_lite.evals.static_predictions import Prediction

NONE = "none"
_BLANKS = " \t\r\n.,"


class Points(NamedTuple):
    """One step's points, 0 to 1; None where the step does not count."""

    plan_acc: float
    act_em: float | None
    hallucination: float
    arg_f1: float | None
    rouge_l: float | None


METRICS = Points._fields


def points_of(gold: GoldStep, made: Prediction | None) -> Points:
    """One step's points. A missing prediction names nobody, calls nothing and says nothing."""
    tool = made.tool if made is not None and made.tool != NONE else None
    called = gold.tool is not None
    return Points(
        plan_acc=float(made is not None and made.next == gold.next),
        act_em=float(tool == gold.tool) if called else None,
        hallucination=float(tool is not None and tool not in gold.tools),
        arg_f1=argument_f1(gold, tool, made.arguments if made else None) if called else None,
        rouge_l=_answer_f(gold.answer, made.answer if made else None),
    )


def argument_f1(
    gold: GoldStep, tool: str | None, arguments: str | dict[str, Any] | None
) -> float | None:
    """F1 of a call's arguments, 0 to 1; None where the gold's own cannot be read.

    0 where the name is wrong. Of the keys, one that the gold has counts 1 with an equal value
    (JSON's, as Python compares: 1 is 1.0, "1" is not) and 0.5 with another one; P is their sum
    by the predicted keys, R by the gold's. Two empty objects are 1, one of them alone is 0.

    What cannot be read is what is no JSON object: predicted, it is 0; as the gold's, the step
    is left out, but only where the name is right. (The official script leaves out gold that is
    no JSON, and scores gold that is JSON but no object 0.) `arguments: None` is a call without
    arguments: empty, as officially.
    """
    if tool is None or tool != gold.tool:
        return 0.0
    wanted = _object(gold.arguments)
    if wanted is None:
        return None
    said = _object(arguments)
    if said is None:
        return 0.0
    if not wanted and not said:
        return 1.0
    common = wanted.keys() & said.keys()
    matched = math.fsum(1.0 if wanted[key] == said[key] else 0.5 for key in common)
    if not matched:
        return 0.0
    precision, recall = matched / len(said), matched / len(wanted)
    return 2 * precision * recall / (precision + recall)


def _object(arguments: str | dict[str, Any] | None) -> dict[str, Any] | None:
    """The arguments as an object, None where they are none."""
    if not isinstance(arguments, str):
        return arguments or {}
    try:
        value = json.loads(arguments)
    # Not JSON, a number of too many digits, or brackets too deep.
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def _answer_f(gold: str | None, answer: str | None) -> float | None:
    if gold is None:
        return None
    # What is blank but for a full stop or comma is no answer, as officially.
    said = answer if answer is not None and answer.strip(_BLANKS) else NONE
    return rouge_l(said, gold)
