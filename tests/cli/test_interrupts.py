"""Ctrl-C, wherever it comes, ends umi in one line with exit code 130."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from tiny_lora import write_adapter

from umi_lite.bundle.bundle import write_bundle
from umi_lite.protocol.trajectory import VIEWS

UMI = str(Path(sys.executable).parent / "umi")
# A process of a script in the background ignores Ctrl-C, and so would what it starts.
START = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)\n"


@pytest.fixture(scope="module")
def bundle(base_gguf, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("bundle")
    adapters = {
        view: write_adapter(folder / f"{view}.gguf", seed=i) for i, view in enumerate(VIEWS)
    }
    write_bundle(folder / "bundle", base_gguf=base_gguf, adapters=adapters, tools="toolworld")
    return folder / "bundle"


def run(tmp_path: Path, hook: str, *arguments: str) -> subprocess.CompletedProcess:
    """`umi` in a process that runs `hook` as it starts."""
    (tmp_path / "sitecustomize.py").write_text(START + hook)
    environment = os.environ | {"PYTHONPATH": str(tmp_path), "UMI_LITE_CACHE": str(tmp_path)}
    return subprocess.run(
        [UMI, *arguments], env=environment, capture_output=True, text=True, timeout=120
    )


def one_line(done: subprocess.CompletedProcess) -> None:
    assert (done.returncode, done.stderr.strip()) == (130, "umi: interrupted"), done


IMPORT = """
import os, sys
class Finder:
    def find_spec(self, name, *_):
        if name == {name!r}:
            sys.meta_path.remove(self)
            os.kill(os.getpid(), signal.SIGINT)
sys.meta_path.insert(0, Finder())
"""


@pytest.mark.parametrize(
    "name",
    [
        "umi_lite.cli.app",
        "typer",
        "umi_lite.console",
        "rich.console",
        "pydantic",
        "numpy",
        "llama_cpp",
    ],
)
def test_while_a_module_is_imported(name, bundle, tmp_path) -> None:
    one_line(run(tmp_path, IMPORT.format(name=name), "run", "hello", "-b", str(bundle)))


IN_CALLBACK = """
import os
def line(level, text, _=None, given=None):
    os.kill(os.getpid(), signal.SIGINT)
class Loader:
    def find_spec(self, name, *_):
        if name == "umi_lite.engine.machine":
            import umi_lite.engine.library as library
            library.keep_line = line
import sys
if "umi_lite.engine.proof" not in sys.orig_argv:  # the child that tries the weights
    sys.meta_path.insert(0, Loader())
"""


def test_while_llama_cpp_writes_its_log(bundle, tmp_path) -> None:
    """The log is written by a callback, in which Python cannot raise."""
    one_line(run(tmp_path, IN_CALLBACK, "run", "hello", "-b", str(bundle)))


def test_while_umi_ends(tmp_path) -> None:
    hook = "import atexit, os\natexit.register(lambda: os.kill(os.getpid(), signal.SIGINT))\n"
    one_line(run(tmp_path, hook, "recipes", "ls"))


LOADS = """
import sys
from pathlib import Path
from umi_lite.engine.llama import Model
model = Path(sys.argv[1])
print("loading", flush=True)
while True:
    Model(model).close()
"""


def test_a_load_that_is_interrupted_stops(base_gguf, tmp_path) -> None:
    """Most of the time llama.cpp is at work, and its log calls Python hundreds of times."""
    process = subprocess.Popen(
        [sys.executable, "-c", START + LOADS, base_gguf],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None and process.stdout.readline() == "loading\n"
    time.sleep(0.3)
    process.send_signal(signal.SIGINT)
    try:
        _, stderr = process.communicate(timeout=20)
    finally:
        process.kill()
    assert stderr.splitlines()[-1] == "KeyboardInterrupt"
    assert "Exception ignored" not in stderr


def test_an_engine_that_was_interrupted_in_a_turn_goes_on(base_gguf, monkeypatch) -> None:
    from umi_lite.engine.engine import Engine
    from umi_lite.engine.request import Request

    with Engine(base_gguf, {"planner": None}, n_ctx=256) as engine:
        asked = Request("planner", [5] * 8, max_tokens=4)
        right = engine.generate(asked).ids
        decode = engine._scheduler("planner")._context.lib.llama_decode

        def interrupted(*given):
            os.kill(os.getpid(), signal.SIGINT)
            return decode(*given)

        engine.forget()
        handler = signal.signal(signal.SIGINT, signal.default_int_handler)
        try:
            with monkeypatch.context() as patch:
                patch.setattr("llama_cpp.llama_decode", interrupted)
                with pytest.raises(KeyboardInterrupt):
                    engine.generate(asked)
        finally:
            signal.signal(signal.SIGINT, handler)
        assert engine.generate(asked).ids == right
