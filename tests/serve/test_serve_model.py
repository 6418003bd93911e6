"""The server over the real engine: what is cached, and `umi serve` as a process."""

import http.client
import json
import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import openai
from serving import serving, until

from umi_lite.agent.bounds import Bounds
from umi_lite.agent.trace import Trace
from umi_lite.engine.context import Context
from umi_lite.serve.store import TraceStore

USER = {"role": "user", "content": "What is twice three? Use the tool, and say the result."}
PARAMETERS = {"type": "object", "properties": {"n": {"type": "integer", "maximum": 9}}}
TOOL = {
    "type": "function",
    "function": {"name": "double", "parameters": {**PARAMETERS, "required": ["n"]}},
}
SHORT = Bounds(max_thought_chars=24, max_answer_tokens=8, max_seconds=600)


class Kept(list[Trace]):
    def save(self, trace: Trace, *, running: bool = False) -> None:
        if not running:
            self.append(trace)


def test_what_was_read_before_is_read_from_the_cache(engine):
    kept = Kept()
    with serving(engine, bounds=SHORT, store=kept) as running:
        client = running.client()

        def ask(messages: list[Any], choice: Any) -> Any:
            made = client.chat.completions.create(
                model="small", messages=messages, tools=[TOOL], tool_choice=choice
            )
            until(lambda: kept and kept[-1].trajectory.id == made.id)
            turns = kept[-1].turns
            assert made.usage.prompt_tokens == sum(turn.prompt_tokens for turn in turns)
            cached = made.usage.prompt_tokens_details.cached_tokens
            assert cached == sum(turn.reused for turn in turns)
            return made.choices[0].message

        said = ask([USER], "required")
        [call] = said.tool_calls
        assert isinstance(json.loads(call.function.arguments)["n"], int)
        planner = kept[0].turns[0]
        result = {"role": "tool", "tool_call_id": call.id, "content": "The result is 6."}
        ask([USER, said, result], "none")
        whole = kept[1].turns[0]
        # Its thought too, as far as it has the tokens that its text is read as.
        assert whole.reused >= planner.prompt_tokens
        # An edited result: all before it is still of use, whatever the client calls the message.
        copy = {"role": "assistant", "content": None, "tool_calls": [call.model_dump()]}
        ask([USER, copy, {**result, "content": "An error occurred."}], "none")
        edited = kept[2].turns[0]
        assert planner.prompt_tokens <= edited.reused < whole.prompt_tokens
        # A cut history: the system message and the tools' docs.
        ask([{**USER, "content": "Hello."}], "none")
        assert kept[3].turns[0].reused > 20


def test_a_client_that_leaves_ends_the_evaluation_of_its_prompt(engine, monkeypatch):
    decode, reading, stopped = Context.decode, threading.Event(), []

    def recorded(context: Context, entries) -> bool:
        if len(entries) > 200:
            reading.set()
        stopped.append(decode(context, entries))
        return stopped[-1]

    body = {"messages": [{**USER, "content": "What is one more than nine? " * 40}]}
    monkeypatch.setattr(Context, "decode", recorded)
    with serving(engine, bounds=SHORT) as running:
        address = running.url.removeprefix("http://")
        leaver = http.client.HTTPConnection(address)
        headers = {"content-type": "application/json"}
        leaver.request("POST", "/v1/chat/completions", json.dumps(body), headers)
        assert reading.wait(60)
        leaver.close()
        until(lambda: running.health()["running"] == 0)
        assert stopped[-1] is True
        assert running.post({"messages": [USER]}).status_code == 200


@contextmanager
def started(bundle: Path, *options: str, **more: str) -> Iterator[tuple[str, subprocess.Popen]]:
    command = [sys.executable, "-m", "umi_lite", "serve", "-b", str(bundle), "--port", "0"]
    limits = ["--max-thought-chars", "24", "--max-answer-tokens", "12", "--n-ctx", "512"]
    process = subprocess.Popen(
        [*command, *limits, "--weights", "adapters", *options],
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | more,
    )
    try:
        assert process.stderr is not None
        url, lines = None, []
        while url is None:
            line = process.stderr.readline()
            lines.append(line)
            assert line, "".join(lines)
            url = re.search(r"at (http://\S+)/v1", line)
        yield url[1], process
    finally:
        process.kill()
        process.wait()


def test_sigterm_lets_eight_streams_end(bundle, tmp_path):
    ended: list[Any] = []

    def read(client: openai.OpenAI) -> None:
        stream = client.chat.completions.create(model="small", messages=[USER], stream=True)
        ended.append(list(stream)[-1].choices[0].finish_reason)

    options = ("--name", "small", "--drain-seconds", "300")
    with started(bundle.path, *options, UMI_LITE_DATA=str(tmp_path)) as (url, process):
        health = f"{url}/health"
        assert httpx.get(health).json()["status"] == "ok"
        with openai.OpenAI(base_url=f"{url}/v1", api_key="none", max_retries=0) as client:
            threads = [threading.Thread(target=read, args=(client,)) for _ in range(8)]
            for thread in threads:
                thread.start()

            def begun() -> int:
                state = httpx.get(health).json()
                return state["running"] + state["waiting"] + len(ended)

            until(lambda: begun() == 8)
            process.send_signal(signal.SIGTERM)
            for thread in threads:
                thread.join(300)
        assert process.wait(60) == 0
    assert len(ended) == 8 and set(ended) <= {"stop", "length"}
    with TraceStore(tmp_path / "traces.db") as store:
        kept = store.list()
    assert len(kept) == 8 and not any(entry.state == "running" for entry in kept)


def test_what_the_command_refuses(bundle):
    def refused(*options: str) -> str:
        command = [sys.executable, "-m", "umi_lite", "serve", "-b", str(bundle.path)]
        done = subprocess.run([*command, *options], capture_output=True, text=True, timeout=60)
        assert done.returncode == 2 and done.stdout == ""
        return done.stderr

    assert "--token-file" in refused("--host", "0.0.0.0")
    assert "no tools 'nothing'" in refused("--port", "0", "--tools", "nothing")


def test_the_extra_is_named_where_it_is_missing():
    code = "import sys; sys.modules['uvicorn'] = None; from umi_lite.cli import main; main()"
    done = subprocess.run([sys.executable, "-c", code, "serve"], capture_output=True, text=True)
    assert done.returncode == 2
    assert done.stderr == "umi: umi serve needs uvicorn: pip install 'umi-lite[serve]'\n"
