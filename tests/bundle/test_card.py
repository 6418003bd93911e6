"""A bundle's model card says what it is, holds scores of these weights alone, and stays yours."""

import json
import os
import re
import shutil
from pathlib import Path

import pytest
import yaml

from umi_lite.bundle.about import about, portable
from umi_lite.bundle.bundle import load_bundle
from umi_lite.bundle.card import card_text, own_card, renew_card
from umi_lite.bundle.export import export_run
from umi_lite.bundle.scores import read_scores
from umi_lite.engine.gguf import read_header
from umi_lite.errors import UserError
from umi_lite.evals.live import Result, Score
from umi_lite.evals.measure import measured_with
from umi_lite.evals.stats import Rate
from umi_lite.recipe.library import recipe_names
from umi_lite.recipe.schema import Recipe, load_recipe
from umi_lite.weights.embedded import EMBEDDED_HF_ID


@pytest.fixture(scope="module")
def card(bundle) -> str:
    return (bundle.path / "README.md").read_text(encoding="utf-8")


@pytest.fixture
def own_run(tmp_path, run_dir, bundle, cache, monkeypatch) -> Path:
    """The run and its bundle, whose card may be changed."""
    monkeypatch.setenv("UMI_LITE_CACHE", str(cache))
    copy = Path(shutil.copytree(run_dir, tmp_path / "run", copy_function=os.link))
    card = copy / "bundle" / "README.md"
    text = card.read_text()
    card.unlink()
    card.write_text(text)
    return copy


def live_score(*outcomes: bool) -> Score:
    """Return the score of tasks with one call and two calls in turn."""
    how = {"split": "test", "family": "f", "instruction": "?", "gold": "1", "answer": "1"}
    how |= {"stop": "answer", "why": "", "made_calls": 1, "decisions": 1, "decided": 2}
    how |= {"seconds": 1.0, "tokens": 9}
    results = [
        Result.model_validate({**how, "id": str(at), "calls": 1 + at % 2, "ok": ok})
        for at, ok in enumerate(outcomes)
    ]
    return Score(single=False, seconds=1.0, results=tuple(results))


def test_the_hub_reads_the_front_matter(card):
    from huggingface_hub import ModelCard

    data = ModelCard(card).data
    assert data.base_model == "HuggingFaceTB/SmolLM2-135M-Instruct"
    assert (data.license, data.language, data.pipeline_tag) == (
        "apache-2.0", ["en"], "text-generation",
    )  # fmt: skip
    assert data.to_dict()["base_model_relation"] == "adapter"
    assert {"gguf", "lora", "agent", "tool-use", "umi-lite"} <= set(data.tags or ())


def test_it_says_data_recipe_and_hashes(card, bundle):
    assert "| training | toolworld | train | 10 | generated | - | no |" in card
    found = re.search(r"```yaml\n(.*?)```", card, re.DOTALL)
    assert found and Recipe.model_validate(yaml.safe_load(found[1])).name == "small"
    for file in (bundle.spec.base, *bundle.spec.views.values()):
        assert f"| {file.file} | {file.size} | `{file.sha256}` |" in card
    assert "Not measured yet" in card and "torch 2.13.0" in card
    files = ",".join(file.file for file in bundle.spec.views.values())
    assert f"--lora {files}\n```" in card


@pytest.mark.parametrize("name", recipe_names())
def test_the_recipe_in_a_card_is_the_recipe(name, bundle):
    recipe = load_recipe(name)
    assert portable(recipe) == recipe
    tree = recipe.model_dump(mode="json", by_alias=True)
    base = recipe.base.model or EMBEDDED_HF_ID
    spec = bundle.spec.model_copy(update={"recipe": tree})
    text = card_text(about(recipe, base, {}), spec, [])
    block = re.search(r"```yaml\n(.*?)```", text, re.DOTALL)
    assert block and Recipe.model_validate(yaml.safe_load(block[1])) == recipe
    front = yaml.safe_load(text.split("---\n")[1])
    assert front["license"] and front["base_model"] == base


def test_no_path_of_this_machine_is_in_it(bundle):
    recipe = Recipe.model_validate({
        "name": "mine",
        "base": {"model": "/home/me/models/own", "gguf": "~/own.gguf"},
        "data": [
            {"source": "openai", "path": "/home/me/chats.jsonl"},
            {"source": "gsm8k", "hub": "openai/gsm8k", "config": "main"},
            {"source": "traces", "path": "../../me/traces.jsonl", "exclude": "/home/me/ids"},
        ],
        "eval": {"static": "/home/me/gold.json"},
    })  # fmt: skip
    short = portable(recipe)
    what = about(recipe, "/home/me/models/own", {})
    tree = short.model_dump(mode="json", by_alias=True)
    text = card_text(what, bundle.spec.model_copy(update={"recipe": tree}), [])
    for view in ("planner", "caller"):
        text += json.dumps(what.adapter_fields(view))
    assert "/home" not in text and "me/" not in text and os.path.expanduser("~") not in text
    assert "| training | openai | - | all | chats.jsonl |" in text
    assert (what.base, what.base_name, what.languages) == (None, "own", ())
    assert what.datasets == ("openai/gsm8k",) and what.license is None
    assert "licence of the base was not known" in text


