"""In-domain families of three and four calls."""

from umi_lite.data.toolworld.aims import Aim, move

THREE = (
    Aim(
        "two_prices",
        ("product",),
        (
            move("price", product="{product}"),
            move("price", product="{product2}"),
            move("calculator", expression="{r1} + {r2}"),
        ),
        nouns=(
            "the cost of the {product} and the {product2} together",
            "the total price of the {product} plus the {product2}",
        ),
        asks=("What do the {product} and the {product2} cost together?",),
        says=("together they cost {r} EUR", "the total is {r} EUR"),
    ),
    Aim(
        "stock_value",
        ("product",),
        (
            move("price", product="{product}"),
            move("stock", product="{product}"),
            move("calculator", expression="{r1} * {r2}"),
        ),
        nouns=(
            "the value of the whole stock of the {product}",
            "the price of all pieces of the {product} in stock",
        ),
        asks=("What is our whole stock of the {product} worth?",),
        says=("the stock is worth {r} EUR", "the value is {r} EUR"),
    ),
    Aim(
        "order_times",
        ("order", "count"),
        (
            move("order_product", order="{order}"),
            move("price", product="{r1}"),
            move("calculator", expression="{r2} * {count}"),
        ),
        nouns=(
            "the cost of {count} times the product in order {order}",
            "the price of {count} pieces of what is in order {order}",
        ),
        says=("{count} pieces cost {r} EUR", "the total is {r} EUR"),
    ),
    Aim(
        "order_abroad",
        ("order", "money"),
        (
            move("order_product", order="{order}"),
            move("price", product="{r1}"),
            move("exchange", amount="{r2}", currency="EUR", to="{abroad}"),
        ),
        nouns=(
            "the price in {abroad} of the product in order {order}",
            "the cost in {abroad} of what is in order {order}",
        ),
        says=("the {r1} costs {r} {abroad}", "the price is {r} {abroad}"),
    ),
    Aim(
        "person_capital",
        ("person",),
        (
            move("contact", name="{person}", field="city"),
            move("country", city="{r1}"),
            move("capital", country="{r2}"),
        ),
        nouns=(
            "the capital of the country where {person} lives",
            "the capital of the home country of {person}",
        ),
        says=("the capital is {r}", "the capital of {r2} is {r}"),
    ),
    Aim(
        "person_currency",
        ("person",),
        (
            move("contact", name="{person}", field="city"),
            move("country", city="{r1}"),
            move("currency", country="{r2}"),
        ),
        nouns=(
            "the currency of the country where {person} lives",
            "the currency of the home country of {person}",
        ),
        says=("the currency is {r}", "people there pay in {r}"),
    ),
    Aim(
        "shop_abroad",
        ("product", "count", "money"),
        (
            move("price", product="{product}"),
            move("calculator", expression="{r1} * {count}"),
            move("exchange", amount="{r2}", currency="EUR", to="{abroad}"),
        ),
        nouns=(
            "the cost of {count} pieces of the {product} in {abroad}",
            "the price of {count} times the {product} in {abroad}",
        ),
        says=("{count} pieces cost {r} {abroad}", "the total is {r} {abroad}"),
    ),
)

FOUR = (
    Aim(
        "person_money",
        ("person", "money"),
        (
            move("contact", name="{person}", field="city"),
            move("country", city="{r1}"),
            move("currency", country="{r2}"),
            move("exchange", amount="{amount}", currency="EUR", to="{r3}"),
        ),
        nouns=(
            "{amount} EUR in the currency of the home country of {person}",
            "{amount} EUR in the money used where {person} lives",
        ),
        says=("that is {r} {r3}", "{amount} EUR are {r} {r3}"),
    ),
    Aim(
        "two_prices_abroad",
        ("product", "money"),
        (
            move("price", product="{product}"),
            move("price", product="{product2}"),
            move("calculator", expression="{r1} + {r2}"),
            move("exchange", amount="{r3}", currency="EUR", to="{abroad}"),
        ),
        nouns=(
            "the cost in {abroad} of the {product} and the {product2} together",
            "the total price in {abroad} of the {product} plus the {product2}",
        ),
        says=("together they cost {r} {abroad}", "the total is {r} {abroad}"),
    ),
)
