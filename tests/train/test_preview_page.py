"""The page of masks: what it counts is what the recipe trains, and texts in it do nothing."""

import json
import re
from pathlib import Path

import pytest
from browser import launched
from typer.testing import CliRunner

from umi_lite.cli.app import app
from umi_lite.errors import UserError
from umi_lite.protocol.prompts import render
from umi_lite.protocol.trajectory import Answer, Plan, Trajectory
from umi_lite.recipe.schema import Recipe
from umi_lite.train.inputs import base_language, base_model
from umi_lite.train.preview_page import write_preview
from umi_lite.train.tokenizer import Language

HOSTILE = "</script><script>window.pwned = 1</script><img src=x onerror=window.pwned=2> \x1b[31m"
PLAN = Plan(thought="Enough is known.", next="summarizer")


@pytest.fixture(scope="module")
def made(tmp_path_factory, cache) -> tuple[Recipe, Path, list[Trajectory], Language]:
    """The page of a recipe whose data has a bad row, a long one and one that attacks the page."""
    folder = tmp_path_factory.mktemp("preview")
    texts = ["Short.", HOSTILE, "Long " * 200]
    tasks = [
        Trajectory(id=f"t{n}", source="mine", instruction=text, steps=(PLAN, Answer(text=text)))
        for n, text in enumerate(texts)
    ]
    tasks.append(tasks[0].model_copy(update={"id": "t3", "steps": (PLAN,)}))
    rows = [task.model_dump_json() for task in tasks] + ['{"instruction": "<b>no</b>"}']
    (folder / "mine.jsonl").write_text("\n".join(rows) + "\n")
    data = [{"source": "traces", "path": str(folder / "mine.jsonl")}]
    recipe = Recipe.model_validate(
        {"name": "mine", "base": {"gguf": "embedded"}, "data": data, "max_length": 200}
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("UMI_LITE_CACHE", str(cache))
        write_preview(recipe, 2, folder / "deep" / "page.html")
        language = base_language(recipe, base_model(recipe))
    return recipe, folder / "deep" / "page.html", tasks, language


def shown_data(page: Path) -> dict:
    found = re.search(r'id="preview">(.*?)</script>', page.read_text(encoding="utf-8"))
    assert found
    return json.loads(found[1])


def test_each_role_is_counted_as_it_is_trained(made):
    recipe, page, tasks, language = made
    data = shown_data(page)
    roles = {role["view"]: role for role in data["roles"]}
    assert [*roles] == ["backbone", "planner", "caller", "summarizer"]
    assert roles.pop("caller")["lengths"] == []
    assert (data["trajectories"], data["max_length"]) == (4, 200)
    (lost,) = data["lost"]
    assert lost["count"] == 1 and lost["what"] == "row left out" and "5" in lost["first"]
    for role in roles.values():
        samples = [
            render(task, role["view"], language.template, language.tokenizer) for task in tasks
        ]
        spoken = [sample for sample in samples if sample is not None]
        kept = [sample for sample in spoken if len(sample.ids) <= recipe.max_length]
        assert role["lengths"] == [len(sample.ids) for sample in spoken]
        assert role["trained"] == sum(sum(sample.mask) for sample in kept)
        assert role["masked"] == sum(len(sample.ids) - sum(sample.mask) for sample in kept)
        assert role["too_long"] == len(spoken) - len(kept) == 1
        assert role["silent"] == len(samples) - len(spoken)
        # Two were asked for; the one that is too long is shown as well.
        assert [sample["name"] for sample in role["samples"]] == ["t0", "t1", "t2"]
        for sample, ids in zip(role["samples"], spoken, strict=False):
            text = "".join(text for _, text in sample["runs"])
            assert text == language.tokenizer.decode(ids.ids)
        assert [kind for kind, _ in role["samples"][2]["runs"]] == ["left out"]


def test_a_browser_draws_it_and_texts_do_nothing(made):
    page = made[1]
    with launched() as browser:
        tab = browser.new_page()
        asked, faults = [], []
        tab.on("request", lambda request: asked.append(request.url))
        tab.on("pageerror", lambda error: faults.append(str(error)))
        tab.goto(page.as_uri())
        tab.wait_for_selector("body[data-ready]")
        text = tab.evaluate("document.body.innerText")
        assert tab.evaluate("window.pwned") is None and tab.locator("img, main i > *").count() == 0
        assert {url for url in asked} <= {page.as_uri(), "data:,"} and not faults
        assert "What mine trains on" in text and r"onerror=window.pwned=2> \x1b[31m" in text
        for name in ("backbone", "planner", "summarizer"):
            region = tab.get_by_role("region", name=re.compile(f"^{name}: "))
            assert "1 sample longer than max_length" in region.inner_text()
            assert region.get_by_role("img", name=re.compile("^tokens: ")).count() == 1
            assert region.get_by_role("img", name=re.compile("^Histogram")).count() == 1
            assert region.locator("pre .trained").count() >= 2
            assert region.locator("pre .left-out").count() == 1
        assert tab.locator("tbody tr").count() == 1


def test_a_source_has_no_masks(tmp_path):
    done = CliRunner().invoke(app, ["data", "preview", "wild", "--html", str(tmp_path / "x.html")])
    assert isinstance(done.exception, UserError) and "--html is for a recipe" in str(done.exception)
