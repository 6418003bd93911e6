"""A question per row of a CSV file, several at a time, and a CSV file of the answers.

    python examples/batch_csv.py QUESTIONS.csv ANSWERS.csv

The first column is the question. Rows run in one batch, so they share what the model reads.
"""

import csv
import sys
from pathlib import Path

from umi_lite import Toolbox, Trajectory, load_bundle, open_roles, tool
from umi_lite.agent.agent import Job, run_many
from umi_lite.engine.placement import Overrides
from umi_lite.files import DEFAULT_BUNDLE


@tool
def area(width: float, height: float) -> float:
    """The area of a rectangle, in square metres."""
    return width * height


def main(questions: str, answers: str, bundle: str | None = None) -> None:
    with open(questions, newline="", encoding="utf-8") as file:
        asked = [row[0] for row in csv.reader(file) if row]
    toolbox = Toolbox([area])
    jobs = [
        Job(Trajectory(id=f"row-{n}", source="csv", tools=toolbox.specs, instruction=text), toolbox)
        for n, text in enumerate(asked)
    ]
    opened = load_bundle(bundle or DEFAULT_BUNDLE)
    with open_roles(opened, overrides=Overrides(slots=min(4, len(jobs)))) as engine:
        traces = run_many(engine, jobs, bounds=opened.spec.bounds)
    with Path(answers).open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["question", "answer", "stop", "tokens"])
        writer.writerows(
            [q, t.answer, t.stop, t.tokens] for q, t in zip(asked, traces, strict=True)
        )


if __name__ == "__main__":
    main(*sys.argv[1:3])
