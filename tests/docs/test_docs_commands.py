"""Each command and block of Python in README.md and docs/ is run, in a folder with its files.

Commands in text and tables, and those of `PARSED`, are parsed by the command line's own parser.
"""

import datetime
import re
import shlex
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import pytest
import yaml
from docs_commands import Found, blocks_of, commands, mentions, parse
from docs_folder import Judge, fill
from local_server import LocalServer, running
from pydantic import Field
from scripted import Scripted
from typer.testing import CliRunner

from umi_lite.agent.agent import Agent
from umi_lite.agent.bounds import Bounds
from umi_lite.agent.trace import Trace
from umi_lite.cli.app import app
from umi_lite.data import toolworld
from umi_lite.data.toolsets import toolset
from umi_lite.errors import UserError
from umi_lite.protocol.trajectory import Trajectory
from umi_lite.recipe.schema import Recipe
from umi_lite.serve.store import TraceStore
from umi_lite.tools.mcp.config import servers_of

# Commands of code blocks that are parsed and not run, with the reason.
PARSED = {
    "umi train RECIPE -o 'data=[{source: openai, hub: NAME, split: train}]'": "needs the hub",
    "umi export runs/toolworld-qwen2.5-7b --base qwen2.5-7b-instruct-q4_k_m.gguf": (
        "needs a trained 7B; the fixture `bundle` is such an export"
    ),
    'umi run "…" --mcp http://127.0.0.1:8000/mcp': "tests/tools/mcp has a server over HTTP",
    'umi run "…" --role planner=http://host:8000/v1#planner --role '
    "caller=http://host:8000/v1#caller": "tests/engine/test_endpoint.py has such a server",
    "umi eval simulated toolalpaca --path eval_simulated.json -b runs/r/bundle --simulator "
    "http://HOST/v1#MODEL --out DIR": "tests/evals/test_simulated.py plays ToolAlpaca's file",
    "umi eval judge toolalpaca --traces DIR --endpoint http://HOST/v1#MODEL --out votes.jsonl": (
        "judges what the command before it wrote"
    ),
    "umi eval judge toolalpaca --traces a.jsonl --endpoint … --out votes.jsonl --votes 3 "
    "--temperature 0.7": "judges episodes of ToolAlpaca",
    "umi trace replay run-3f2 --from 3 --mcp mcp.json": (
        "needs an episode with these tools; tests/cli/test_run_mcp.py has one"
    ),
    "umi sandbox test": "takes a minute; tests/sandbox runs the same suite",
    "umi doctor": "takes 10 s; tests/test_doctor.py runs each check",
    "umi doctor RECIPE": "the same",
}
# What is run for a part of a command: sizes and names. All commands are parsed as written, too.
INSTEAD = {
    r"…(?=\")|What is 12 \* 34\?|What time is it in Tokyo\?": "What is 2 + 2?",
    r"--endpoint (…|\S+)": "--endpoint @judge#judge",
    r"^(umi (?:serve|trace view))(.*?)( --port \d+)?(?= --|$)": r"\1\2 --port 0",
    r"-n \d+": "-n 1",
    r"n: 6000": "n: 6",
    r"^(umi data (?:preview|leaks) toolworld.*)": r"\1 -o 'data=[{source: toolworld, split: train, "
    r"n: 8}]'",
    r"wild --split test -n 1 --seed 4711": "wild -n 1",
    r"--majority 8": "--majority 2",
    r"uvx mcp-server-time": f"{sys.executable} -m mcp_server_time",
    r"replay run-3f2$": "replay cut-short",
    r"\blast\b|run-3f2": "with-a-call",
    r"--predictions P\.jsonl": "--predictions predictions.jsonl",
    r"^(umi eval bfcl)(?!.*--(?:gold|category))": r"\1 --category multiple --max-calls 1",
    r"^(umi eval bfcl --category (?!.* -n ).*)": r"\1 -n 1 --max-calls 1",
    r"^(umi eval bfcl --gold)": r"\1 --category simple_javascript",
    r"^(umi train (?!.*--dry-run).*)": r"\1 --dry-run",
    r"--calibrate": "",
    r"^(umi train toolworld/qwen2\.5-7b.*)": r"\1 -o base.model=qwen2.5-7b -o 'data=[{source: "
    r"toolworld, split: train, n: 8}]'",
    r"^(umi adapt .*?)(?: --dry-run|$)": r"\1 --dry-run -n 30 --held-out 5",
    r"^(umi reproduce (?!.*--dry-run).*)": r"\1 --dry-run",
    r"--tries 4 --keep 2": "--tries 1",
}
# Exit statuses that are right as well: an untrained bundle answers little.
STATUS = {
    "umi run": {0, 1},
    "umi chat": {0, 1},
    "umi trace replay": {0, 1},
    "umi data bootstrap": {0, 2},
    "umi train toolworld/qwen2.5-7b": {0, 2},
}
_SERVERS = ("umi serve", "umi trace view")
_ALL = [*commands()]
_DONE: set[str] = set()


