"""Memory that is free for training."""

import subprocess
import sys

from umi_lite.engine.machine import machine
from umi_lite.errors import UserError
from umi_lite.train.budget.memory import CUDA_CONTEXT
from umi_lite.train.device import Setting


def free_memory(setting: Setting) -> int:
    """Return the free bytes of RAM, or of the GPU (`torch.cuda.mem_get_info`).

    A child process asks the GPU, as the CUDA context, which counts as free, would stay.

    Raises:
        UserError: the GPU cannot be asked.
    """
    if setting.device == "cpu":
        return machine().ram
    code = "import torch; print(torch.cuda.mem_get_info()[0])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    if done.returncode:
        lines = done.stderr.strip().splitlines()
        why = lines[-1] if lines else "no output"
        raise UserError(f"the GPU's free memory cannot be read: {why}")
    return int(done.stdout) + CUDA_CONTEXT


def free_here(setting: Setting) -> int:
    """Return the same for a process that will train, which has a CUDA context anyway."""
    if setting.device == "cpu":
        return machine().ram
    import torch

    return torch.cuda.mem_get_info()[0] + CUDA_CONTEXT
