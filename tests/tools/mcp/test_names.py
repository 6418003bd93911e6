"""Names of MCP tools: unique, reversible, the same while the tool is there."""

from umi_lite.tools.mcp.names import unique_names


def test_a_tool_keeps_its_name_where_it_is_the_only_one() -> None:
    origins = [("a", "read"), ("b", "read"), ("b", "get-sum"), ("c", "x.y/z")]
    assert unique_names(origins) == {
        "a__read": ("a", "read"),
        "b__read": ("b", "read"),
        "get-sum": ("b", "get-sum"),
        "x.y/z": ("c", "x.y/z"),
    }


def test_names_of_other_tools_are_taken() -> None:
    assert unique_names([("a", "python")], ["python"]) == {"a__python": ("a", "python")}
    # A server may name a tool as another one would be named here.
    assert unique_names([("a", "a__x"), ("a", "x"), ("b", "x")]) == {
        "a__x": ("a", "a__x"),
        "a__x_2": ("a", "x"),
        "b__x": ("b", "x"),
    }


def test_what_a_call_cannot_have_in_a_name_is_replaced() -> None:
    assert unique_names([("a", "read file\n"), ("a", "read_file_"), ("a", " "), ("a", "é")]) == {
        "a__read_file_": ("a", "read file\n"),
        "a__read_file__2": ("a", "read_file_"),
        "a___": ("a", " "),
        "é": ("a", "é"),
    }


def test_a_name_is_kept_while_other_tools_come_and_go() -> None:
    before = unique_names([("a", "read"), ("b", "list")])
    more = unique_names([("a", "read"), ("a", "list"), ("b", "list"), ("b", "read")], (), before)
    assert more == {
        "read": ("a", "read"),
        "a__list": ("a", "list"),
        "list": ("b", "list"),
        "b__read": ("b", "read"),
    }
    assert unique_names([("b", "read")], (), more) == {"b__read": ("b", "read")}
