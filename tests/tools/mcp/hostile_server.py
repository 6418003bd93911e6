"""An MCP server that does what none should, over stdio; each tool is one misdeed.

`python hostile_server.py [MODE]`: `silent` never answers, `exits` says why on stderr and ends,
`noisy` writes to stdout what is no message, `loner` leaves a child in its process group.
"""

import json
import os
import subprocess
import sys
import time
from typing import Any

TEXT = {"type": "object", "properties": {"text": {"type": "string"}}, "required": ["text"]}
NONE = {"type": "object", "properties": {}}
TOOLS: dict[str, dict[str, Any]] = {
    "echo": {"inputSchema": TEXT, "annotations": {"readOnlyHint": True}},
    "die": {"inputSchema": NONE},
    "hang": {"inputSchema": NONE},
    "flood": {"inputSchema": NONE},
    "one_long_line": {"inputSchema": NONE},
    "garbage": {"inputSchema": NONE},
    "change": {"inputSchema": NONE},
    "no_such_schema": {"inputSchema": {"type": "object", "properties": {"x": 7}}},
    "untrue_output": {
        "inputSchema": NONE,
        "outputSchema": {"type": "object", "properties": {"n": {"type": "integer"}}},
    },
    "not_a_result": {"inputSchema": NONE},
    "fails": {"inputSchema": NONE},
    "erase": {"inputSchema": TEXT, "annotations": {"destructiveHint": True}},
    "progress": {"inputSchema": NONE},
}


def send(message: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps({"jsonrpc": "2.0", **message}) + "\n")
    sys.stdout.flush()


def text(said: str, **more: Any) -> dict[str, Any]:
    return {"content": [{"type": "text", "text": said}], **more}


def log(said: str) -> None:
    send({"method": "notifications/message", "params": {"level": "warning", "data": said}})


def call(name: str, arguments: dict[str, Any], token: Any) -> dict[str, Any]:
    if name == "die":
        print("segmentation fault, it says", file=sys.stderr, flush=True)
        os._exit(3)
    if name == "hang":
        time.sleep(600)
    if name == "flood":
        return text("a" * 5_000_000 + "b" * 5_000_000)
    if name == "one_long_line":
        while True:
            sys.stdout.write("x" * 65536)
    if name == "garbage":
        for _ in range(10):
            sys.stdout.write("\x1b[2J not a message\n" * 50_000)
            sys.stderr.write("and more of it\n" * 50_000)
        sys.stdout.flush()
    if name == "change":
        TOOLS.pop("echo", None)
        TOOLS["echo_again"] = {"inputSchema": TEXT}
        send({"method": "notifications/tools/list_changed"})
    if name == "untrue_output":
        return text("n is many", structuredContent={"n": "many"})
    if name == "not_a_result":
        return {"content": "yes"}
    if name == "fails":
        return text("no such\nrow", isError=True)
    if name == "progress":
        for n in range(100):
            params = {"progressToken": token, "progress": n, "total": 100, "message": "row\n" * 99}
            send({"method": "notifications/progress", "params": params})
        log("nearly\x1b[31m done")
    return text(arguments.get("text", "done"))


def answer(message: dict[str, Any]) -> None:
    method, params = message["method"], message.get("params", {})
    if method == "initialize":
        log("first")
        send({"method": "notifications/tools/list_changed"})
        send({"method": "notifications/progress", "params": {"progressToken": 9, "progress": 1}})
        send({"method": "notifications/of_my_own", "params": {"x": []}})
        send({"id": 77, "result": {"for": "nobody"}})
        result = {
            "protocolVersion": "2025-06-18",
            "capabilities": {"tools": {"listChanged": True}, "logging": {}},
            "serverInfo": {"name": "hostile", "version": "6.6.6"},
        }
    elif method == "tools/list":
        result = {"tools": [{"name": name, **about} for name, about in TOOLS.items()]}
    elif method == "tools/call":
        token = params.get("_meta", {}).get("progressToken")
        result = call(params["name"], params.get("arguments", {}), token)
    else:
        send({"id": message["id"], "error": {"code": -32601, "message": f"no method {method}"}})
        return
    send({"id": message["id"], "result": result})


def main(mode: str = "") -> None:
    if mode == "exits":
        raise SystemExit("no API key")
    if mode == "noisy":
        sys.stdout.buffer.write(
            b"Starting server...\n\xff\xfe\n[1, 2]\n{\n" + b"[" * 99_999 + b"\n"
        )
    if mode == "loner":
        sleep = (
            "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(600)"
        )
        child = subprocess.Popen([sys.executable, "-c", sleep])
        print(child.pid, file=sys.stderr, flush=True)
        TOOLS["child"] = {"inputSchema": NONE, "description": str(child.pid)}
    if mode == "silent":
        print("warming up", file=sys.stderr, flush=True)
        time.sleep(600)
    for line in sys.stdin:
        message = json.loads(line)
        if "id" in message:
            answer(message)


if __name__ == "__main__":
    main(*sys.argv[1:])
