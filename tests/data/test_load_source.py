"""Sources by name, their options, and rows through `datasets`."""

import inspect
import json
import typing

import pytest

from umi_lite.data import ABOUT, SOURCES, TASKS, load_source
from umi_lite.errors import UserError
from umi_lite.recipe.schema import Data


def test_every_source_is_told_and_may_stand_in_a_recipe() -> None:
    assert set(ABOUT) == set(TASKS) >= set(SOURCES)
    assert set(typing.get_args(Data.model_fields["source"].annotation)) == set(ABOUT)
    for loader in TASKS.values():
        options = inspect.signature(loader.function()).parameters.values()
        names = {o.name for o in options if o.kind is not o.KEYWORD_ONLY}
        assert names <= set(Data.model_fields)


@pytest.mark.parametrize(
    ("name", "options", "told"),
    [
        ("gsm9k", {}, "no source 'gsm9k'; there are toolworld, gsm8k, "),
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
    """A folder of data files stands for a data set on the hub: `datasets` opens both alike."""
    pytest.importorskip("datasets")
    monkeypatch.setenv("HF_HOME", str(tmp_path / "cache"))
    folder = tmp_path / "mine"
    folder.mkdir()
    rows = [{"question": f"How many {i}?", "answer": f"x\n#### {i}"} for i in range(5)]
    rows[2]["answer"] = "none"
    for split in ("train", "test"):
        (folder / f"{split}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    options = {"hub": str(folder), "split": "test"}
    loaded = load_source("gsm8k", options, TASKS)
    assert [made.gold for made in loaded.trajectories] == ["0", "1", "3", "4"]
    assert loaded.trajectories[0].meta["split"] == "test"
    assert [where for where, _ in loaded.dropped] == [f"{folder}[test]:3"]
    assert len(load_source("gsm8k", {**options, "n": 2}, TASKS).trajectories) == 2
    with pytest.raises(UserError, match=r"hub .*\[dev\]: cannot be read") as caught:
        load_source("gsm8k", {"hub": str(folder), "split": "dev"}, TASKS)
    assert "\n" not in str(caught.value)


def test_a_hub_that_cannot_be_reached_is_one_line(monkeypatch) -> None:
    datasets = pytest.importorskip("datasets")

    def offline(*_: object, **__: object) -> None:
        raise ConnectionError("Couldn't reach 'openai/gsm8k'\non the Hub")

    monkeypatch.setattr(datasets, "load_dataset", offline)
    monkeypatch.setattr("umi_lite.hub.answers", lambda: True)
    with pytest.raises(UserError) as caught:
        load_source("gsm8k", {"hub": "openai/gsm8k", "config": "main"}, TASKS)
    told = "hub openai/gsm8k/main[train]: cannot be read (Couldn't reach 'openai/gsm8k' on the Hub)"
    assert str(caught.value).startswith(f"{told}; name a local file (path: FILE)")


def test_without_datasets_it_is_said_what_to_install(monkeypatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "datasets", None)
    with pytest.raises(UserError, match="pip install datasets"):
        load_source("tora", {"hub": "some/data"})
