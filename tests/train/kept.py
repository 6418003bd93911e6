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
    return [json.loads(line)["loss"] for line in (run / job / "metrics.jsonl").open()]
