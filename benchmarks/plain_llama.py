"""The `Llama` of llama-cpp-python, opened as this package opens its models."""

from typing import Any

from umi_lite.engine.library import filled, library
from umi_lite.engine.machine import repacks


def plain_llama(**options: Any) -> Any:
    """Return a `Llama` whose weights are rearranged only where that does not crash the process.

    Args:
        options: those of `Llama`.
    """
    lib = library()
    bindings = lib.llama_cpp
    given = bindings.llama_model_default_params

    def params() -> Any:
        return filled(given(), use_extra_bufts=repacks())

    # `Llama` has no option for it, and asks the bindings for the defaults.
    bindings.llama_model_default_params = params
    try:
        return lib.Llama(**options)
    finally:
        bindings.llama_model_default_params = given
