"""llama.cpp runs models of a shape with random weights, and their adapters."""

from pathlib import Path

import pytest

from benchmarks.memory import bench
from benchmarks.shapes import Shape, write_adapter, write_model
from umi_lite.engine.engine import Engine
from umi_lite.engine.request import Request
from umi_lite.errors import UserError

SHAPE = Shape(width=128, layers=2, heads=2, kv_heads=1, inner=256)


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("shape")
    write_model(SHAPE, folder / "model.gguf")
    write_adapter(SHAPE, folder / "lora.gguf", seed=1)
    return folder / "model.gguf", folder / "lora.gguf"


def test_it_runs_and_tokenizes_like_the_embedded_model(files, engine) -> None:
    with Engine(files[0], {"planner": files[1]}, n_ctx=128) as small:
        assert small.language("planner").encode("Two words.", special=False) == engine.language(
            "planner"
        ).encode("Two words.", special=False)
        said = small.generate(
            Request("planner", small.language("planner").encode("Hi", special=False), max_tokens=4)
        )
    assert len(said.ids) == 4 or said.stop == "eot"


def test_the_adapter_changes_what_is_said(files) -> None:
    texts = []
    for adapter in (None, files[1]):
        with Engine(files[0], {"planner": adapter}, n_ctx=128) as small:
            ids = small.language("planner").encode("Say something", special=False)
            texts.append(small.generate(Request("planner", ids, max_tokens=24)).ids)
    assert texts[0] != texts[1]


def test_an_unknown_shape_is_refused() -> None:
    with pytest.raises(UserError, match=r"no shape '70b'; there are 1\.5b, 3b, 7b"):
        bench(None, None, shape="70b", n_ctx=512)  # pyright: ignore[reportArgumentType]
