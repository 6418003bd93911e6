"""An OpenAI-compatible chat server that says what a script says."""

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Say = Callable[[dict[str, Any]], str | int]


class ChatServer(ThreadingHTTPServer):
    """`say` gives a reply's text, or the status of a failure. `asked` are the bodies."""

    def __init__(self, say: Say):
        super().__init__(("127.0.0.1", 0), _Handler)
        self.say = say
        self.asked: list[dict[str, Any]] = []
        self.keys: set[str | None] = set()
        self.url = f"http://127.0.0.1:{self.server_port}/v1"


class _Handler(BaseHTTPRequestHandler):
    server: ChatServer

    def log_message(self, *_: object) -> None:
        pass

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        assert self.path == "/v1/chat/completions"
        self.server.asked.append(body)
        self.server.keys.add(self.headers.get("Authorization"))
        said = self.server.say(body)
        if isinstance(said, int):
            self._reply(said, {"error": {"message": f"refused with {said}"}})
            return
        message = {"role": "assistant", "content": said}
        choice = {"index": 0, "message": message, "finish_reason": "stop"}
        made = {"id": "1", "object": "chat.completion", "created": 0, "model": body["model"]}
        self._reply(200, made | {"choices": [choice]})

    def _reply(self, status: int, body: dict[str, Any]) -> None:
        text = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)


@contextmanager
def chat_server(say: Say) -> Iterator[ChatServer]:
    server = ChatServer(say)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
