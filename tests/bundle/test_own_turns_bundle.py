"""A bundle whose roles share one transcript: opened as adapters, merged, alone, and mixed."""

import json
from pathlib import Path

import pytest
from test_open import TOOLS, say
from tiny_lora import write_adapter

from umi_lite.bundle.bundle import Bundle, load_bundle, write_bundle
from umi_lite.bundle.open import open_roles
from umi_lite.bundle.spec import read_spec
from umi_lite.engine.engine import Engine
from umi_lite.engine.placement import Overrides
from umi_lite.engine.request import Request
from umi_lite.errors import UserError
from umi_lite.protocol.trajectory import ROLES, VIEWS, Acts, View

ACTS: dict[View, Acts] = dict.fromkeys(ROLES, "own turns")


def written(folder: Path, base: Path, views: tuple[View, ...] = VIEWS, **more) -> Bundle:
    folder.mkdir(parents=True, exist_ok=True)
    adapters = {
        view: write_adapter(folder / f"{view}-lora.gguf", seed=i, scale=0.2)
        for i, view in enumerate(views)
    }
    options = {"acts": ACTS, "tools": TOOLS, **more}
    return write_bundle(folder / "bundle", base_gguf=base, adapters=adapters, **options)


@pytest.fixture(scope="module")
def half(base_gguf: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the embedded model in F16, which can be merged."""
    from umi_lite.weights.quantize import requantize

    path = tmp_path_factory.mktemp("half") / "base.F16.gguf"
    requantize(base_gguf, path, "F16")
    return path


@pytest.fixture(scope="module")
def shared(half: Path, tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    return written(tmp_path_factory.mktemp("shared"), half)


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch) -> Path:
    monkeypatch.setenv("UMI_LITE_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def turn(engine, role: View) -> str:
    view = engine.view_of(role)
    ids = engine.language(view).encode("Once upon a time there was", special=False)
    request = Request(view, ids, speaker=engine.speaker_of(role), max_tokens=8)
    return engine.generate(request).text


def test_where_each_adapter_acts_is_in_the_manifest(shared):
    assert {view: file.acts for view, file in load_bundle(shared.path).spec.views.items()} == {
        **ACTS,
        "backbone": "always",
    }
    # A bundle of an older version does not say, and all its adapters act always.
    tree = json.loads((shared.path / "bundle.json").read_text())
    for entry in tree["views"].values():
        del entry["acts"]
    older = shared.path.parent / "older"
    older.mkdir()
    (older / "bundle.json").write_text(json.dumps(tree))
    assert {file.acts for file in read_spec(older).views.values()} == {"always"}
    tree["views"]["backbone"]["acts"] = "own turns"
    (older / "bundle.json").write_text(json.dumps(tree))
    with pytest.raises(UserError, match="the adapter of backbone acts always"):
        read_spec(older)


def test_three_roles_are_one_view_and_one_merged_file(shared, cache):
    notes = []
    said = {}
    for form in ("adapters", "merged"):
        overrides = Overrides(n_ctx=300, weights=form)
        with open_roles(shared, overrides=overrides, note=notes.append) as roles:
            assert (roles.views, roles.roles) == (("backbone",), ROLES)
            said[form] = [turn(roles, role) for role in ROLES]
    assert said["merged"] == said["adapters"] and len(set(said["merged"])) > 1
    assert len(list((cache / "merged").glob("*.gguf"))) == 1
    needs = [float(note.split("about ")[1].split(" of ")[0]) for note in notes]
    assert needs[1] - needs[0] < 0.1


def test_the_global_model_alone(shared):
    with open_roles(shared, views=["backbone"], overrides=Overrides(n_ctx=300)) as roles:
        assert (roles.views, roles.roles) == (("backbone",), ())
        assert {roles.speaker_of(role) for role in ROLES} == {"backbone"}
        alone = say(roles, "backbone")
    adapter = shared.adapters["backbone"]
    with Engine(shared.base, {"backbone": adapter}, n_ctx=300) as engine:
        assert alone == say(engine, "backbone")


def test_roles_over_the_bare_base(half, tmp_path):
    bare = written(tmp_path / "bare", half, ROLES)
    with open_roles(bare, overrides=Overrides(n_ctx=300)) as roles:
        made = {role: turn(roles, role) for role in ROLES}
    with Engine(half, {"backbone": None}, roles=bare.adapters, n_ctx=300) as engine:
        assert made == {role: turn(engine, role) for role in ROLES}


def test_a_role_elsewhere_keeps_a_view_of_its_own(shared, half, tmp_path):
    always = written(tmp_path / "always", half, acts=None)
    with open_roles(always) as roles:
        assert set(roles.views) == set(ROLES)
        theirs = say(roles, "caller")
    with open_roles(shared, elsewhere=[f"caller={always.path}"]) as roles:
        assert set(roles.views) == {"backbone", "caller"}
        assert [roles.view_of(role) for role in ROLES] == ["backbone", "caller", "backbone"]
        assert turn(roles, "caller") == theirs
    with pytest.raises(UserError, match="the caller's adapter acts on its own turns in a trans"):
        open_roles(always, elsewhere=[f"caller={shared.path}"])
