"""The points of static evaluation: one prediction against its gold step.

The definitions are α-UMi's (X-PLUG/Multi-LLM-Agent, GLPFT/inference_utils/toolbench,
`evaluate-multi_agent.py`). Each metric reads the field of a prediction that it is about, and is
100 times a mean of points over the gold steps that it counts:

- `plan_acc`, of `next`: all scored steps; 1 if it is the gold's. `none` never is.
- `act_em`, of `tool`: steps with a gold call; 1 if the names are equal. No call is 0.
- `hallucination`, of `tool`: all scored steps; 1 if the name is not in the tool list. No
  call is 0.
- `arg_f1`, of `arguments`: steps with a gold call. See `argument_f1`.
- `rouge_l`, of `answer`: steps with a gold conclusion; F of ROUGE-L. A missing
  answer is the word "none".

A predicted tool name is taken as it is, neither shortened nor stripped: gold calls name the tools
as the docs do, by the last 64 characters, and so must a prediction. `tool: null` and the name
`none` (the official word for it) are no call. A step that the predictions lack counts as
`next: none` without call and answer.
"""

import json
import math
from collections.abc import Sequence
from typing import Any, NamedTuple

from umi_lite.evals.static_files import GoldStep, Prediction

_EPSILON = 1e-8


def rouge_l(hypothesis: str, reference: str) -> float:
    """Return F of ROUGE-L, 0 to 1.

    Args:
        hypothesis: the predicted text.
        reference: the gold text.
    """
    said, true = sentences(hypothesis), sentences(reference)
    if not said or not true:
        return 0.0
    common = {word for one in true for other in said for word in _lcs(one, other)}
    precision = len(common) / len({word for sentence in said for word in sentence})
    recall = len(common) / len({word for sentence in true for word in sentence})
    return 2.0 * (precision * recall / (precision + recall + _EPSILON))


def sentences(text: str) -> list[list[str]]:
    """Return the words of each sentence; a text that is empty or only full stops has none."""
    return [sentence.split() or [""] for sentence in text.split(".") if sentence]


def _lcs(reference: Sequence[str], hypothesis: Sequence[str]) -> list[str]:
    """Return a longest common subsequence, its words from the last to the first."""
    if not set(reference) & set(hypothesis):
        return []
    rows = [[0] * (len(hypothesis) + 1)]
    for word in reference:
        above, row = rows[-1], [0]
        for j, other in enumerate(hypothesis):
            row.append(above[j] + 1 if word == other else max(above[j + 1], row[j]))
        rows.append(row)
    words: list[str] = []
    i, j = len(reference), len(hypothesis)
    while i and j:
        if reference[i - 1] == hypothesis[j - 1]:
            i, j = i - 1, j - 1
            words.append(reference[i])
        elif rows[i - 1][j] > rows[i][j - 1]:
            i -= 1
        else:
            j -= 1
    return words


NONE = "none"
_BLANKS = " \t\r\n.,"


class Points(NamedTuple):
    """One step's points, 0 to 1; None if the step does not count."""

    plan_acc: float
    act_em: float | None
    hallucination: float
    arg_f1: float | None
    rouge_l: float | None


METRICS = Points._fields


def points_of(gold: GoldStep, made: Prediction | None) -> Points:
    """Return one step's points; a missing prediction has no next role, no call and no answer."""
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
    """Return F1 of a call's arguments, 0 to 1; None if the gold's arguments cannot be read.

    A wrong name is 0. A predicted key that the gold has counts 1 with an equal value (as Python
    compares JSON: 1 is 1.0, "1" is not) and 0.5 with another one; P is their sum divided by the
    predicted keys, R by the gold's. Two empty objects are 1, one of them alone is 0.

    Arguments that are not a JSON object cannot be read: predicted ones are 0; with the gold's the
    step is left out, but only if the name is right. (The official script leaves out gold that is
    not JSON, and scores gold that is JSON but not an object 0.) `arguments: None` is a call
    without arguments: empty, as officially.
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
    """Return the arguments as an object, or None."""
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
    # Blanks, full stops and commas alone are not an answer, as officially.
    said = answer if answer is not None and answer.strip(_BLANKS) else NONE
    return rouge_l(said, gold)
