"""Everyday requests, none trained on: `python -m benchmarks.everyday [BUNDLE] [--global]`.

Each request of `tests/everyday/requests.yaml` is asked with the everyday tools, on a to-do list of
its own. It is right if the answer holds every expected text, and the list is as it should be. The
last line is JSON.
"""

import argparse
import datetime
import json
import os
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from umi_lite.bundle.bundle import load_bundle
from umi_lite.bundle.open import open_roles
from umi_lite.evals.stats import Rate
from umi_lite.files import DEFAULT_BUNDLE
from umi_lite.protocol.trajectory import ROLES, Call
from umi_lite.tools.everyday import everyday

REQUESTS = Path(__file__).parents[1] / "tests" / "everyday" / "requests.yaml"


@dataclass(frozen=True)
class Request:
    """One request.

    Attributes:
        calls: the tools and arguments that answer it.
        answer: texts that the answer must hold.
        before: to-dos on the list; `todo`: what is open afterwards, None if it does not matter.
    """

    ask: str
    calls: tuple[Call, ...]
    answer: tuple[str, ...]
    before: tuple[str, ...] = ()
    todo: tuple[str, ...] | None = None


def requests() -> list[Request]:
    """Return the requests, `{today}` filled in."""
    today = datetime.date.today().isoformat()
    entries: list[dict[str, Any]] = yaml.safe_load(REQUESTS.read_text(encoding="utf-8"))
    return [
        Request(
            entry["ask"],
            tuple(Call(tool=name, arguments=arguments) for name, arguments in entry["calls"]),
            tuple(text.format(today=today) for text in entry["answer"]),
            tuple(entry.get("before", ())),
            tuple(entry["todo"]) if "todo" in entry else None,
        )
        for entry in entries
    ]


def fault(request: Request, answer: str | None, folder: Path) -> str:
    """Return what is wrong with an answer or the to-do list in `folder`, empty if nothing is."""
    lacking = [text for text in request.answer if not _holds(answer or "", text)]
    if lacking:
        return f"the answer lacks {', '.join(lacking)}"
    path = folder / "todo.json"
    entries = json.loads(path.read_text(encoding="utf-8")) if path.exists() else []
    still = {item for item, state in entries if state == "open"}
    if request.todo is not None and still != set(request.todo):
        return f"the list has {', '.join(sorted(still)) or 'nothing'}"
    return ""


def _holds(answer: str, text: str) -> bool:
    """Return True if an answer has a text; case matters for capitals, commas never."""
    answer, text = answer.replace(",", ""), text.replace(",", "")
    return text in answer or (not text.isupper() and text.lower() in answer.lower())


def prepare(request: Request, folder: Path) -> None:
    """Write the to-dos of before into `folder`, the data folder of the tools."""
    todos = [[item, "open"] for item in request.before]
    (folder / "todo.json").write_text(json.dumps(todos), encoding="utf-8")


def main() -> None:
    """Measure a bundle."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.everyday", description=__doc__)
    parser.add_argument("bundle", nargs="?", type=Path, default=DEFAULT_BUNDLE)
    parser.add_argument("--global", dest="single", action="store_true", help="its backbone alone")
    given = parser.parse_args()
    bundle = load_bundle(given.bundle)
    right: list[bool] = []
    with open_roles(bundle, views=("backbone",) if given.single else ROLES) as engine:
        for request in requests():
            with tempfile.TemporaryDirectory() as name:
                os.environ["UMI_LITE_DATA"] = name
                prepare(request, Path(name))
                trace = bundle.agent(engine, everyday()).run(request.ask)
                wrong = fault(request, trace.answer, Path(name))
            right.append(not wrong)
            calls = [
                f"{step.tool} {json.dumps(step.arguments)}"
                for step in trace.trajectory.steps
                if isinstance(step, Call)
            ]
            print(
                f"{'right' if not wrong else 'wrong'}: {request.ask} -> {'; '.join(calls)} -> "
                f"{trace.answer} ({wrong or trace.stop})"
            )
    rate = Rate.of(right)
    print(json.dumps({"right": rate.model_dump()}))


if __name__ == "__main__":
    main()
