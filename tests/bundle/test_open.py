"""Where roles run: fitted here, on other weights, at an endpoint."""

import json
import os
import shutil
from pathlib import Path

import pytest
from tiny_lora import write_adapter
from typer.testing import CliRunner

from umi_lite.agent.trace import Trace
from umi_lite.bundle.bundle import Bundle, load_bundle, write_bundle
from umi_lite.bundle.open import open_roles
from umi_lite.cli.app import app
from umi_lite.engine.placement import Overrides
from umi_lite.engine.request import Request
from umi_lite.errors import Note, UserError
from umi_lite.files import cache_folder
from umi_lite.protocol.trajectory import VIEWS

TOOLS = "toolworld"


@pytest.fixture(scope="module")
def bundles(base_gguf, tmp_path_factory: pytest.TempPathFactory) -> list[Bundle]:
    """Two bundles with other adapters, over the embedded model."""
    made = []
    for number in range(2):
        folder = tmp_path_factory.mktemp("bundles")
        adapters = {
            view: write_adapter(folder / f"{view}-lora.gguf", seed=10 * number + i)
            for i, view in enumerate(VIEWS)
        }
        made.append(
            write_bundle(folder / "bundle", base_gguf=base_gguf, adapters=adapters, tools=TOOLS)
        )
    return made


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch) -> Path:
    monkeypatch.setenv("UMI_LITE_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def say(roles, view) -> str:
    ids = roles.language(view).encode("Once upon a time there was", special=False)
    return roles.generate(Request(view, ids, max_tokens=8)).text


def test_the_fit_is_told_and_wishes_hold(bundles):
    told = []
    overrides = Overrides(n_ctx=300, kv="q8_0", threads=1)
    with open_roles(bundles[0], overrides=overrides, note=told.append) as roles:
        assert (roles.n_ctx, roles.views) == (300, ("planner", "caller", "summarizer"))
        assert say(roles, "planner")
    assert len(told) == 1 and "1 thread, context 300 in q8_0" in told[0]


def test_a_role_of_another_bundle(bundles):
    mine, other = bundles
    with open_roles(mine) as roles:
        alone = {view: say(roles, view) for view in ("planner", "caller")}
    with open_roles(other) as roles:
        theirs = say(roles, "caller")
    with open_roles(mine, elsewhere=[f"caller={other.path}"]) as roles:
        assert say(roles, "planner") == alone["planner"]
        assert say(roles, "caller") == theirs != alone["caller"]


def test_a_role_with_weights_of_its_own(bundles, base_gguf):
    with open_roles(bundles[0], elsewhere=[f"caller={base_gguf}"]) as roles:
        bare = say(roles, "caller")
    with open_roles(bundles[0]) as roles:
        assert say(roles, "caller") != bare


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("caller", "a role elsewhere is ROLE=WHERE, where ROLE is one of backbone, planner"),
        ("cook=x.gguf", "a role elsewhere is ROLE=WHERE"),
        ("backbone=x.gguf", "backbone does not take part here"),
        ("caller=nowhere", "nowhere is neither a bundle, nor a GGUF, nor an http:// address"),
        ("caller=http://localhost:1/v1", "right is http://HOST:PORT/v1#MODEL"),
    ],
)
def test_no_such_place(bundles, given, message):
    with pytest.raises(UserError, match=message):
        open_roles(bundles[0], elsewhere=[given])


def test_the_command_line_takes_them(bundles, monkeypatch, capsys, tmp_path):
    command = ["run", "What is 2 + 3?", "-b", str(bundles[0].path), "--json", "--n-ctx", "900"]
    command += ["--role", f"caller={bundles[1].path}", "--weights", "adapters", "--threads", "1"]
    ended = CliRunner().invoke(app, command)
    made = json.loads(ended.stdout)
    # Random adapters answer on one processor, and not on another.
    assert ended.exit_code == (1 if made["answer"] is None else 0), ended.output
    assert ended.stderr.startswith("adapters on the CPU, 1 thread, context 900") and made["trace"]
    ended = CliRunner().invoke(app, [*command, "--kv", "f64"])
    assert str(ended.exception) == "--kv f64: there are f16, q8_0, f32"


