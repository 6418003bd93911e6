"""Each tool of toolworld on its own."""

import pytest

from umi_lite.data.toolworld.toolbox import WorldToolbox, functions
from umi_lite.data.toolworld.world import STATUSES, World
from umi_lite.protocol.trajectory import Call, Observation
from umi_lite.tools.compute import number_text

WORLD_SEED = 11


@pytest.fixture
def world() -> World:
    return World("train", WORLD_SEED)


def ask(world: World, tool: str, /, **arguments: object) -> Observation:
    return WorldToolbox(world, [tool]).call(Call(tool=tool, arguments=arguments))


@pytest.mark.parametrize(
    ("name", "arguments", "result"),
    [
        ("calculator", {"expression": "(2 + 3) * 4"}, "20"),
        ("calculator", {"expression": "26.5 * 3"}, "79.5"),
        ("calculator", {"expression": "-7 / 2"}, "-3.5"),
        ("convert", {"value": 10, "unit": "km", "to": "miles"}, "6.21"),
        ("convert", {"value": 3, "unit": "weeks", "to": "days"}, "21"),
        ("exchange", {"amount": 100, "currency": "EUR", "to": "USD"}, "110"),
        ("exchange", {"amount": 22, "currency": "USD", "to": "SEK"}, "220"),
        ("add_days", {"date": "2024-02-28", "days": 2}, "2024-03-01"),
        ("days_between", {"start": "2024-02-28", "end": "2024-03-01"}, "2"),
        ("weekday", {"date": "2024-07-04"}, "Thursday"),
        ("minutes_between", {"start": "08:50", "end": "10:05"}, "75"),
        ("country", {"city": "Osaka"}, "Japan"),
        ("word_count", {"text": "one two three"}, "3"),
        ("reverse", {"text": "abc"}, "cba"),
        ("upper", {"text": "abc d"}, "ABC D"),
        ("python", {"code": "sorted([3, 1, 2])"}, "[1, 2, 3]"),
        ("letter_count", {"text": "Banana", "letter": "A"}, "3"),
        ("utc_offset", {"city": "Seoul"}, "9"),
        ("distance", {"start": "Rome", "goal": "Rome"}, "0"),
        ("bmi", {"weight": 80, "height": 2}, "20"),
        ("roman", {"number": 1994}, "MCMXCIV"),
    ],
)
def test_result(world: World, name: str, arguments: dict[str, object], result: str) -> None:
    assert ask(world, name, **arguments) == Observation(content=result)


def test_distance_is_about_right(world: World) -> None:
    assert 1300 < int(ask(world, "distance", start="Madrid", goal="Rome").content) < 1420


@pytest.mark.parametrize(
    ("name", "arguments", "message"),
    [
        ("calculator", {"expression": "2 +"}, "cannot read 2 +"),
        ("calculator", {"expression": "__import__('os')"}, "cannot read"),
        ("calculator", {"expression": "2 ** 99"}, "cannot read"),
        ("calculator", {"expression": "1 / 0"}, "division by zero"),
        ("convert", {"value": 1, "unit": "km", "to": "kg"}, "km is length, kg is mass"),
        ("convert", {"value": 1, "unit": "kilometres", "to": "m"}, "write km"),
        ("exchange", {"amount": 1, "currency": "EUR", "to": "dollars"}, "write USD"),
        ("add_days", {"date": "tomorrow", "days": 1}, "no date like"),
        ("minutes_between", {"start": "9", "end": "25:00"}, "no time like"),
        ("country", {"city": "Osakka"}, "did you mean Osaka"),
        ("letter_count", {"text": "a", "letter": "ab"}, "one letter"),
        ("roman", {"number": 4000}, "1 to 3999"),
        ("bmi", {"weight": 80, "height": 0}, "above 0"),
        ("price", {"product": "velvet helmet"}, "unknown product velvet helmet"),
        ("price", {}, "product"),
    ],
)
def test_error(world: World, name: str, arguments: dict[str, object], message: str) -> None:
    seen = ask(world, name, **arguments)
    assert seen.error and message in seen.content


def test_shop_reads(world: World) -> None:
    product = world.products[0]
    price, stock = world.row("SELECT price, stock FROM products WHERE name = ?", product)
    assert ask(world, "price", product=product).content == number_text(price)
    assert ask(world, "stock", product=product).content == str(stock)
    order = world.orders[0]
    assert ask(world, "order_status", order=order).content in STATUSES
    assert ask(world, "order_status", order=order[1:]).content.endswith(f"write {order}")


def test_contacts(world: World) -> None:
    name, entry = next(iter(world.contacts.items()))
    assert ask(world, "contact", name=name, field="phone").content == entry.phone
    assert ask(world, "contact", name=name, field="city").content == entry.city
    assert ask(world, "contact", name=name, field="age").error


def test_todo_list(world: World) -> None:
    first, second = (item for item, _ in world.todo)
    assert ask(world, "todo_add", item="sleep").content == "added sleep"
    assert ask(world, "todo_add", item="sleep").error
    assert ask(world, "todo_done", item=first).content == f"done {first}"
    assert ask(world, "todo_list").content == f"{second}, sleep"
    assert [first, "done"] in world.state()["todo"]
    assert ask(world, "todo_done", item="nothing like it").error


def test_library(world: World) -> None:
    title, (author, shelf) = next(iter(world.books.items()))
    assert ask(world, "book_author", title=title).content == author
    assert ask(world, "book_shelf", title=title).content == shelf
    ask(world, "reserve_book", title=title)
    assert world.state()["reserved"] == [title]
    assert ask(world, "book_shelf", title=title + "x").content.endswith(f"did you mean {title}?")


def test_a_broken_tool_says_so() -> None:
    broken = World("train", WORLD_SEED, frozenset({"calculator"}))
    seen = ask(broken, "calculator", expression="1 + 1")
    assert seen == Observation(content="calculator is offline", error=True)


def test_docs_are_short(world: World) -> None:
    for spec in WorldToolbox(world, [*functions(world), "python"]).specs:
        assert len(spec.description) <= 45
        assert len(spec.parameters["properties"]) <= 3
