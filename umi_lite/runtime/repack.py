"""Whether llama.cpp may rearrange weights for this processor: decided here, for all that opens it.

llama.cpp keeps weights in "extra buffers", in the order that the processor's own kernels read.
Its AMX kernels end the process, without a message, at the first batch of more than one token of
a quantised model (ggml-org/llama.cpp#20824).
"""

import os

from umi_lite.protocol.errors import UserError
from umi_lite.runtime.library import library

REPACK = "UMI_REPACK"


def may_repack(features: str, given: str | None = None) -> bool:
    """True if weights may be rearranged: everywhere but with AMX.

    Args:
        features: what llama.cpp was built with and uses (`llama_print_system_info`).
        given: the user's choice, `0` or `1`; default by the features.

    Raises:
        UserError: another choice.
    """
    if given:
        if given not in ("0", "1"):
            raise UserError(
                f"{REPACK}={given}: 0 keeps weights as the file has them, 1 rearranges them"
            )
        return given == "1"
    return "AMX_INT8 = 1" not in features


def repacks() -> bool:
    """True if weights are rearranged in this process; `$UMI_REPACK`, 0 or 1, overrides.

    Raises:
        UserError: llama.cpp cannot be loaded, or `$UMI_REPACK` is neither 0 nor 1.
    """
    return may_repack(features(), os.environ.get(REPACK))


def features() -> str:
    """What llama.cpp was built with and uses here, in its own words: `CPU : AVX2 = 1 | …`."""
    return library().llama_print_system_info().decode("utf-8", "replace")
