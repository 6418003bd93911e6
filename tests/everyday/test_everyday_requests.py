"""The everyday requests: their gold calls give what the answers must hold; none is trained on."""

from pathlib import Path

import pytest

from benchmarks.everyday import Request, fault, prepare, requests
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


def test_none_is_a_training_task() -> None:
    tasks = load_source("toolworld", {"split": "train", "n": 4000, "seed": 0}).trajectories
    asked = {task.instruction.lower().strip(" .?!") for task in tasks}
    assert not asked & {request.ask.lower().strip(" .?!") for request in requests()}
