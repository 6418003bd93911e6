"""`umi adapt` on the real model, as small as it gets: it must close and resume, not score."""

import json
import subprocess
import sys
import time
from pathlib import Path

import pytest

from umi_lite.errors import UserError

UMI = str(Path(sys.executable).parent / "umi")
TOOLS = '''
from pathlib import Path
from typing import Literal

CALLED = Path(__file__).with_name("called")


def cancel_order(order_id: str, reason: Literal["late", "wrong", "broken"] = "late") -> str:
    """Cancel an order.

    Args:
        order_id: ID of the order.
        reason: Why it is cancelled.
    """
    CALLED.touch()
    return "done"


def get_order_status(order_id: str) -> str:
    """Get the status of an order.

    Args:
        order_id: ID of the order.
    """
    CALLED.touch()
    return "shipped"


def shipping_cost(country: str, weight_kg: float) -> str:
    """Calculate the shipping cost to a country.

    Args:
        country: Destination country.
        weight_kg: Weight of the parcel in kilograms.
    """
    CALLED.touch()
    return "12.50"
'''
SMALL = (
    *("--recipe", "toolworld/smollm2-135m", "-n", "24", "--held-out", "2"),
    *("--budget", "0.01", "-o", "packed_length=384"),
)


def umi(folder: Path, *arguments: str) -> subprocess.CompletedProcess:
    command = [UMI, *arguments]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=500)


def small(*more: str) -> tuple[str, ...]:
    return ("adapt", "--tools", "shop.py", "--out", "run", *SMALL, *more)


def kill_in_training(folder: Path) -> None:
    """Start the command, and kill it after the first training step."""
    metrics = folder / "run" / "global" / "metrics.jsonl"
    with (folder / "first.txt").open("w") as said:
        process = subprocess.Popen([UMI, *small()], cwd=folder, stdout=said, stderr=said)
        until = time.monotonic() + 450
        while not (metrics.is_file() and metrics.read_text().strip()):
            assert process.poll() is None, (folder / "first.txt").read_text()
            assert time.monotonic() < until
            time.sleep(0.05)
        process.kill()
        process.wait()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with `shop.py`, and a `run` that was killed in training and then finished."""
    folder = tmp_path_factory.mktemp("adapt")
    (folder / "shop.py").write_text(TOOLS)
    kill_in_training(folder)
    kept = {name: (folder / "run" / name).stat().st_mtime_ns
            for name in ("tasks/train.jsonl", "before.json")}  # fmt: skip
    assert not (folder / "run" / "report.json").exists()
    done = umi(folder, *small("--json"))
    assert done.returncode == 0, done.stderr
    for name, time_ns in kept.items():
        assert (folder / "run" / name).stat().st_mtime_ns == time_ns, name
    (folder / "second.txt").write_text(done.stdout)
    return folder


def test_it_shows_tasks_coverage_and_both_scores(folder: Path) -> None:
    said = (folder / "second.txt").read_text()
    for words in ("\n20  ", "1 of 1", "24 training tasks, 2 held-out tasks", "global: step 2/2"):
        assert words in said, said
    assert "--bundle run/bundle --tools shop.py" in said
    report = json.loads(said.splitlines()[-1])
    assert report == json.loads((folder / "run" / "report.json").read_text())
    for system in ("before", "after"):
        assert report[system]["synth"]["success"]["n"] == 2


def test_no_tool_was_called(folder: Path) -> None:
    assert not (folder / "called").exists()


def test_a_finished_run_is_shown_again_and_trains_nothing(folder: Path) -> None:
    done = umi(folder, *small())
    assert done.returncode == 0, done.stderr
    assert "run holds a finished run" in done.stdout
    assert "before: " not in done.stdout


def test_it_is_an_ordinary_run(folder: Path) -> None:
    done = umi(folder, "train", "--resume", "--out", "run")
    assert done.returncode == 0, done.stderr
    assert "nothing to do" in done.stderr


def test_the_bundle_answers_with_the_tools(folder: Path) -> None:
    request = ("run", "Cancel order A17", "--bundle", "run/bundle", "--json")
    done = umi(folder, *request, "--tools", "shop.py")
    assert json.loads(done.stdout.splitlines()[-1]).keys() >= {"answer", "stop"}
    refused = umi(folder, *request)
    assert refused.returncode == 2
    assert "name yours with --tools FILE.py" in refused.stderr


def test_other_settings_are_refused(folder: Path) -> None:
    for more, key in ((("--seed", "3"), "seed"), (("--run", "shipping_cost"), "run")):
        done = umi(folder, *small(*more))
        assert done.returncode == 2
        assert f"({key} differs): name another --out" in done.stderr
    done = umi(folder, *small("--budget", "0.02"))
    assert done.returncode == 0, "a finished run is shown, whatever it would have been trained with"


def test_a_bundle_is_what_training_starts_from(bundle) -> None:
    from umi_lite.recipe.schema import load_recipe
    from umi_lite.reproduce.adapt import adapted

    recipe = load_recipe("toolworld/smollm2-135m", [])
    made = adapted(recipe, "adapt-shop", Path("tasks"), 1.0, bundle)
    assert made.stages.global_
    assert made.stages.global_.start == str(bundle.path.resolve())
    assert made.lora.last_layers is None  # as the bundle's adapters, not as the recipe's
    fresh = adapted(recipe, "adapt-shop", Path("tasks"), 1.0)
    assert fresh.stages.global_
    assert fresh.stages.global_.start is None
    assert fresh.lora == recipe.lora
    with pytest.raises(UserError, match="has no global stage"):
        adapted(
            load_recipe("toolworld/smollm2-135m", ["stages.global=none"]), "a", Path("t"), 1, bundle
        )
