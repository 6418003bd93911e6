"""In-domain families where a tool errs, and what no tool can do."""

from umi_lite.data.toolworld.aims import Aim, Wish, failing, retry

RECOVERY = (
    Aim(
        "price_typo",
        ("product",),
        (failing("price", product="{typo}"), retry("wrong name", "price", product="{right}")),
        nouns=("the price of the {typo}", "the cost of the {typo}"),
        asks=("How much is the {typo}?", "What does the {typo} cost?"),
        says=("the price is {r} EUR",),
    ),
    Aim(
        "stock_typo",
        ("product",),
        (failing("stock", product="{typo}"), retry("wrong name", "stock", product="{right}")),
        nouns=("the stock of the {typo}", "the number of pieces of the {typo} in stock"),
        asks=("How many of the {typo} are in stock?",),
        says=("there are {r} in stock",),
    ),
    Aim(
        "phone_typo",
        ("person",),
        (
            failing("contact", name="{person_typo}", field="phone"),
            retry("wrong name", "contact", name="{person}", field="phone"),
        ),
        nouns=("the phone number of {person_typo}", "the phone of {person_typo}"),
        says=("the phone number is {r}",),
    ),
    Aim(
        "order_bare",
        ("order",),
        (
            failing("order_status", order="{bare}"),
            retry("wrong order", "order_status", order="{order}"),
        ),
        nouns=("the status of order {bare}", "the state of order {bare}"),
        asks=("How is order {bare} doing?",),
        says=("the status is {r}",),
    ),
    Aim(
        "calculator_offline",
        ("expression",),
        (
            failing("calculator", expression="{expression}"),
            retry("calculator is offline", "python", code="{expression}"),
        ),
        nouns=("the value of {expression}", "the result of {expression}"),
        asks=("Compute {expression}.", "What is {expression}?"),
        says=("the result is {r}",),
        broken=("calculator",),
    ),
)

DEAD_ENDS = (
    Aim(
        "price_offline",
        ("product",),
        (failing("price", product="{product}"),),
        nouns=("the price of the {product}", "the cost of the {product}"),
        asks=("How much is the {product}?",),
        broken=("price",),
        gives_up=True,
    ),
    Aim(
        "stock_offline",
        ("product",),
        (failing("stock", product="{product}"),),
        nouns=("the stock of the {product}", "the number of pieces of the {product} in stock"),
        broken=("stock",),
        gives_up=True,
    ),
    Aim(
        "price_unknown",
        ("gone",),
        (failing("price", product="{gone}"),),
        nouns=("the price of the {gone}", "the cost of the {gone}"),
        asks=("How much is the {gone}?",),
        gives_up=True,
    ),
)

WISHES = (
    Wish("the weather in {city}", ("place",)),
    Wish("the weight of the {product}", ("product",)),
    Wish("the age of {person}", ("person",)),
    Wish("the mayor of {city}", ("place",)),
    Wish("the buyer of order {order}", ("order",)),
    Wish("book a flight to {city}", ("place",), "do"),
    Wish("send an email to {person}", ("person",), "do"),
    Wish("play '{phrase}' on the radio", ("phrase",), "do"),
    Wish("draw a picture of the {product}", ("product",), "do"),
    Wish("translate '{phrase}' into French", ("phrase",), "do"),
)
