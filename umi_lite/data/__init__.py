"""Where trajectories come from: one module a source, each with `load(...) -> Loaded`."""

from collections.abc import Callable
from functools import partial
from importlib import import_module
from typing import Any

from umi_lite.data.loaded import Loaded


def _call(name: str, **options: Any) -> Loaded:
    # Imported on use: a command that reads no data starts without any of it.
    module, _, function = name.partition(".")
    return getattr(import_module(f"umi_lite.data.{module}"), function)(**options)


# Toolworld is generated (split, n, seed); the others read a file or folder (path, n).
SOURCES: dict[str, Callable[..., Loaded]] = {
    name: partial(_call, f"{name}.load") for name in ("toolworld", "gsm8k", "toolbench", "traces")
}

# The same as tasks to be solved anew: where only the gold answer is needed, less is dropped.
TASKS: dict[str, Callable[..., Loaded]] = SOURCES | {"gsm8k": partial(_call, "gsm8k.questions")}

ABOUT: dict[str, str] = {
    "toolworld": "generated tasks over small local tools that really run (split, n, seed)",
    "gsm8k": "GSM8K's train.jsonl or test.jsonl as Python-tool trajectories (path, n)",
    "toolbench": "ToolBench conversations as prepared by α-UMi (path, n)",
    "traces": "one's own traces, or trajectories as JSONL (path, n)",
}
