"""In-domain families where a tool errs, and what no tool can do."""

from umi_lite.data.toolworld.aims import Aim, Wish, failing, move, retry

RECOVERY = (
    Aim(
        "price_typo",
        ("product",),
        (failing("price", product="{typo}"), retry("wrong name", "price", product="{right}")),
        nouns=("the price of the {typo}", "the cost of the {typo}"),
        asks=("How much is the {typo}?", "What does the {typo} cost?"),
        says=("the {right} costs {r} EUR", "the price is {r} EUR"),
    ),
    Aim(
        "stock_typo",
        ("product",),
        (failing("stock", product="{typo}"), retry("wrong name", "stock", product="{right}")),
        nouns=("the stock of the {typo}", "the number of pieces of the {typo} in stock"),
        asks=("How many of the {typo} are in stock?",),
        says=("there are {r} in stock", "{r} of the {right} are in stock"),
    ),
    Aim(
        "phone_typo",
        ("person",),
        (
            failing("contact", name="{person_typo}", field="phone"),
            retry("wrong name", "contact", name="{person}", field="phone"),
        ),
        nouns=("the phone number of {person_typo}", "the phone of {person_typo}"),
        says=("the phone of {person} is {r}", "the phone number is {r}"),
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
        says=("order {order} is {r}", "the status is {r}"),
    ),
    Aim(
        "unit_alias",
        ("aliased",),
        (
            failing("convert", value="{value}", unit="{unit}", to="{to}"),
            retry("wrong unit", "convert", value="{value}", unit="{good}", to="{to}"),
        ),
        nouns=("{value} {unit} in {to}", "what {value} {unit} are in {to}"),
        asks=("Convert {value} {unit} to {to}.", "How many {to} are {value} {unit}?"),
        says=("{value} {unit} are {r} {to}", "that is {r} {to}"),
    ),
    Aim(
        "money_name",
        ("money",),
        (
            failing("exchange", amount="{amount}", currency="{source}", to="{money_name}"),
            retry(
                "wrong currency", "exchange", amount="{amount}", currency="{source}", to="{good}"
            ),
        ),
        nouns=(
            "{amount} {source} in {money_name}",
            "the value of {amount} {source} in {money_name}",
        ),
        asks=("Exchange {amount} {source} to {money_name}.",),
        says=("{amount} {source} are {r} {good}", "that is {r} {good}"),
    ),
    Aim(
        "done_typo",
        ("item",),
        (failing("todo_done", item="{task_typo}"), retry("wrong item", "todo_done", item="{task}")),
        dos=("mark '{task_typo}' as done", "tick off '{task_typo}'"),
        says=("{task} is done", "I marked {task} as done"),
        gold="{task}",
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
        says=("the result is {r}", "{expression} is {r}"),
        broken=("calculator",),
    ),
    Aim(
        "price_typo_times",
        ("product", "count"),
        (
            failing("price", product="{typo}"),
            retry("wrong name", "price", product="{right}"),
            move("calculator", expression="{r2} * {count}"),
        ),
        nouns=("the cost of {count} pieces of the {typo}", "the price of {count} times the {typo}"),
        asks=("What do {count} pieces of the {typo} cost?",),
        says=("{count} pieces cost {r} EUR", "the total is {r} EUR"),
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
    Aim(
        "cancel_shipped",
        ("order",),
        (failing("cancel_order", order="{shipped}"),),
        dos=("cancel order {shipped}", "stop order {shipped}"),
        gives_up=True,
    ),
)

WISHES = (
    Wish("the weather in {city}", ("place",)),
    Wish("the weight of the {product}", ("product",)),
    Wish("the colour of the {product2}", ("product",)),
    Wish("the age of {person}", ("person",)),
    Wish("the birthday of {person}", ("person",)),
    Wish("the mayor of {city}", ("place",)),
    Wish("the president of {country}", ("place",)),
    Wish("the news from {country}", ("place",)),
    Wish("the buyer of order {order}", ("order",)),
    Wish("book a flight to {city}", ("place",), "do"),
    Wish("send an email to {person}", ("person",), "do"),
    Wish("call {person}", ("person",), "do"),
    Wish("play '{phrase}' on the radio", ("phrase",), "do"),
    Wish("draw a picture of the {product}", ("product",), "do"),
    Wish("set an alarm for {time}", ("times",), "do"),
    Wish("translate '{phrase}' into French", ("phrase",), "do"),
)
