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
        says=("the total is {r} {abroad}",),
    ),
)

FOUR = (
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
