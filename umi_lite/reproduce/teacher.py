"""A teacher: another LLM words the generated instructions, and none of their values may change.

A wording is kept only if it has every value and every number of the instruction, no other number,
and the trajectory still verifies with it. What is not kept is counted with its reason; the
instruction keeps the wording that rules made.
"""

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from umi_lite.console import counting
from umi_lite.data.rows import Dropped, Loaded
from umi_lite.data.synth.check import fault_of
from umi_lite.engine.client import Endpoint
from umi_lite.errors import UserError
from umi_lite.evals.journal import Journal
from umi_lite.evals.judge import Judge, Question
from umi_lite.protocol.trajectory import Trajectory
from umi_lite.tools.tools import ToolFunction

if TYPE_CHECKING:
    from rich.console import Console

TIMEOUT = 30.0
_MOST_TOKENS = 256
_LONGEST = 3  # times the instruction
_NUMBER = re.compile(r"\d+")
_PROMPT = """\
Write this request to an assistant again, as another person would say it.

Request: {instruction}

- Ask for the same things in the same order, and for nothing else.
- Keep each of these texts exactly as written: {values}
- Write the request on one line and nothing else.
"""


@dataclass(frozen=True)
class Teacher:
    """A teacher at an OpenAI-compatible endpoint; the key is read from OPENAI_API_KEY.

    Attributes:
        journal: a file of all replies: what is in it is not requested again.
        functions: tools that are really run, by name.
        timeout: seconds without a byte after which a request is tried again, `retries` times.
    """

    endpoint: Endpoint
    journal: Path
    console: "Console"
    functions: Mapping[str, ToolFunction] = field(default_factory=dict[str, ToolFunction])
    timeout: float = TIMEOUT
    retries: int = 2

    @property
    def name(self) -> str:
        """Return where it is, as `URL#MODEL`."""
        return f"{self.endpoint.url}#{self.endpoint.model}"

    def reword(self, made: Loaded) -> Loaded:
        """Return the tasks in the teacher's words where those are sound, and the reasons elsewhere.

        An endpoint that fails, is busy or hangs is a reason, not an error.

        Raises:
            UserError: the journal cannot be written, or the client is not installed.
        """
        asked = [task for task in made.trajectories if task.meta.get("kind") != "missing"]
        replies, failure = self._replies(asked)
        dropped: list[Dropped] = []
        tasks: list[Trajectory] = []
        for task in made.trajectories:
            text = replies.get(task.id)
            if text is not None:
                worded = task.model_copy(update={"instruction": " ".join(text.split())})
                why = self._fault(task, worded)
                task = task if why else worded
            else:
                why = failure if task in asked else "a request that lacks a value is not worded"
            if why:
                dropped.append(Dropped(task.id, f"the teacher's wording: {why}"))
            tasks.append(task)
        return Loaded(tasks, dropped)

    def _replies(self, tasks: list[Trajectory]) -> tuple[dict[str, str], str]:
        """Return the replies by task, and why some are missing."""
        judge = Judge(
            self.endpoint, timeout=self.timeout, retries=self.retries, max_tokens=_MOST_TOKENS
        )
        prompts = {task.id: _prompt(task) for task in tasks}
        questions = [Question(id, "wording", prompt) for id, prompt in prompts.items()]
        failure = ""
        try:
            with counting("teacher", len(questions), "", self.console) as count:
                judge.ask(questions, self.journal, lambda: count(True))
        except ImportError:
            raise UserError("--teacher needs a client: pip install 'umi-lite[endpoint]'") from None
        except UserError as err:
            failure = str(err)
        with Journal(self.journal) as journal:
            rows = [row for row in journal.rows if row["model"] == self.endpoint.model]
            found = {
                row["id"]: row["reply"] for row in rows if prompts.get(row["id"]) == row["prompt"]
            }
        return found, failure

    def _fault(self, task: Trajectory, worded: Trajectory) -> str:
        """Return why a wording is not sound, "" where it is."""
        said, before = worded.instruction, task.instruction
        if not said or len(said) > _LONGEST * len(before):
            return "it is empty or far too long"
        if any(value.casefold() not in said.casefold() for value in _values(task)):
            return "a value is missing"
        if Counter(_NUMBER.findall(said)) != Counter(_NUMBER.findall(before)):
            return "it has other numbers"
        return fault_of(worded, self.functions)


def _values(task: Trajectory) -> list[str]:
    """Return the texts of the instruction that arguments are read from."""
    said = [text for _, _, text in task.meta["said"]]
    plain = task.instruction.casefold()
    return list(dict.fromkeys(text for text in said if text.casefold() in plain))


def _prompt(task: Trajectory) -> str:
    values = "; ".join(_values(task)) or "(none)"
    return _PROMPT.format(instruction=task.instruction, values=values)
