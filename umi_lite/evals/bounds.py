"""Default bounds of an evaluation; options and the bundle override them."""

from collections.abc import Iterable
from dataclasses import replace

from umi_lite.agent.bounds import Bounds, widest
from umi_lite.protocol.trajectory import Trajectory

# Tighter than an agent's: an untrained model that rambles costs time and gains nothing. The
# wall time is ample, so that a score does not depend on how busy the machine is.
BOUNDS = Bounds(
    max_calls=6,
    max_thought_chars=200,
    max_thought_tokens=96,
    max_call_tokens=96,
    max_answer_tokens=96,
    max_seconds=1800.0,
)
# Sources whose gold turns are longer; `tests/evals/test_gold_replay.py` lists them. Tokens are
# those of SmolLM2, whose vocabulary is small: other models need fewer.
# GSM8K's longest thought has 1,160 characters in 288 tokens, its longest program 129 tokens.
_GSM8K = replace(BOUNDS, max_thought_chars=1200, max_thought_tokens=320, max_call_tokens=160)
# Of ToRA's 30 examples: 785 characters in 258 tokens, and 496 tokens. There are more than 30.
_MATH = replace(
    BOUNDS,
    max_thought_chars=2000,
    max_thought_tokens=640,
    max_call_tokens=1024,
    max_answer_tokens=256,
)
# BFCL's answers make up to 8 calls in a turn, and one has 300 tokens.
_BFCL = replace(BOUNDS, max_calls=10, max_call_tokens=384)
_BOUNDS: dict[str, Bounds] = {"gsm8k": _GSM8K, "math": _MATH, "tora": _MATH, "bfcl": _BFCL}


def bounds_of(source: str) -> Bounds:
    """Return the bounds of a source's tasks."""
    return _BOUNDS.get(source, BOUNDS)


def bounds_for(tasks: Iterable[Trajectory]) -> Bounds:
    """Return bounds that hold the gold turns of all the tasks' sources."""
    return widest([BOUNDS, *map(bounds_of, {task.source for task in tasks})])
