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
        says=("the total is {r} EUR",),
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
        says=("the price is {r} {abroad}",),
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
        "person_country",
        ("person",),
        (move("contact", name="{person}", field="city"), move("country", city="{r1}")),
        nouns=("the country where {person} lives", "the home country of {person}"),
        asks=("Which country does {person} live in?",),
        says=("the country is {r}",),
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
)
