"""The example of a role from an endpoint, with a server over the embedded model."""

import runpy
from pathlib import Path

import pytest
from completions import Served
from local_server import running

from umi_lite.engine.engine import Engine

EXAMPLE = Path(__file__).parents[2] / "examples" / "role_from_endpoint.py"


def test_a_role_is_asked_of_an_endpoint(
    short_bundle: Path,
    cache: Path,
    engine: Engine,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("UMI_LITE_CACHE", str(cache))
    with running(Served(engine, "test")) as server:
        ask = runpy.run_path(str(EXAMPLE))["main"]
        ask(f"{server.url}#planner", "What is 2 + 2?", str(short_bundle))
        assert server.asked and {body["model"] for body in server.asked} == {"planner"}
    assert capsys.readouterr().out.strip()
