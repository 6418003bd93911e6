"""An OpenAI-compatible chat server that says what a script says."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

from local_server import JsonHandler, LocalServer, running

Say = Callable[[dict[str, Any]], str | int]


class ChatServer(LocalServer):
    """`say` gives a reply's text, or the status of a failure."""

    def __init__(self, say: Say):
        super().__init__(_Handler)
        self.say = say
        self.keys: set[str | None] = set()


class _Handler(JsonHandler):
    server: ChatServer

    def do_POST(self) -> None:
        assert self.path == "/v1/chat/completions"
        body = self.body()
        self.server.keys.add(self.headers.get("Authorization"))
        said = self.server.say(body)
        if isinstance(said, int):
            self.reply(said, {"error": {"message": f"refused with {said}"}})
            return
        message = {"role": "assistant", "content": said}
        choice = {"index": 0, "message": message, "finish_reason": "stop"}
        made = {"id": "1", "object": "chat.completion", "created": 0, "model": body["model"]}
        self.reply(200, made | {"choices": [choice]})


def chat_server(say: Say) -> AbstractContextManager[ChatServer]:
    return running(ChatServer(say))
