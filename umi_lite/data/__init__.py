"""Where trajectories come from: one module a source, each with `load(...) -> Loaded`."""

import inspect
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import Any

from umi_lite.data.rows import HubData, Loaded
from umi_lite.errors import UserError

_HUB = ("hub", "config", "split")


@dataclass(frozen=True)
class Loader:
    """A source's function by its name: a command that reads no data imports none of it."""

    name: str

    def __call__(self, **options: Any) -> Loaded:
        return self.function()(**options)

    def function(self) -> Any:
        module, _, function = self.name.partition(".")
        return getattr(import_module(f"umi_lite.data.{module}"), function)


# Toolworld is generated (split, n, seed); the others read a file, a folder or a hub data set.
SOURCES: dict[str, Loader] = {
    **{
        name: Loader(f"{name}.load")
        for name in (
            *("toolworld", "gsm8k", "toolbench", "toolbench_raw", "toolbench_samples"),
            *("toolalpaca", "traces"),
        )
    },
    "tora": Loader("math_problems.load"),
    "openai": Loader("openai_chat.load"),
}

# The same as tasks to be solved anew: where only the gold answer is needed, less is dropped.
TASKS: dict[str, Loader] = SOURCES | {
    "gsm8k": Loader("gsm8k.questions"),
    "toolalpaca": Loader("toolalpaca.tasks"),
    "math": Loader("math_problems.questions"),
}

ABOUT: dict[str, str] = {
    "toolworld": "generated tasks over small local tools that really run (split, n, seed)",
    "gsm8k": "GSM8K's train.jsonl or test.jsonl as Python-tool trajectories (path, n)",
    "math": "MATH problems as tasks for the Python tool, without steps (path, n)",
    "tora": "ToRA-style rationale, program, output and answer (path, n)",
    "toolbench": "ToolBench conversations as prepared by α-UMi (path, n, exclude)",
    "toolbench_raw": "ToolBench's raw answer trees, a file each (path, n, exclude)",
    "toolbench_samples": "α-UMi's training samples, put together again (path, n, exclude)",
    "toolalpaca": "ToolAlpaca's train_data.json; its evaluation files as tasks (path, n)",
    "traces": "one's own traces, or trajectories as JSONL (path, n)",
    "openai": "chats with tool calls as OpenAI has them, messages and tools (path, n)",
}


def load_source(
    name: str, options: Mapping[str, Any], loaders: Mapping[str, Loader] = SOURCES
) -> Loaded:
    """What a source holds.

    Args:
        options: what its function takes; one that is None is not given. `hub` (with `config`
            and `split`, default `train`) stands for `path`.
        loaders: SOURCES, or TASKS for what is to be solved anew.

    Raises:
        UserError: no such source, an option that it does not take or one that it lacks, or
            what it raises itself.
    """
    if name not in loaders:
        if name in TASKS:
            raise UserError(f"source {name} holds tasks without steps: nothing to train on")
        raise UserError(f"no source {name!r}; there are {', '.join(loaders)}")
    function = loaders[name].function()
    taken = inspect.signature(function).parameters.values()
    # Keyword-only parameters are for callers in code.
    known = [p.name for p in taken if p.kind is not p.KEYWORD_ONLY]
    given = {key: value for key, value in options.items() if value is not None}
    if "hub" in given and "path" in known:
        if "path" in given:
            raise UserError(f"source {name} takes path or hub, not both")
        parts = {key: given.pop(key) for key in _HUB if key in given}
        given["path"] = HubData(parts.pop("hub"), **parts)
    wrong = [key for key in given if key not in {p.name for p in taken}]
    lacking = [p.name for p in taken if p.default is p.empty and p.name not in given]
    if wrong or lacking:
        told = f"source {name} takes {', '.join(known)}"
        told += " (or hub, config, split for path)" if "path" in known else ""
        told += f"; not {', '.join(wrong)}" if wrong else ""
        told += f"; {', '.join(lacking)} is missing" if lacking else ""
        raise UserError(told)
    return function(**given)
