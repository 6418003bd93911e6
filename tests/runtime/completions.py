"""An OpenAI-compatible server over the embedded model: `/v1/models` and `/v1/completions`."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from umi_lite.runtime.engine import Engine
from umi_lite.runtime.request import Request


class Served(ThreadingHTTPServer):
    """`asked` are the bodies of the completions, as they came."""

    def __init__(self, engine: Engine, owner: str):
        super().__init__(("127.0.0.1", 0), _Handler)
        self.engine, self.owner = engine, owner
        self.asked: list[dict[str, Any]] = []
        self.one_at_a_time = threading.Lock()
        self.url = f"http://127.0.0.1:{self.server_port}/v1"


class _Handler(BaseHTTPRequestHandler):
    server: Served

    def log_message(self, *_: object) -> None:
        pass

    def do_GET(self) -> None:
        models = [
            {"id": view, "object": "model", "created": 0, "owned_by": self.server.owner}
            for view in self.server.engine.views
        ]
        self._reply(200, json.dumps({"object": "list", "data": models}).encode())

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.asked.append(body)
        if body["max_tokens"] == 13:
            self._reply(400, b'{"error": {"message": "thirteen is refused"}}')
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

    def _reply(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


@contextmanager
def served(engine: Engine, owner: str) -> Iterator[Served]:
    """`owner` is what the server calls itself: `vllm` takes grammars."""
    server = Served(engine, owner)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
