"""Search over tools by need."""

import subprocess
import sys

import pytest

from benchmarks.retrieval import corpus, recall
from umi_lite.protocol.trajectory import Tool
from umi_lite.tools.search import ToolIndex


def made(name: str, description: str = "", **properties: dict) -> Tool:
    parameters = {"type": "object", "properties": properties}
    return Tool(name=name, description=description, parameters=parameters)


WEATHER = made("getCurrentWeather", "Sky and temperature.", city={"type": "string"})
MAIL = made("mail.send_message", "Write to somebody.", to={"description": "recipient"})
PLAY = made("mediaPlay", "Start it.", what={"enum": ["jazz", "rock"]})
ORDER = made(
    "new_order",
    items={"type": "array", "items": {"properties": {"sku": {"description": "stock number"}}}},
)
TOOLS = (WEATHER, MAIL, PLAY, ORDER)


@pytest.mark.parametrize(
    ("query", "best"),
    [
        ("What is the weather in Oslo?", WEATHER),  # a part of the name, split on case
        ("the TEMPERATURE of the sea", WEATHER),  # the description
        ("Which city?", WEATHER),  # an argument's name
        ("send a note to Ann", MAIL),  # split on dots and underscores
        ("Who is the recipient", MAIL),  # an argument's description
        ("some jazz please", PLAY),  # a choice
        ("the stock number 7", ORDER),  # within an array of objects
    ],
)
def test_every_part_of_the_docs_is_searched(query: str, best: Tool) -> None:
    assert ToolIndex(TOOLS).best(query, 1) == (best,)


def test_as_many_as_asked_the_best_first_and_then_in_order() -> None:
    index = ToolIndex(TOOLS)
    assert index.best("play jazz", 3) == (PLAY, WEATHER, MAIL)
    assert index.best("play jazz, then send the weather", 99)[-1] == ORDER
    for nothing in ("", "zebra", "What is the of and?", "?!"):
        assert index.best(nothing, 2) == TOOLS[:2]
    assert index.best("jazz", 0) == ()


def test_matching_leaves_out_what_has_no_word_of_the_need() -> None:
    index = ToolIndex(TOOLS)
    assert index.matching("play jazz", 3) == (PLAY,)
    assert index.matching("use `new_order`, or jazz", 2) == (ORDER, PLAY)
    assert index.matching("zebra", 3) == index.matching("", 3) == index.matching("jazz", 0) == ()


def test_tools_without_words() -> None:
    assert ToolIndex(()).best("anything", 3) == ()
    odd = (made("the"), made("__"), made("天気", "東京の天気"), made("Größe", "Maße in cm"))
    assert ToolIndex(odd[:2]).best("the", 5) == odd[:2]
    assert ToolIndex(odd).best("die größe", 1) == (odd[3],)
    assert ToolIndex(odd).best("天気", 1) == (odd[2],)


def test_recall_on_functions_that_others_wrote() -> None:
    """The figures of benchmarks/README.md, measured by benchmarks/retrieval.py."""
    tools, queries = corpus()
    found = recall(
        ToolIndex(tools.values()), [query for some in queries.values() for query in some]
    )
    assert (len(tools), found["queries"]) == (1853, 2501)
    assert found["@1"] >= 0.58 and found["@5"] >= 0.82 and found["@20"] >= 0.92


def test_the_library_is_imported_by_the_first_search() -> None:
    code = (
        "import sys; from umi_lite.tools.search import ToolIndex\n"
        "ToolIndex(()); assert not {'bm25s', 'numpy'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
