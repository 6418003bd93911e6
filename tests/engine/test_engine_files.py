"""Which files an engine takes, which it refuses and why, and whose adapter is whose."""

import re
from pathlib import Path

import pytest
from tiny_lora import write_adapter

from umi_lite.engine.engine import Engine
from umi_lite.engine.request import Request
from umi_lite.errors import UserError


def refused(base, adapters=None, **more) -> str:
    with pytest.raises(UserError) as err:
        Engine(base, {"planner": None, **(adapters or {})}, **more)
    assert "\n" not in str(err.value)
    return str(err.value)


@pytest.fixture(scope="module")
def loras(tmp_path_factory) -> list[Path]:
    folder = tmp_path_factory.mktemp("loras")
    return [write_adapter(folder / f"{seed}.gguf", seed=seed) for seed in range(2)]


def test_missing_file(tmp_path):
    assert "No such file" in refused(tmp_path / "none.gguf")


def test_a_folder(tmp_path):
    assert "Is a directory" in refused(tmp_path)


@pytest.mark.parametrize("content", [b"", b"GG", b"PK\x03\x04 a zip archive"])
def test_foreign_file(tmp_path, content):
    path = tmp_path / "x.gguf"
    path.write_bytes(content)
    assert "is not a GGUF file" in refused(path)


@pytest.mark.parametrize("share", [0.00001, 0.01, 0.5, 0.999])
def test_truncated_file(tmp_path, base_gguf, share):
    path = tmp_path / "cut.gguf"
    data = base_gguf.read_bytes()
    path.write_bytes(data[: int(len(data) * share)])
    message = refused(path)
    assert re.search("cut.gguf (cannot be loaded|is damaged or cut off)", message)
    assert "no reason" not in message


def test_an_adapter_is_no_base(loras):
    assert "cannot be loaded" in refused(loras[0])


def test_a_base_is_no_adapter(base_gguf):
    assert "does not fit model" in refused(base_gguf, {"caller": base_gguf})


def test_adapter_of_another_architecture(tmp_path, base_gguf):
    other = write_adapter(tmp_path / "qwen.gguf", arch="qwen2")
    message = refused(base_gguf, {"caller": other})
    assert "qwen.gguf does not fit model" in message and "arch" in message


def test_adapter_of_another_width(tmp_path, base_gguf):
    other = write_adapter(tmp_path / "wide.gguf", width=768)
    assert "wide.gguf does not fit model" in refused(base_gguf, {"caller": other})


def test_missing_and_truncated_adapter(tmp_path, base_gguf, loras):
    assert "No such file" in refused(base_gguf, {"caller": tmp_path / "none.gguf"})
    cut = tmp_path / "cut.gguf"
    cut.write_bytes(loras[0].read_bytes()[:-200])
    assert "does not fit model" in refused(base_gguf, {"caller": cut})


def test_sizes_below_one(base_gguf):
    assert "at least 1" in refused(base_gguf, slots=0)


def test_requests_that_cannot_be_served(engine):
    with pytest.raises(UserError, match="do not fit a context of 1024"):
        engine.generate(Request("planner", [5] * 1000, max_tokens=100))
    with pytest.raises(UserError, match="a transcript of 0 tokens"):
        engine.generate(Request("planner", []))
    with pytest.raises(UserError, match="no view 'nobody'"):
        engine.generate(Request("nobody", [5]))
    with pytest.raises(UserError, match="the grammar cannot be used"):
        engine.generate(Request("planner", [5], grammar="start: missing_rule"))
    assert engine.generate(Request("planner", [5], max_tokens=1)).ids


def test_each_view_has_its_own_adapter(base_gguf, loras):
    """Three views over one model say what each says with a model of its own."""

    def say(engine, view):
        ids = engine.language(view).encode("The capital of France is", special=False)
        return engine.generate(Request(view, ids, max_tokens=6)).ids

    three = {"planner": loras[0], "caller": loras[1], "summarizer": None}
    alone = []
    for path in three.values():
        with Engine(base_gguf, {"backbone": path}, n_ctx=256) as engine:
            alone.append([say(engine, "backbone") for _ in range(2)])
    with Engine(base_gguf, three, n_ctx=256) as engine:
        # In turns: an adapter stays with its context whoever spoke before.
        rounds = [[say(engine, view) for view in three] for _ in range(2)]
    assert [list(pair) for pair in zip(*rounds, strict=True)] == alone
    assert len({first for first, _ in alone}) == 3


def test_the_template_ends_a_turn_as_the_model_does(engine):
    words = engine.language("backbone")
    assert words.template.end_of_turn == "<|im_end|>"
    ids = words.encode("<|im_start|>user\nHé<|im_end|>", special=True)
    assert words.decode(ids) == "<|im_start|>user\nHé<|im_end|>" and ids[0] == 1
    assert words.encode("<|im_end|>", special=False) != words.encode("<|im_end|>", special=True)


def test_closing_twice(base_gguf):
    engine = Engine(base_gguf, {"planner": None}, n_ctx=256)
    engine.generate(Request("planner", [5], max_tokens=1))
    engine.close()
    engine.close()
