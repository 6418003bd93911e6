"""Does an adapter do anything at all? One that was never trained, or whose tensors llama.cpp
did not match, loads without a word and changes nothing.
"""

from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import Any, TypeVar

from umi_lite.protocol.errors import UserError
from umi_lite.runtime.llama import Context, Model
from umi_lite.runtime.machine import cores

Name = TypeVar("Name")
_TEXT = "The task needs one tool call."
# On one machine the same graph gives the same logits to the last bit, while one optimizer
# step at a learning rate of 1e-4 moves them by 0.8 (SmolLM2-135M, all linear layers).
SMALLEST_CHANGE = 1e-4


def check_changes(base: Path, adapters: Mapping[Name, Path]) -> dict[Name, float]:
    """How far each adapter moves the base's logits on a short text: the largest difference.

    Takes under a second for 135M: a few tokens on the CPU for the base and each adapter.

    Args:
        adapters: GGUF files by the name they have in messages.

    Raises:
        UserError: a file does not load, or an adapter moves no logit, or to no number.
    """
    import numpy as np

    changes: dict[Name, float] = {}
    with closing(Model(base)) as model:
        loaded = {name: model.adapter(path) for name, path in adapters.items()}
        plain = _logits(model, None)
        for name, adapter in loaded.items():
            change = float(np.abs(_logits(model, adapter) - plain).max())
            if not np.isfinite(change):
                raise UserError(
                    f"adapter {name} ({adapters[name].name}) gives logits that are no numbers: its "
                    "training diverged; train it again at a lower learning rate"
                )
            if change < SMALLEST_CHANGE:
                raise UserError(
                    f"adapter {name} ({adapters[name].name}) changes no logit of {base.name}: it "
                    "is untrained, or was made for another model; train and export it again"
                )
            changes[name] = change
    return changes


def _logits(model: Model, adapter: Any) -> Any:
    """float32 [n_vocab] after the text."""
    ids = model.encode(_TEXT, special=False)
    size = len(ids)
    threads = cores()
    context = Context(model, adapter, n_ctx=size, slots=1, threads=threads, n_batch=size)
    with closing(context):
        context.decode([(token, i, 0, i == size - 1) for i, token in enumerate(ids)])
        return context.logits(size - 1).copy()