def test_without_a_cache_folder_the_roles_run_with_their_adapters(bundles, cache):
    with open_roles(bundles[0], overrides=Overrides(weights="adapters", n_ctx=300)) as roles:
        usual = say(roles, "planner")
    shutil.rmtree(cache)
    cache.write_text("a file in the way")
    told = []
    with (
        pytest.warns(Note, match=f"the cache folder {cache} cannot be written") as notes,
        open_roles(bundles[0], overrides=Overrides(n_ctx=300), note=told.append) as roles,
    ):
        assert say(roles, "planner") == usual
    assert len(notes) == 1 and told[0].startswith("adapters on the CPU")
    with (
        pytest.warns(Note),
        pytest.raises(UserError, match="--weights merged keeps them in the cache folder"),
    ):
        open_roles(bundles[0], overrides=Overrides(weights="merged"))


def test_merged_weights_that_cannot_be_kept_run_with_their_adapters(base_gguf, tmp_path, cache):
    """Only some types of weights can be merged: F16 can."""
    from umi_lite.weights.quantize import requantize

    base = tmp_path / "base.F16.gguf"
    requantize(base_gguf, base, "F16")
    lora = write_adapter(tmp_path / "lora.gguf", seed=1)
    bundle = write_bundle(tmp_path / "bundle", base_gguf=base, adapters={"backbone": lora})
    overrides = Overrides(weights="adapters", n_ctx=300)
    with open_roles(bundle, views=["backbone"], overrides=overrides) as roles:
        usual = say(roles, "backbone")
    (cache / "merged").write_text("a file in the way")
    overrides = Overrides(weights="merged", n_ctx=300)
    with (
        pytest.warns(Note, match="cannot be written: .*: backbone runs with its adapter"),
        open_roles(bundle, views=["backbone"], overrides=overrides) as roles,
    ):
        assert say(roles, "backbone") == usual


def test_a_user_without_a_home_folder_has_no_cache(bundles, monkeypatch):
    def homeless():
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.delenv("UMI_LITE_CACHE")
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setattr(Path, "home", homeless)
    with pytest.raises(UserError, match="this user has no home folder for a cache"):
        cache_folder()
    with (
        pytest.warns(Note, match=r"this user has no home folder .*: running without it"),
        open_roles(bundles[0], overrides=Overrides(n_ctx=300)) as roles,
    ):
        assert say(roles, "planner")


def test_a_run_folder_is_taken_for_the_bundle_in_it(bundles):
    run = bundles[0].path.parent
    assert load_bundle(run) == load_bundle(run / "bundle") == bundles[0]
    with open_roles(bundles[1], elsewhere=[f"caller={run}"]) as roles:
        assert say(roles, "caller")


def test_a_folder_whose_name_is_not_utf8(bundles, tmp_path):
    """A name on a disk is bytes: llama.cpp opens them, and the trace spells them out."""
    folder = tmp_path / os.fsdecode(b"caf\xe9")
    shutil.copytree(bundles[0].path, folder, copy_function=os.link)
    command = ["run", "Hi", "-b", str(folder), "--json", "--n-ctx", "900", "--weights", "adapters"]
    command += ["--max-answer-tokens", "4", "--trace", str(tmp_path / os.fsdecode(b"\xe9.json"))]
    ended = CliRunner().invoke(app, command)
    assert "stop" in json.loads(ended.stdout), ended.output
    assert Trace.load(tmp_path / os.fsdecode(b"\xe9.json")).bundle == r"caf\udce9"


def test_a_bundle_without_the_roles_is_told(base_gguf, tmp_path):
    lora = write_adapter(tmp_path / "lora.gguf", seed=1)
    alone = write_bundle(tmp_path / "bundle", base_gguf=base_gguf, adapters={"backbone": lora})
    with pytest.raises(UserError, match="has no view 'planner'; it has: backbone; --single"):
        open_roles(alone)
