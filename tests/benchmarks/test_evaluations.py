"""Evaluations by kind, of roles that share a transcript."""

from collections import Counter

from tiny_lora import write_adapter

from benchmarks.evaluations import Watch, kind_of
from umi_lite.engine.engine import Engine
from umi_lite.engine.request import Request


def test_a_turn_is_read_then_begun_and_spoken(base_gguf, tmp_path) -> None:
    roles = {"planner": tmp_path / "planner.gguf", "caller": tmp_path / "caller.gguf"}
    for seed, path in enumerate(roles.values()):
        write_adapter(path, seed=seed)
    with Engine(base_gguf, {"backbone": None}, roles=roles, n_ctx=256) as engine, Watch() as watch:
        said = engine.generate(
            Request("backbone", range(1000, 1020), max_tokens=5, speaker="planner")
        )
        engine.generate(Request("backbone", range(1000, 1030), max_tokens=1, speaker="caller"))
    kinds = Counter(map(kind_of, watch.made))
    assert kinds == {"read": 2, "cue": 2, "speak": said.decoded}
    assert [one.tokens for one in watch.made if kind_of(one) == "read"] == [19, 10]
    assert [one.tokens for one in watch.made if kind_of(one) == "cue"] == [1, 1]
