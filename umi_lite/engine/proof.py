"""Trial evaluation of a model in a child process, before it is used.

A fault in a processor's kernels ends the process without a message, so it cannot be caught. A
child that dies of it leaves a status, from which one line is made.
"""

import hashlib
import platform
import signal
import subprocess
import sys
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

from umi_lite.engine.context import Context
from umi_lite.engine.gguf import read_gguf
from umi_lite.engine.library import EngineError, library
from umi_lite.engine.llama import FLOATS, Model
from umi_lite.engine.machine import REPACK, features, repacks
from umi_lite.errors import UserError

# More than one token: batches have kernels of their own. 16 is a batch for all of them.
TOKENS = 16
_REBUILD = "pip install --force-reinstall --no-cache-dir --no-deps llama-cpp-python"


def prove(gguf: Path) -> None:
    """Evaluate a batch of a model's tokens on the CPU in a child process.

    Takes the time of loading the file once (0.5 s for 135M).

    Raises:
        UserError: the child died, found the model unusable, or computed no numbers.
        KeyboardInterrupt: Ctrl-C ended the child.
    """
    command = [sys.executable, "-m", "umi_lite.engine.proof", str(gguf)]
    done = subprocess.run(command, capture_output=True, text=True, errors="replace", check=False)
    if done.returncode == -signal.SIGINT:
        raise KeyboardInterrupt
    if done.returncode == 2 and done.stderr.strip():
        raise UserError(done.stderr.strip().splitlines()[-1])
    if done.returncode:
        raise UserError(death(done.returncode, gguf, done.stderr))


def prove_once(gguf: Path, folder: Path | None) -> None:
    """Call `prove` once per build of llama.cpp, processor and set of weight types.

    Nothing is tried if all weights are F32, F16 or BF16: their kernels are the plain ones.

    Args:
        folder: where results are kept; None keeps nothing, and the model is tried each time.

    Raises:
        UserError: see `prove`.
    """
    kinds = sorted({tensor.type for tensor in read_gguf(gguf, "model")[1]} - set(FLOATS))
    if not kinds:
        return
    if folder is None:
        prove(gguf)
        return
    made_of = f"{_build()} {features()} {_processor()} {repacks()} {kinds}"
    kept = folder / hashlib.sha256(made_of.encode()).hexdigest()[:24]
    with suppress(OSError):
        if kept.exists():
            return
    prove(gguf)
    with suppress(OSError):  # then it is tried again the next time
        folder.mkdir(parents=True, exist_ok=True)
        kept.write_text(f"{made_of}\n", encoding="utf-8")


def death(status: int, what: Path | str, stderr: str = "") -> str:
    """Return one line on a process that ran llama.cpp and died.

    Args:
        status: its return code; a signal's is negative.
        what: the file that it worked on.
        stderr: its last line is quoted unless a signal ended it.
    """
    if status >= 0:
        said = stderr.strip().splitlines()
        return f"llama.cpp failed on {what} (status {status}){': ' + said[-1] if said else ''}"
    try:
        name = signal.Signals(-status).name
    except ValueError:
        name = f"signal {-status}"
    return f"llama.cpp died on {what} ({name}): {_remedy(name)}"


def _remedy(name: str) -> str:
    if name == "SIGKILL":
        return "most often memory ran out; close other programs or use a smaller model"
    if name == "SIGILL":
        return f"it was built for another processor; build it here: {_REBUILD}"
    plain = f"set {REPACK}=0, or " if repacks() else ""
    return f"try: {plain}use the model in F16, or build llama.cpp again ({_REBUILD})"


def _build() -> str:
    """Return the version, size and time of the loaded library file."""
    lib = library()
    file = Path(lib.llama_cpp._lib._name)
    with suppress(OSError):
        found = file.stat()
        return f"{lib.__version__} {found.st_size} {found.st_mtime_ns}"
    return lib.__version__


def _processor() -> str:
    """Return the processor's model and flags, or its name if /proc/cpuinfo is missing."""
    with suppress(OSError):
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        return " ".join(sorted({ln for ln in lines if ln.startswith(("model name", "flags"))}))
    return platform.processor()


def _decode(gguf: Path) -> None:
    import numpy as np

    from umi_lite.engine.machine import cores

    options: dict[str, Any] = {"n_ctx": 4 * TOKENS, "slots": 1, "n_batch": TOKENS}
    with (
        closing(Model(gguf)) as model,
        closing(Context(model, None, threads=cores(), **options)) as context,
    ):
        ids = [i * 97 % model.n_vocab for i in range(TOKENS)]
        context.decode([(token, i, 0, True) for i, token in enumerate(ids)])
        found = [np.isfinite(context.logits(i)).all() for i in range(TOKENS)]
        context.decode([(ids[0], TOKENS, 0, True)])
        if not all(found) or not np.isfinite(context.logits(0)).all():
            raise UserError(f"llama.cpp computes no numbers with {gguf}: {_remedy('')}")


if __name__ == "__main__":
    try:
        _decode(Path(sys.argv[1]))
    except (UserError, EngineError) as err:
        print(err, file=sys.stderr)
        sys.exit(2)
