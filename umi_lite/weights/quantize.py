"""A GGUF made again as another type."""

import os
from pathlib import Path
from typing import get_args

from umi_lite.bundle.staging import staged_file
from umi_lite.errors import UserError
from umi_lite.weights.gguf_to_hf import GgufType


def requantize(source: Path, target: Path, type: GgufType) -> None:
    """Write `source` as `type` (llama.cpp's quantiser; 2-5 s for 135M).

    A quantised source is dequantised first: what it lost stays lost. Tensors whose rows are
    no multiple of 256 wide become Q5_0 or Q8_0 in `Q4_K_M`.

    Raises:
        UserError: an unknown type, a file that is no whole GGUF model, or a full disk.
    """
    import ctypes

    from umi_lite.engine.interrupts import holding
    from umi_lite.engine.library import library
    from umi_lite.engine.llama import Model
    from umi_lite.engine.machine import cores

    if type not in get_args(GgufType):
        raise UserError(f"unknown GGUF type {type!r}; it can be {', '.join(get_args(GgufType))}")
    # The quantiser would end the process on some damaged files; opening one tells first.
    Model(source).close()
    lib = library()
    params = lib.llama_model_quantize_default_params()
    params.ftype = getattr(lib, f"LLAMA_FTYPE_MOSTLY_{type}")
    params.allow_requantize = True
    params.nthread = cores()
    with staged_file(target) as work:
        with holding():
            status = lib.llama_model_quantize(
                os.fsencode(source), os.fsencode(work), ctypes.byref(params)
            )
        if status != 0:
            raise UserError(f"{source} could not be made {type}: llama.cpp refused ({status})")
