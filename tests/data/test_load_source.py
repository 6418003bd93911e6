"""Sources by name, their options, and rows through `datasets`."""

import inspect
import json
import subprocess
import sys

import pytest
from pydantic import ValidationError

from umi_lite.data import SOURCES
from umi_lite.data.load import find_source, load_questions, load_source
from umi_lite.errors import UserError
from umi_lite.recipe.schema import Data


@pytest.mark.parametrize("name", SOURCES)
def test_a_source_is_whole_and_a_recipe_may_name_it(name: str) -> None:
    source = find_source(name)
    assert Data(source=name).source == name
    assert source.about and callable(source.judged_by())
    loaders = [load for load in (source.load, source.questions) if load is not None]
    assert loaders
    for load in loaders:
        options = inspect.signature(load).parameters.values()
        names = {o.name for o in options if o.kind is not o.KEYWORD_ONLY}
        assert names <= set(Data.model_fields)


def test_naming_the_sources_imports_none_of_them() -> None:
    code = (
        "import sys, umi_lite.data, umi_lite.recipe.schema\n"
        "loaded = {'gsm8k', 'math_problems', 'toolworld', 'toolbench', 'source', 'traces'}\n"
        "assert not {f'umi_lite.data.{name}' for name in loaded} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_a_recipe_with_an_unknown_source_gets_a_hint() -> None:
    with pytest.raises(ValidationError, match=r"no source 'gsm9k' \(did you mean gsm8k\?\)"):
        Data(source="gsm9k")


@pytest.mark.parametrize(
    ("name", "options", "told"),
    [
        ("gsm9k", {}, "no source 'gsm9k'; there are toolworld, wild, everyday, gsm8k, "),
        (
            "gsm8k",
            {"path": "x", "split": "test"},
            "source gsm8k takes path, n (or hub, config, split for path); not split",
        ),
        (
            "gsm8k",
            {},
            "source gsm8k takes path, n (or hub, config, split for path); path is missing",
        ),
        ("toolworld", {"hub": "x"}, "source toolworld takes split, n, seed; not hub"),
        ("gsm8k", {"path": "x", "hub": "y"}, "source gsm8k takes path or hub, not both"),
        ("math", {"path": "x"}, "source math holds tasks without steps: nothing to train on"),
    ],
)
def test_wrong_options_are_one_line(name: str, options: dict, told: str) -> None:
    with pytest.raises(UserError) as caught:
        load_source(name, options)
    assert str(caught.value).startswith(told)
    assert "\n" not in str(caught.value)


def test_a_data_set_through_datasets(tmp_path, monkeypatch) -> None:
    """A folder of data files serves as a data set of the hub: `datasets` opens both alike."""
    pytest.importorskip("datasets")
    monkeypatch.setenv("HF_HOME", str(tmp_path / "cache"))
    folder = tmp_path / "mine"
    folder.mkdir()
    rows = [{"question": f"How many {i}?", "answer": f"x\n#### {i}"} for i in range(5)]
    rows[2]["answer"] = "none"
    for split in ("train", "test"):
        (folder / f"{split}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    options = {"hub": str(folder), "split": "test"}
    loaded = load_questions("gsm8k", options)
    assert [made.gold for made in loaded.trajectories] == ["0", "1", "3", "4"]
    assert loaded.trajectories[0].meta["split"] == "test"
    assert [where for where, _ in loaded.dropped] == [f"{folder}[test]:3"]
    assert len(load_questions("gsm8k", {**options, "n": 2}).trajectories) == 2
    with pytest.raises(UserError, match=r"hub .*\[dev\]: cannot be read") as caught:
        load_questions("gsm8k", {"hub": str(folder), "split": "dev"})
    assert "\n" not in str(caught.value)


def test_a_hub_that_cannot_be_reached_is_one_line(monkeypatch) -> None:
    datasets = pytest.importorskip("datasets")

    def offline(*_: object, **__: object) -> None:
        raise ConnectionError("Couldn't reach 'openai/gsm8k'\non the Hub")

    monkeypatch.setattr(datasets, "load_dataset", offline)
    monkeypatch.setattr("umi_lite.hub.answers", lambda: True)
    with pytest.raises(UserError) as caught:
        load_questions("gsm8k", {"hub": "openai/gsm8k", "config": "main"})
    told = "hub openai/gsm8k/main[train]: cannot be read (Couldn't reach 'openai/gsm8k' on the Hub)"
    assert str(caught.value).startswith(f"{told}; name a local file (path: FILE)")


def test_without_datasets_it_is_said_what_to_install(monkeypatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "datasets", None)
    with pytest.raises(UserError, match="pip install datasets"):
        load_source("tora", {"hub": "some/data"})
