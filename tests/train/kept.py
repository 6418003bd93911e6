"""What the tests of training read of a run."""

import json
from pathlib import Path

from umi_lite.train.progress import Silent


class Notes(Silent):
    """Keeps what is worth reading."""

    def __init__(self) -> None:
        self.said: list[str] = []

    def note(self, text: str) -> None:
        self.said.append(text)


def losses(run: Path, job: str = "global") -> list[float]:
    """The loss of each step."""
    return [record["loss"] for record in _records(run, job)]


def rates(run: Path, job: str = "global") -> list[float]:
    """The learning rate of each step, as the optimizer had it."""
    return [record["learning_rate"] for record in _records(run, job)]


def _records(run: Path, job: str) -> list[dict[str, float]]:
    return [json.loads(line) for line in (run / job / "metrics.jsonl").open()]