def test_scores_of_these_weights_are_in_it(own_run, tmp_path, bundle):
    by = measured_with(bundle.path, bundle.spec, [], source="toolworld", split="test", seed=1)
    report = {"measured": by, **live_score(True, True, False, True).report()}
    path = tmp_path / "scores.json"
    path.write_text("a note\n" + json.dumps(report))
    # A run's own results, as `reproduce.parts.measured` keeps them; another run's are not shown.
    kept = {"measured": {"weights": bundle.spec.weights, "sources": {"ood": "wild"}}}
    splits = {"ood": live_score(False, True).report()}
    (own_run / "after.json").write_text(json.dumps({**kept, "splits": splits}))
    other = {"measured": {"weights": "0" * 64}, "splits": {"dev": splits["ood"]}}
    (own_run / "before.json").write_text(json.dumps(other))
    again = export_run(own_run, scores=[path])
    assert again.spec == bundle.spec
    card = (again.path / "README.md").read_text()
    row = "| toolworld · test (seed 1) | success | 75.0% | 30.1% to 95.4% | 3 of 4 |"
    assert row in card
    assert "| wild · ood | success | 50.0% | 9.5% to 90.5% | 1 of 2 |" in card
    assert "dev" not in card and "Not measured" not in card
    renew_card(again.path, own_run)
    card = (again.path / "README.md").read_text()
    assert "wild · ood" in card and "toolworld · test" not in card
    assert load_bundle(again.path) == again


def written(path: Path, text: str) -> Path:
    path.write_text(text)
    return path


@pytest.mark.parametrize(
    ("measured", "words"),
    [
        (None, "does not say which bundle was measured"),
        ({"weights": "0" * 64, "bundle": "r/other"}, "measured with other weights (r/other)"),
        ({"elsewhere": ["planner=x.gguf"]}, "roles that are not the bundle's (planner=x.gguf)"),
        ({}, "is not a report of umi eval"),
    ],
)
def test_other_scores_are_refused(tmp_path, bundle, measured, words):
    report = {} if measured is None else {"measured": {"weights": bundle.spec.weights, **measured}}
    path = written(tmp_path / "scores.json", json.dumps({"success": {"hits": 1}, **report}))
    with pytest.raises(UserError) as err:
        read_scores([path], bundle.spec)
    assert words in str(err.value) and "\n" not in str(err.value)


def test_scores_that_cannot_be_read(tmp_path, bundle):
    for path in (tmp_path / "none.json", written(tmp_path / "text.json", "75% of 4\n")):
        with pytest.raises(UserError, match="cannot be read as JSON"):
            read_scores([path], bundle.spec)


def test_step_metrics_and_categories_are_scores_too(tmp_path, bundle):
    static = {
        "plan_acc": 62.5, "counts": {"dialogues": 3, "plan_acc": {"sum": 5, "n": 8}},
        "intervals": {"plan_acc": [40.0, 80.0]},
    }  # fmt: skip
    bfcl = {"multiple": Rate.of([True, False]).model_dump()}
    paths = []
    for name, report in (("static", static), ("bfcl", bfcl)):
        by = measured_with(bundle.path, bundle.spec, [], source=name, path=Path("/x/gold.json"))
        text = json.dumps({**report, "measured": by})
        paths.append(written(tmp_path / f"{name}.json", text))
    assert read_scores(paths, bundle.spec) == [
        ("static · gold.json", "plan_acc", "62.5%", "40.0% to 80.0%", "8 in 3 dialogues"),
        ("bfcl · gold.json", "multiple", "50.0%", "9.5% to 90.5%", "1 of 2"),
    ]


def test_a_card_that_you_wrote_is_kept(own_run):
    path = own_run / "bundle" / "README.md"
    assert own_card(path.parent) is None
    mine = path.read_text().replace("# small", "# My agent")
    path.write_text(mine)
    notes: list[str] = []
    export_run(own_run, note=notes.append)
    assert path.read_text() == mine
    assert [note for note in notes if "README.md was written by you: it is kept" in note]
    renew_card(path.parent, own_run)
    assert path.read_text() == mine


def test_adapters_name_their_base_licence_and_data(bundle):
    """As LM Studio, Ollama and llama.cpp show them: read by gguf-py and by llama.cpp."""
    import gguf

    from umi_lite.engine.llama import Model

    for view, path in bundle.adapters.items():
        fields = gguf.GGUFReader(path).fields
        said = {
            key: field.contents() for key, field in fields.items() if key.startswith("general.")
        }
        assert said["general.name"] == f"small {view}"
        assert view in said["general.description"]
        assert said["general.license"] == "apache-2.0"
        assert said["general.base_model.count"] == 1
        assert said["general.base_model.0.organization"] == "HuggingFaceTB"
        assert said["general.base_model.0.repo_url"] == (
            "https://huggingface.co/HuggingFaceTB/SmolLM2-135M-Instruct"
        )
        assert {"umi-lite", view, "lora", "text-generation"} <= set(said["general.tags"])
        assert said["general.languages"] == ["en"]
        assert said["general.dataset.0.name"] == "toolworld"
        assert not {"general.author", "general.quantized_by"} & said.keys()
        assert read_header(path, "adapter")["general.type"] == "adapter"
    model = Model(bundle.base)
    try:
        model.adapter(bundle.adapters["caller"])
    finally:
        model.close()
