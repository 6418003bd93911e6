"""`umi serve --mcp`: the tools of MCP servers are the server's; they end with it."""

import re
import signal
import subprocess
import sys
from pathlib import Path

import openai
import psutil
import pytest

pytest.importorskip("mcp", reason="the MCP SDK is not installed: pip install mcp")
HOSTILE = Path(__file__).parents[1] / "tools" / "mcp" / "hostile_server.py"


def test_the_tools_of_a_server_are_served_and_it_ends_with_sigterm(short_bundle: Path) -> None:
    process = subprocess.Popen(
        [
            *(sys.executable, "-m", "umi_lite", "serve", "-b", str(short_bundle), "--port", "0"),
            *("--mcp", f"{sys.executable} -I {HOSTILE} loner", "--weights", "adapters"),
            *("--slots", "1", "--show-thoughts"),
        ],
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stderr is not None
        line = ""
        while not (found := re.search(r"at (http://\S+)/v1 .* (\d+) tools of the server", line)):
            line = process.stderr.readline()
            assert line
        assert int(found[2]) == 13
        children = psutil.Process(process.pid).children(recursive=True)
        assert any(str(HOSTILE) in child.cmdline() for child in children)
        with openai.OpenAI(base_url=f"{found[1]}/v1", api_key="none", max_retries=6) as client:
            model = client.models.list().data[0].id
            message = {"role": "user", "content": "Echo hi."}
            made = client.chat.completions.create(model=model, messages=[message])  # type: ignore[list-item]
            assert made.choices[0].finish_reason in ("stop", "length")
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0
        gone, alive = psutil.wait_procs(children, timeout=10)
        assert gone and not alive
    finally:
        process.kill()
        process.wait()
