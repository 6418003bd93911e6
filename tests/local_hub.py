"""A stand-in for the Hugging Face hub: the endpoints that an upload calls, and ways to fail."""

import base64
import hashlib
import json
import re
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

TOKEN = "hf_write"


@dataclass
class Repository:
    private: bool
    files: dict[str, bytes] = field(default_factory=dict)
    commits: int = 0


class LocalHub(ThreadingHTTPServer):
    """A hub with its repositories.

    Attributes:
        fails: by kind of request (`create`, `preupload`, `batch`, `put`, `commit`): the status to
            answer with, or 0 to break the connection in the middle of the request.
        asked: the kinds of all requests, in order.
    """

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.url = f"http://127.0.0.1:{self.server_port}"
        self.repositories: dict[str, Repository] = {}
        self.blobs: dict[str, bytes] = {}
        self.fails: dict[str, int] = {}
        self.asked: list[str] = []
        self.ignored: set[str] = set()

    def handle_error(self, *_: object) -> None:
        pass


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: LocalHub

    def log_message(self, *_: object) -> None:
        pass

    def reply(self, status: int, value: Any = None, **headers: str) -> None:
        body = value if isinstance(value, bytes) else json.dumps(value or {}).encode()
        self.send_response(status)
        for name, text in ({"Content-Length": str(len(body))} | headers).items():
            self.send_header(name.replace("_", "-"), text)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def body(self) -> bytes:
        return self.rfile.read(int(self.headers.get("Content-Length") or 0))

    def stopped(self, kind: str) -> bool:
        """Return True after the failure of this kind of request, if it is to fail."""
        self.server.asked.append(kind)
        status = self.server.fails.get(kind)
        if status is None:
            return False
        if status:
            self.body()
            self.close_connection = True
            self.reply(status, {"error": "no"}, Connection="close")
        else:
            self.rfile.read(64)
            self.connection.close()
            self.close_connection = True
        return True

    def allowed(self) -> bool:
        if self.headers.get("Authorization") == f"Bearer {TOKEN}":
            return True
        self.body()
        self.reply(401, {"error": "Invalid credentials in Authorization header"})
        return False

    def repository(self, name: str) -> Repository | None:
        found = self.server.repositories.get(name)
        if found is None:
            self.body()
            self.reply(404, {"error": "Repository not found"}, X_Error_Code="RepoNotFound")
        return found

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_GET(self) -> None:
        if self.path == "/":
            self.reply(200)
        elif not self.allowed():
            pass
        elif name := re.fullmatch(r"/api/models/([^/]+/[^/]+)", self.path):
            if found := self.repository(name[1]):
                siblings = [{"rfilename": file} for file in found.files]
                about = {"id": name[1], "private": found.private, "siblings": siblings}
                self.reply(200, {"_id": "1", "sha": "c" * 40, "tags": [], "downloads": 0, **about})
        elif name := re.fullmatch(r"/([^/]+/[^/]+)/resolve/[^/]+/(.+)", self.path):
            if found := self.repository(name[1]):
                data = found.files[name[2]]
                tag = f'"{hashlib.sha1(data).hexdigest()}"'
                self.reply(200, data, ETag=tag, X_Repo_Commit="c" * 40)
        else:
            self.reply(404)

    def do_PUT(self) -> None:
        if self.stopped("put"):
            return
        data = self.body()
        assert hashlib.sha256(data).hexdigest() == self.path.removeprefix("/lfs/")
        self.server.blobs[self.path.removeprefix("/lfs/")] = data
        self.reply(200)

    def do_POST(self) -> None:
        if not self.allowed():
            return
        if self.path == "/api/repos/create":
            if not self.stopped("create"):
                asked = json.loads(self.body())
                name = f"{asked['organization']}/{asked['name']}"
                self.server.repositories[name] = Repository(asked.get("visibility") == "private")
                self.server.repositories[name].files[".gitattributes"] = b"*.gguf filter=lfs\n"
                self.reply(200, {"url": f"{self.server.url}/{name}"})
        elif self.path == "/api/validate-yaml":
            self.body()
            self.reply(200, {"errors": [], "warnings": []})
        elif name := re.fullmatch(r"/api/models/([^/]+/[^/]+)/preupload/main", self.path):
            if self.repository(name[1]) and not self.stopped("preupload"):
                self.reply(200, {"files": [self.mode(f) for f in json.loads(self.body())["files"]]})
        elif name := re.fullmatch(r"/([^/]+/[^/]+)\.git/info/lfs/objects/batch", self.path):
            if self.repository(name[1]) and not self.stopped("batch"):
                objects = json.loads(self.body())["objects"]
                for one in objects:
                    href = f"{self.server.url}/lfs/{one['oid']}"
                    one["actions"] = {"upload": {"href": href}}
                self.reply(200, {"transfer": "basic", "objects": objects})
        elif name := re.fullmatch(r"/api/models/([^/]+/[^/]+)/commit/main", self.path):
            if (found := self.repository(name[1])) and not self.stopped("commit"):
                self.commit(found, [json.loads(line) for line in self.body().splitlines()])
                url = f"{self.server.url}/{name[1]}/commit/{'d' * 40}"
                self.reply(200, {"commitUrl": url, "commitOid": "d" * 40})
        else:
            self.body()
            self.reply(404)

    def mode(self, file: dict[str, Any]) -> dict[str, Any]:
        large = file["path"].endswith(".gguf")
        ignored = file["path"] in self.server.ignored
        mode = "lfs" if large else "regular"
        return {"path": file["path"], "uploadMode": mode, "shouldIgnore": ignored}

    def commit(self, repository: Repository, lines: list[dict[str, Any]]) -> None:
        for line in lines:
            value = line["value"]
            if line["key"] == "file":
                repository.files[value["path"]] = base64.b64decode(value["content"])
            elif line["key"] == "lfsFile":
                repository.files[value["path"]] = self.server.blobs[value["oid"]]
        repository.commits += 1