@pytest.fixture(scope="module")
def folder(
    short_bundle: Path, base_hf: Path, cache: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Path]:
    """Run in a folder with all files, whose trace store has two episodes."""
    made = tmp_path_factory.mktemp("docs")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("UMI_LITE_CACHE", str(cache))
        patch.setenv("UMI_LITE_DATA", str(made / "data"))
        patch.setenv("OPENAI_API_KEY", "none")
        patch.chdir(made)
        fill(made, short_bundle, base_hf)
        for name in ("runs/quickstart/traces/live-2.json", "runs/r/traces/one.json"):
            Path(name).parent.mkdir(exist_ok=True)
            _umi(f'umi run "What is 2 + 2?" --trace {name}')
        TraceStore().save(_episode("cut-short", Bounds(max_calls=1)))
        TraceStore().save(_episode("with-a-call", Bounds()))
        for name in ("a.jsonl", "b.jsonl", "mine.jsonl"):
            _umi(f"umi trace export with-a-call --out {name}")
        yield made


def _episode(ident: str, bounds: Bounds) -> Trace:
    """An episode with calls, and an answer where the bounds allow it; an untrained one has none."""
    look, call = "Look.\nNext: caller", 'calculator {"expression": "12 * 34"}'
    turns = [look, call, "Done.\nNext: summarizer", "It is 408."]
    engine = Scripted(*([look, call, look] if bounds.max_calls == 1 else turns))
    tools = toolset("everyday", print)
    task = Trajectory(
        id=ident, source="user", tools=tuple(tools.specs), instruction="What is 12 * 34?"
    )
    return Agent(engine, tools, bounds).run(task)


@pytest.fixture(scope="module")
def judge() -> Iterator[str]:
    with running(LocalServer(Judge)) as server:
        yield server.url


def _umi(text: str) -> str:
    """Run a command of umi in this process, and return what it printed."""
    done = CliRunner().invoke(app, shlex.split(text)[1:], input="What is 2 + 2?\n")
    if done.exception is not None and not isinstance(done.exception, SystemExit | UserError):
        raise done.exception
    status = 2 if isinstance(done.exception, UserError) else done.exit_code
    allowed = next((codes for start, codes in STATUS.items() if text.startswith(start)), {0})
    assert status in allowed, f"{text}: exit status {status}: {done.exception}\n{done.output}"
    return done.output


