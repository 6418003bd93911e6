"""A hub that does not answer is one line with the remedy, at once; a cached model needs no hub."""

import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from local_server import JsonHandler, LocalServer, running

from umi_lite import hub
from umi_lite.data.load import load_source
from umi_lite.errors import UserError
from umi_lite.recipe.schema import Base, Data, Recipe
from umi_lite.train.inputs import base_model

UMI = str(Path(sys.executable).parent / "umi")
CLOSED = "http://127.0.0.1:9"


class Status(JsonHandler):
    """Answers everything with the server's `status`."""

    def do_HEAD(self) -> None:
        self.server.asked.append({"path": self.path})  # type: ignore[attr-defined]
        self.reply(self.server.status, {})  # type: ignore[attr-defined]

    do_GET = do_HEAD


@pytest.fixture
def endpoint(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    from huggingface_hub import constants

    for name in ("http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    return lambda url: monkeypatch.setattr(constants, "ENDPOINT", url)


def trained_on(model: str) -> Recipe:
    return Recipe(name="it", base=Base(model=model), data=(Data(source="toolworld", n=2),))


def test_a_model_that_is_nowhere_is_one_line_with_the_remedy(endpoint: Callable) -> None:
    endpoint(CLOSED)
    with pytest.raises(UserError) as err:
        base_model(trained_on("nobody/nothing"))
    assert "\n" not in str(err.value)
    assert f"{CLOSED} does not answer: name a local folder (-o base.model=PATH)" in str(err.value)
    with pytest.raises(UserError, match="no such folder: /not/here"):
        base_model(trained_on("/not/here"))


def test_a_data_set_that_is_nowhere_is_one_line_with_the_remedy(endpoint: Callable) -> None:
    endpoint(CLOSED)
    line = r"hub openai/gsm8k is not a folder .*does not answer: name a local file \(path: FILE\)"
    with pytest.raises(UserError, match=line):
        load_source("gsm8k", {"hub": "openai/gsm8k", "config": "main"})


def test_a_hub_that_is_switched_off_is_said_to_be(
    endpoint: Callable, monkeypatch: pytest.MonkeyPatch
) -> None:
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(UserError, match="HF_HUB_OFFLINE is set: name a local folder"):
        base_model(trained_on("nobody/nothing"))


@pytest.fixture
def silent() -> Iterator[str]:
    """A server that takes connections and says nothing."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"http://127.0.0.1:{server.getsockname()[1]}"


def test_a_hub_that_says_nothing_is_not_waited_for(
    endpoint: Callable, silent: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hub, "_PATIENCE", 0.2)
    endpoint(silent)
    assert not hub.answers()


@pytest.mark.parametrize(("status", "there"), [(200, True), (401, True), (404, True), (503, False)])
def test_one_question_says_whether_the_hub_is_there(
    endpoint: Callable, status: int, there: bool
) -> None:
    server = LocalServer(Status)
    server.status = status  # type: ignore[attr-defined]
    with running(server):
        endpoint(f"http://127.0.0.1:{server.server_port}")
        assert hub.answers() is there
    assert len(server.asked) == 1


def test_a_model_in_the_hubs_cache_trains_without_the_hub(
    tiny: Path, tiny_recipe: Callable[..., Recipe], tmp_path: Path
) -> None:
    saved = tmp_path / "home" / "hub" / "models--some--tiny"
    (saved / "refs").mkdir(parents=True)
    (saved / "refs" / "main").write_text("0" * 40)
    shutil.copytree(tiny, saved / "snapshots" / ("0" * 40))
    stage = {"learning_rate": 1e-2, "batch": 1, "max_steps": 1}
    recipe = tiny_recipe(base={"model": "some/tiny"}, stages={"global": stage, "local": "none"})
    (tmp_path / "recipe.yaml").write_text(recipe.to_yaml())
    done = subprocess.run(
        [UMI, "train", str(tmp_path / "recipe.yaml"), "--out", str(tmp_path / "run")],
        env={**os.environ, "HF_ENDPOINT": CLOSED, "HF_HOME": str(tmp_path / "home")},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    assert "Retrying" not in done.stderr and (tmp_path / "run" / "global" / "adapter").is_dir()
