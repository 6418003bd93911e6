"""The everyday requests: their gold calls give what the answers must hold; none is trained on."""

from pathlib import Path

import pytest

from benchmarks.everyday import Request, fault, prepare, requests
from umi_lite.data.leaks import words
from umi_lite.data.load import load_source
from umi_lite.tools.everyday import everyday


def test_there_are_fifty_different_ones() -> None:
    assert len({request.ask for request in requests()}) == 50


@pytest.mark.parametrize("request_", requests(), ids=lambda request: request.ask)
def test_the_gold_calls_answer_it(
    request_: Request, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("UMI_LITE_DATA", str(tmp_path))
    prepare(request_, tmp_path)
    box = everyday()
    if request_.todo is not None:
        assert fault(request_, " ".join(request_.answer), tmp_path)  # nothing has been done yet
    results = [box.call(call).content for call in request_.calls]
    assert not fault(request_, "; ".join(results), tmp_path), results


@pytest.mark.parametrize(("source", "n"), [("toolworld", 4000), ("everyday", 900)])
def test_none_is_a_training_task(source: str, n: int) -> None:
    tasks = load_source(source, {"split": "train", "n": n, "seed": 0}).trajectories
    asked, grams = set(), set()
    for said in (words(task.instruction) for task in tasks):
        asked.add(said)
        grams |= eights(said)
    for request in requests():
        said = words(request.ask)
        assert said not in asked and not eights(said) & grams, request.ask


def eights(said: tuple[str, ...]) -> set[tuple[str, ...]]:
    """Return the sequences of eight words."""
    return {said[at : at + 8] for at in range(len(said) - 7)}