@contextmanager
def _serving(text: str) -> Iterator[str]:
    """Start a server by its command; yield its address, then stop it as Ctrl-C does."""
    process = subprocess.Popen(
        [sys.executable, "-m", "umi_lite", *shlex.split(text)[1:]],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        # A shell's background job ignores it, and so would its children.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )
    try:
        assert process.stdout is not None
        printed = ""
        while not (found := re.search(r"(http://127\.0\.0\.1:\d+)\b", printed)):
            line = process.stdout.readline()
            printed += line
            assert line, f"{text}: {printed}"
        yield found[1]
        process.send_signal(signal.SIGINT)
        assert process.wait(30) in (0, 130), printed
    finally:
        process.kill()
        process.communicate()


def _of_command(found: Found, judge: str) -> str:
    """Return the command that is run for one of the docs."""
    text = found.text
    for pattern, other in INSTEAD.items():
        text = re.sub(pattern, other, text)
    return text.replace("@judge", judge)


@pytest.mark.parametrize("found", _ALL, ids=lambda found: f"{found.where} {found.text[:60]}")
def test_a_command_of_the_docs_runs(found: Found, folder: Path, judge: str) -> None:
    """Where it does not: fix the command, or add it to `PARSED` with the reason."""
    parse(found.text, whole=True)
    if found.text in PARSED or not found.text.startswith("umi "):
        return
    text = _of_command(found, judge)
    if text in _DONE:  # a command of another page
        return
    _DONE.add(text)
    if "mcp_server_time" in text:
        pytest.importorskip("mcp_server_time", reason="pip install mcp-server-time")
    if text.startswith("umi mcp"):
        command = [sys.executable, "-m", "umi_lite", *shlex.split(text)[1:]]
        assert subprocess.run(command, stdin=subprocess.DEVNULL, timeout=60).returncode == 0
    elif text.startswith(_SERVERS):
        with _serving(text) as address:
            urllib.request.urlopen(address, timeout=20).close()
    else:
        _umi(text)


@pytest.mark.parametrize("found", [*blocks_of("python")], ids=lambda found: found.where)
def test_a_block_of_python_runs(
    found: Found, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = found.text.replace("count=1000", "count=20")
    names = {"Annotated": Annotated, "Field": Field, "datetime": datetime}
    given = {**names, "toolbox": toolworld.environment(toolworld.load("test", n=1).trajectories[0])}
    if "127.0.0.1:8080" in text:
        with _serving("umi serve --port 0") as address:
            exec(text.replace("http://127.0.0.1:8080", address), given)
    else:
        exec(text, given)
    assert "print" not in text or capsys.readouterr().out.strip()


def test_the_recipes_and_servers_of_the_docs_are_read(tmp_path: Path) -> None:
    plain = {"name": "x", "data": [{"source": "toolworld", "n": 1}]}
    yamls = [*blocks_of("yaml")]
    for found in yamls:
        Recipe.model_validate(plain | yaml.safe_load(found.text))
    servers = [found for found in blocks_of("json") if "mcpServers" in found.text]
    for found in servers:
        (tmp_path / "mcp.json").write_text(found.text)
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("TOKEN", "x")
            assert servers_of(str(tmp_path / "mcp.json")), found.where
    assert (len(yamls), len(servers)) == (3, 2)


@pytest.mark.parametrize("found", [*mentions()], ids=lambda found: f"{found.where} {found.text}")
def test_a_command_in_the_text_exists(found: Found) -> None:
    parse(found.text, whole=False)


def test_the_exceptions_are_commands_of_the_docs() -> None:
    assert not set(PARSED) - {found.text for found in _ALL}, "take it out of PARSED"
    assert len(_ALL) > 80 and len([*blocks_of("python")]) > 4


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("umi rum x", "no command 'rum'"),
        ("umi run x --tool y", "--tool"),
        ("umi run", "instruction"),
        ("umi serve --port many", "valid integer"),
        ("umi eval toolworlds", "no command 'toolworlds'"),
        ("make quickest", "no quickest"),
        ("pip install 'umi-lite[server]'", "no extra"),
        ("pip install bfcl-eval==1.0", "not the version"),
        ("python -m benchmarks.nothing", "no module"),
        ("python -m benchmarks.cold --round 2", "no --round"),
    ],
)
def test_a_command_that_does_not_exist_is_found(text: str, what: str) -> None:
    with pytest.raises(Exception, match=re.escape(what)):
        parse(text, whole=True)
