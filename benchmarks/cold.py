"""`umi run` from a cold start, compared with a plain llama-cpp-python script.

    python -m benchmarks.cold BUNDLE [INSTRUCTION] [--rounds 5] [--threads N]

Each measurement is a process of its own, from its start to its end; set-ups alternate, a ratio is
the median of the rounds' ratios. *first* has an empty UMI_LITE_CACHE, *second* what the first left
there. *plain* loads the bundle's base with its global adapter in a `Llama`, evaluates the episode's
transcript once, and generates the tokens that the roles said one by one. The page cache is warm for
all. By default both compute on all cores; while other programs run, compare with `--threads 1`. The
last line is JSON.
"""

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

INSTRUCTION = "What is 12 * 34?"


def plain(given: dict[str, Any]) -> None:
    """Load base and adapter, read the transcript and say what the roles said, in this process."""
    import llama_cpp

    if not given["repacks"]:  # `Llama` has no option for it, and asks the bindings for the defaults
        defaults = llama_cpp.llama_cpp.llama_model_default_params

        def params() -> Any:
            made = defaults()
            made.use_extra_bufts = False
            return made

        llama_cpp.llama_cpp.llama_model_default_params = params
    llm = llama_cpp.Llama(**given["options"], verbose=False)
    text: list[int] = []
    for heard, said in given["turns"]:
        llm.eval(heard)
        for token in said:
            llm.sample(temp=0.0)
            llm.eval([token])
        text += said
    print(llm.detokenize(text).decode("utf-8", "replace"))


def turns(bundle: Path, trace: Path) -> list[tuple[list[int], list[int]]]:
    """Return (token ids heard, token ids said) of an episode's turns, in one transcript."""
    from contextlib import closing

    from umi_lite.agent.trace import Trace
    from umi_lite.bundle.bundle import load_bundle
    from umi_lite.engine.language import Language
    from umi_lite.engine.llama import Model
    from umi_lite.protocol.prompts import render

    opened, episode = load_bundle(bundle), Trace.load(trace)
    with closing(Model.vocabulary(opened.base)) as model:
        language = Language(model, opened.spec.template)
        sample = render(episode.trajectory, "backbone", language.template, language)
    if sample is None:
        raise SystemExit("the roles said nothing: nothing to compare")
    made: list[tuple[list[int], list[int]]] = [([], [])]
    for token, own in zip(sample.ids, sample.mask, strict=True):
        if not own and made[-1][1]:
            made.append(([], []))
        made[-1][own].append(token)
    return made


def timed(command: list[str], cache: Path) -> tuple[float, float]:
    """Return the seconds that a process took, and its CPU seconds with its children's.

    Raises:
        SystemExit: it failed.
    """
    before, spent = time.perf_counter(), _spent()
    env = os.environ | {"UMI_LITE_CACHE": str(cache)}
    env.pop("PYTHONDONTWRITEBYTECODE", None)  # an installed package is compiled
    done = subprocess.run(command, env=env, capture_output=True, text=True)
    took = time.perf_counter() - before, _spent() - spent
    if done.returncode not in (0, 1):  # 1: the episode has no answer, which takes its time too
        raise SystemExit(f"{' '.join(command)}: status {done.returncode}\n{done.stderr}")
    return took


def _spent() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def said(trace: Path) -> list[Any]:
    return json.loads(trace.read_text(encoding="utf-8"))["trajectory"]["steps"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("bundle", type=Path)
    parser.add_argument("instruction", nargs="?", default=INSTRUCTION)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        measure(given.bundle, given.instruction, given.rounds, given.threads, Path(folder))


def measure(bundle: Path, instruction: str, rounds: int, threads: int | None, folder: Path) -> None:
    """Run all set-ups in turn; print table, ratios and JSON."""
    from benchmarks.report import show
    from umi_lite.bundle.bundle import load_bundle
    from umi_lite.engine.machine import cores, repacks

    trace, script = folder / "trace.json", folder / "plain.json"
    umi = [sys.executable, "-m", "umi_lite", "run", instruction]
    umi += ["--bundle", str(bundle), "--trace", str(trace)]
    umi += ["--threads", str(threads)] if threads else []
    timed(umi, folder / "warm")  # the page cache holds the files from here on
    steps, spoken = said(trace), turns(bundle, trace)
    opened = load_bundle(bundle)
    options = {
        "model_path": str(opened.base),
        "lora_path": str(opened.adapters.get("backbone", next(iter(opened.adapters.values())))),
        "n_ctx": 1024,
        "n_threads": threads or cores(),
        "n_threads_batch": threads or cores(),
    }
    script.write_text(json.dumps({"repacks": repacks(), "options": options, "turns": spoken}))
    alone = [sys.executable, __file__, "--plain", str(script)]
    timed(alone, folder)
    took: dict[str, list[tuple[float, float]]] = {"plain": [], "first": [], "second": []}
    for turn in range(rounds):
        cache = folder / f"cache{turn}"
        for name, command in (("plain", alone), ("first", umi), ("second", umi)):
            took[name].append(timed(command, cache))
            if name != "plain" and said(trace) != steps:
                raise SystemExit(f"{name}: the roles said something else than before")
    heard = sum(len(ids) for ids, _ in spoken)
    tokens = {"tokens read": heard, "said": sum(len(ids) for _, ids in spoken)}
    rows = {
        name: {
            "median s": round(statistics.median(seconds for seconds, _ in each), 2),
            "least s": round(min(seconds for seconds, _ in each), 2),
            "most s": round(max(seconds for seconds, _ in each), 2),
            "CPU s": round(statistics.median(spent for _, spent in each), 2),
            **(tokens if name == "plain" else {}),
        }
        for name, each in took.items()
    }
    ratios = {
        f"{name}/plain{what}": round(
            statistics.median(a[i] / b[i] for a, b in zip(took[name], took["plain"], strict=True)),
            2,
        )
        for i, what in enumerate(("", ", CPU"))
        for name in ("first", "second")
    }
    title = f"{instruction}, medians of {rounds}, load {os.getloadavg()[0]:.1f} at the end"
    show(title, rows, ratios, threads or cores())


if __name__ == "__main__":
    if sys.argv[1:2] == ["--plain"]:
        plain(json.loads(Path(sys.argv[2]).read_text()))
    else:
        main()
