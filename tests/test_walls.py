"""The package's walls: who may import whom, what starts without torch, how long files are."""

import subprocess
import sys
from pathlib import Path

import grimp
import pytest

from scripts import house

ROOT = Path(__file__).parent.parent


def run(*arguments: str) -> subprocess.CompletedProcess:
    return subprocess.run(arguments, cwd=ROOT, capture_output=True, text=True, timeout=120)


def test_import_contracts_hold() -> None:
    done = run(str(Path(sys.executable).parent / "lint-imports"))
    assert done.returncode == 0, done.stdout


def test_the_runtime_starts_without_torch() -> None:
    code = (
        "import sys, umi_lite, umi_lite.agent.agent, umi_lite.engine.engine, "
        "umi_lite.bundle.bundle, umi_lite.evals.measure, umi_lite.cli.app\n"
        "heavy = {'torch', 'transformers', 'trl', 'peft', 'datasets', 'unsloth', 'llama_cpp'}\n"
        "assert not heavy & set(sys.modules), heavy & set(sys.modules)"
    )
    done = run(sys.executable, "-c", code)
    assert done.returncode == 0, done.stderr


def test_no_file_is_too_long() -> None:
    assert not house.too_long()
    lines = house.lines_of(ROOT / "umi_lite")
    assert all(lines[name] > house.MAX_LINES for name in house.LONGER), "no longer an exception"


@pytest.fixture(scope="module")
def graph() -> grimp.ImportGraph:
    return grimp.build_graph("umi_lite")


def test_no_modules_import_each_other_in_a_circle(graph: grimp.ImportGraph) -> None:
    assert not house.circles(graph)


def test_the_import_chain_gets_no_longer(graph: grimp.ImportGraph) -> None:
    if house.circles(graph):
        pytest.skip("a circle has no longest chain")
    chain = house.longest_chain(graph)
    assert len(chain) <= house.MAX_CHAIN, chain


def test_a_circle_and_a_chain_are_found() -> None:
    made = grimp.ImportGraph()
    for importer, imported in (("a", "b"), ("b", "c"), ("a", "c")):
        made.add_import(importer=importer, imported=imported)
    assert house.longest_chain(made) == ["a", "b", "c"]
    assert not house.circles(made)
    made.add_import(importer="c", imported="b")
    assert house.circles(made) == [["b", "c"]]


def test_an_episode_is_read_in_six_files() -> None:
    assert len(house.EPISODE) <= 6
    assert not [name for name in house.EPISODE if not (ROOT / "umi_lite" / name).is_file()]
