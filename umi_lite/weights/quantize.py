"""A GGUF requantized to another type."""

import os
from pathlib import Path
from typing import get_args

from umi_lite.errors import UserError
from umi_lite.files import staged_file, writing
from umi_lite.weights.gguf_to_hf import GgufType


def requantize(source: Path, target: Path, type: GgufType) -> None:
    """Write `source` as `type` (llama.cpp's quantiser; 2-5 s for 135M).

    A quantised source is dequantised first: what it lost stays lost. In `Q4_K_M`, tensors whose
    width is not a multiple of 256 become Q5_0 or Q8_0.

    Raises:
        UserError: an unknown type, a file that is not a complete GGUF model, or a full disk.
    """
    import ctypes

    from umi_lite.engine.library import holding, library
    from umi_lite.engine.llama import Model
    from umi_lite.engine.machine import cores

    if type not in get_args(GgufType):
        raise UserError(f"unknown GGUF type {type!r}; it can be {', '.join(get_args(GgufType))}")
    # The quantiser would end the process on some damaged files; opening them fails first.
    Model(source).close()
    lib = library()
    params = lib.llama_model_quantize_default_params()
    params.ftype = getattr(lib, f"LLAMA_FTYPE_MOSTLY_{type}")
    params.allow_requantize = True
    params.nthread = cores()
    with writing(target), staged_file(target) as work:
        with holding():
            status = lib.llama_model_quantize(
                os.fsencode(source), os.fsencode(work), ctypes.byref(params)
            )
        if status != 0:
            raise UserError(
                f"{source} could not be quantized to {type}: llama.cpp refused ({status})"
            )
