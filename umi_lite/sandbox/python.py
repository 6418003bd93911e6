"""Runs a Python program that a model wrote: one call, one process, held by the kernel."""

import atexit
import functools
import os

from umi_lite.sandbox.result import Limits, Result
from umi_lite.sandbox.sandbox import Sandbox

__all__ = ["Limits", "Result", "run_python", "sandbox"]


@functools.cache
def sandbox() -> Sandbox:
    """This process's sandbox, at the strongest level to be had; it starts when it is needed."""
    made = Sandbox()
    atexit.register(made.close)
    if hasattr(os, "register_at_fork"):
        os.register_at_fork(after_in_child=made.forget)
    return made


def run_python(code: str, limits: Limits | None = None) -> Result:
    """Run a program and say what came of it. Never raises for the program's fault.

    The first call starts the supervisor, about a second with sympy. Where this machine has no
    sandbox the result is `refused`, and nothing runs.
    """
    return sandbox().run(code, limits)
