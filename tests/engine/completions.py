"""An OpenAI-compatible server over the embedded model: `/v1/models` and `/v1/completions`."""

import json
import threading
from contextlib import AbstractContextManager

from local_server import JsonHandler, LocalServer, running

from umi_lite.engine.engine import Engine
from umi_lite.engine.request import Request


class Served(LocalServer):
    """The engine behind the interface."""

    def __init__(self, engine: Engine, owner: str):
        super().__init__(_Handler)
        self.engine, self.owner = engine, owner
        self.one_at_a_time = threading.Lock()


class _Handler(JsonHandler):
    server: Served

    def do_GET(self) -> None:
        models = [
            {"id": view, "object": "model", "created": 0, "owned_by": self.server.owner}
            for view in self.server.engine.views
        ]
        self.reply(200, {"object": "list", "data": models})

    def do_POST(self) -> None:
        body = self.body()
        if body["max_tokens"] == 13:
            self.reply(400, {"error": {"message": "thirteen is refused"}})
            return
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.end_headers()
        request = Request(
            body["model"],
            body["prompt"],
            max_tokens=body["max_tokens"],
            temperature=body["temperature"],
            grammar=body.get("structured_outputs", {}).get("grammar"),
            on_text=lambda text: self._chunk(text, None),
        )
        try:
            with self.server.one_at_a_time:
                said = self.server.engine.generate(request)
            self._chunk("", "length" if said.stop == "length" else "stop")
            self.wfile.write(b"data: [DONE]\n\n")
        except BrokenPipeError:
            pass  # the client had heard enough

    def _chunk(self, text: str, reason: str | None) -> None:
        choice = {"index": 0, "text": text, "finish_reason": reason, "logprobs": None}
        chunk = {"id": "1", "object": "text_completion", "created": 0, "model": "m"}
        self.wfile.write(f"data: {json.dumps(chunk | {'choices': [choice]})}\n\n".encode())
        self.wfile.flush()


def served(engine: Engine, owner: str) -> AbstractContextManager[Served]:
    """`owner` is what the server calls itself: `vllm` takes grammars."""
    return running(Served(engine, owner))
