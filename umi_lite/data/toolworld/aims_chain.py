"""In-domain families whose later calls need what earlier calls returned."""

from umi_lite.data.toolworld.aims import Aim, move

TWO = (
    Aim(
        "price_times",
        ("product", "count"),
        (move("price", product="{product}"), move("calculator", expression="{r1} * {count}")),
        nouns=(
            "the cost of {count} pieces of the {product}",
            "the price of {count} times the {product}",
        ),
        asks=(
            "What do {count} pieces of the {product} cost?",
            "I buy {count} of the {product}. How much is that?",
        ),
        says=("{count} pieces cost {r} EUR", "the total is {r} EUR"),
    ),
    Aim(
        "price_abroad",
        ("product", "money"),
        (
            move("price", product="{product}"),
            move("exchange", amount="{r1}", currency="EUR", to="{abroad}"),
        ),
        nouns=("the price of the {product} in {abroad}", "the cost of the {product} in {abroad}"),
        asks=("How many {abroad} is the {product}?",),
        says=("the {product} costs {r} {abroad}", "the price is {r} {abroad}"),
    ),
    Aim(
        "order_price",
        ("order",),
        (move("order_product", order="{order}"), move("price", product="{r1}")),
        nouns=("the price of the product in order {order}", "the cost of what is in order {order}"),
        says=("the {r1} costs {r} EUR", "the price is {r} EUR"),
    ),
    Aim(
        "order_stock",
        ("order",),
        (move("order_product", order="{order}"), move("stock", product="{r1}")),
        nouns=(
            "the stock of the product in order {order}",
            "the stock of what is in order {order}",
        ),
        says=("there are {r} in stock", "the stock is {r}"),
    ),
    Aim(
        "later_weekday",
        ("date", "days"),
        (move("add_days", date="{date}", days="{days}"), move("weekday", date="{r1}")),
        nouns=(
            "the weekday {days} days after {date}",
            "the day of the week {days} days after {date}",
        ),
        asks=("Which weekday is it {days} days after {date}?",),
        says=("it is a {r}", "the day is {r}"),
    ),
    Aim(
        "days_rent",
        ("dates", "rate"),
        (
            move("days_between", start="{date}", end="{end}"),
            move("calculator", expression="{r1} * {rate}"),
        ),
        nouns=(
            "the cost from {date} to {end} at {rate} EUR a day",
            "the rent from {date} to {end} for {rate} EUR a day",
        ),
        asks=("I pay {rate} EUR a day from {date} to {end}. How much is that?",),
        says=("it costs {r} EUR", "the total is {r} EUR"),
    ),
    Aim(
        "days_hours",
        ("dates",),
        (
            move("days_between", start="{date}", end="{end}"),
            move("convert", value="{r1}", unit="days", to="hours"),
        ),
        nouns=("the hours between {date} and {end}", "the time from {date} to {end} in hours"),
        asks=("How many hours are there from {date} to {end}?",),
        says=("there are {r} hours", "it is {r} hours"),
    ),
    Aim(
        "minutes_pay",
        ("times", "rate"),
        (
            move("minutes_between", start="{time}", end="{time2}"),
            move("calculator", expression="{r1} * {rate}"),
        ),
        nouns=(
            "the cost from {time} to {time2} at {rate} cents a minute",
            "the cents to pay from {time} to {time2} at {rate} a minute",
        ),
        says=("it costs {r} cents", "the cost is {r} cents"),
    ),
    Aim(
        "minutes_seconds",
        ("times",),
        (
            move("minutes_between", start="{time}", end="{time2}"),
            move("convert", value="{r1}", unit="minutes", to="seconds"),
        ),
        nouns=("the seconds from {time} to {time2}", "the time from {time} to {time2} in seconds"),
        asks=("How many seconds are there from {time} to {time2}?",),
        says=("there are {r} seconds", "it is {r} seconds"),
    ),
    Aim(
        "person_country",
        ("person",),
        (move("contact", name="{person}", field="city"), move("country", city="{r1}")),
        nouns=("the country where {person} lives", "the home country of {person}"),
        asks=("Which country does {person} live in?",),
        says=("{person} lives in {r}", "the country is {r}"),
    ),
    Aim(
        "city_capital",
        ("place",),
        (move("country", city="{city}"), move("capital", country="{r1}")),
        nouns=(
            "the capital of the country of {city}",
            "the capital of the country that {city} is in",
        ),
        says=("the capital is {r}", "the capital of {r1} is {r}"),
    ),
    Aim(
        "city_currency",
        ("place",),
        (move("country", city="{city}"), move("currency", country="{r1}")),
        nouns=("the currency used in {city}", "the money that is used in {city}"),
        asks=("How do people pay in {city}?",),
        says=("the currency is {r}", "{city} uses {r}"),
    ),
    Aim(
        "reverse_upper",
        ("word",),
        (move("reverse", text="{word}"), move("upper", text="{r1}")),
        nouns=("'{word}' backwards in capitals", "the reverse of '{word}' in capital letters"),
        asks=("Reverse '{word}' and put it in capitals.",),
        says=("the result is {r}", "here it is: {r}"),
    ),
    Aim(
        "words_pay",
        ("phrase", "rate"),
        (move("word_count", text="{phrase}"), move("calculator", expression="{r1} * {rate}")),
        nouns=(
            "the cost of the text '{phrase}' at {rate} cents a word",
            "the cents to pay for '{phrase}' at {rate} a word",
        ),
        says=("it costs {r} cents", "the cost is {r} cents"),
    ),
    Aim(
        "note_phone",
        ("person",),
        (move("contact", name="{person}", field="phone"), move("todo_add", item="call {r1}")),
        dos=(
            "look up the phone of {person} and put 'call' with the number on my list",
            "find the phone of {person} and add 'call' with the number to my list",
        ),
        says=("I added call {r1}", "call {r1} is on the list"),
        gold="{r1}",
    ),
    Aim(
        "done_list",
        ("item",),
        (move("todo_done", item="{task}"), move("todo_list")),
        dos=(
            "mark '{task}' as done and show my list",
            "tick off '{task}' and tell me what is left",
        ),
        says=("the list has {r}", "to do: {r}"),
        gold="{r:parts}",
    ),
)
