"""An evaluation's own bounds: what holds where neither an option nor the bundle says otherwise."""

from umi_lite.runtime.bounds import Bounds

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
# Sources whose gold turns need other ones.
_BOUNDS: dict[str, Bounds] = {}


def bounds_of(source: str) -> Bounds:
    """The bounds of a source's tasks."""
    return _BOUNDS.get(source, BOUNDS)
