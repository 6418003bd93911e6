"""A judge's votes: questions to an OpenAI-compatible endpoint, with every reply kept.

Rows of the file of votes: `key, id, question, number, model, temperature, prompt, reply`. A reply
that is in the file already is not requested again; a changed prompt is another question.
"""

import hashlib
import json
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from umi_lite.engine.client import MALFORMED, Endpoint
from umi_lite.errors import UserError
from umi_lite.evals.journal import Journal


def reply(client: Any, model: str, prompt: str, **sampling: Any) -> str:
    """Return the model's answer to the prompt as the only user message; "" if it is empty.

    Args:
        client: `Endpoint.client`.
        sampling: temperature, seed, max_tokens, as the API names them.

    Raises:
        openai.OpenAIError: the endpoint fails after the client's retries, or its answer is not of
            the API's form.
    """
    import openai

    try:
        said = client.chat.completions.create(
            model=model, messages=[{"role": "user", "content": prompt}], **sampling
        )
        return (said.choices[0].message.content or "") if said.choices else ""
    except MALFORMED as err:
        raise openai.OpenAIError(f"its answer is not of the API's form: {err}") from err


Replies = Mapping["Question", Sequence[str]]


@dataclass(frozen=True)
class Question:
    """A prompt about the task `id`; `name` is its kind (`pass`, `win`, …)."""

    id: str
    name: str
    prompt: str


@dataclass(frozen=True)
class Judge:
    """A judge's endpoint and settings; the key is read from OPENAI_API_KEY.

    Attributes:
        votes: requests per question; the seed is the vote's number.
        temperature: 0 is greedy; votes differ much only above it.
        parallel: concurrent requests.
        retries: retries of a request that was refused temporarily (429, 5xx) or not answered,
            with growing waits.
        timeout: seconds without a byte after which a request is retried.
        max_tokens: the most tokens of a reply.
    """

    endpoint: Endpoint
    votes: int = 1
    temperature: float = 0.0
    parallel: int = 4
    retries: int = 4
    timeout: float = 120.0
    max_tokens: int = 1024

    def __post_init__(self) -> None:
        if self.votes < 1 or self.parallel < 1:
            raise UserError(
                f"votes is {self.votes}, parallel is {self.parallel}; both must be 1 or more"
            )

    def ask(
        self,
        questions: Sequence[Question],
        votes: Path,
        on_reply: Callable[[], None] | None = None,
    ) -> Replies:
        """Return the replies to each question, in the order of the votes' numbers.

        Args:
            votes: the file of votes; replies are appended to it as they arrive.
            on_reply: called as each new reply is written.

        Raises:
            UserError: the endpoint cannot be reached or refuses, after the retries. Earlier
                replies are in the file.
        """
        wanted = {
            self._key(question, number): (question, number)
            for question in questions
            for number in range(self.votes)
        }
        with Journal(votes) as journal:
            replies = {str(row.get("key")): str(row.get("reply")) for row in journal.rows}
            missing = {key: asked for key, asked in wanted.items() if key not in replies}
            if missing:
                self._ask_missing(missing, journal, replies, on_reply)
        return {
            question: [replies[self._key(question, number)] for number in range(self.votes)]
            for question in questions
        }

    def _ask_missing(
        self,
        missing: Mapping[str, tuple[Question, int]],
        journal: Journal,
        replies: dict[str, str],
        on_reply: Callable[[], None] | None,
    ) -> None:
        import openai

        client = self.endpoint.client(self.timeout, max_retries=self.retries)
        broken = threading.Event()

        def reply_to(question: Question, number: int) -> str | None:
            if broken.is_set():
                return None
            try:
                return reply(
                    client,
                    self.endpoint.model,
                    question.prompt,
                    temperature=self.temperature,
                    seed=number,
                    max_tokens=self.max_tokens,
                )
            except openai.OpenAIError:
                broken.set()
                raise

        failed: openai.OpenAIError | None = None
        with client, ThreadPoolExecutor(self.parallel, thread_name_prefix="judge") as pool:
            asked = {pool.submit(reply_to, *missing[key]): key for key in missing}
            try:
                for future in as_completed(asked):
                    try:
                        said = future.result()
                    except openai.OpenAIError as err:
                        # Requests in flight are still written, no more are sent.
                        failed = failed or err
                        continue
                    if said is None:
                        continue
                    key = asked[future]
                    journal.append(self._row(key, *missing[key], said))
                    replies[key] = said
                    if on_reply is not None:
                        on_reply()
            finally:
                broken.set()
        if failed is not None:
            raise self.endpoint.failure(failed, self.timeout)

    def _row(self, key: str, question: Question, number: int, reply: str) -> dict[str, object]:
        return {
            "key": key,
            "id": question.id,
            "question": question.name,
            "number": number,
            "model": self.endpoint.model,
            "temperature": self.temperature,
            "prompt": question.prompt,
            "reply": reply,
        }

    def _key(self, question: Question, number: int) -> str:
        parts = [self.endpoint.model, self.temperature, self.max_tokens, question.id]
        text = json.dumps([*parts, question.name, question.prompt, number])
        return hashlib.sha256(text.encode()).hexdigest()[:24]
