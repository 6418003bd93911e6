"""Out-of-domain families: tools, chains and wordings that training never shows."""

from umi_lite.data.toolworld.aims import Aim, Wish, failing, move, retry

SINGLE = (
    Aim(
        "letter_count",
        ("letter",),
        (move("letter_count", text="{word}", letter="{letter}"),),
        asks=(
            "Count the letter {letter} in '{word}'.",
            "How often does {letter} turn up in '{word}'?",
        ),
        nouns=("how often the letter {letter} occurs in '{word}'",),
        says=("the letter occurs {r} times",),
    ),
    Aim(
        "utc_offset",
        ("cities",),
        (move("utc_offset", city="{town}"),),
        nouns=("how many hours {town} is ahead of UTC", "the UTC offset of {town}"),
        says=("{town} is {r} hours ahead",),
    ),
    Aim(
        "distance",
        ("cities",),
        (move("distance", start="{town}", goal="{town2}"),),
        nouns=("how far it is from {town} to {town2}", "the distance between {town} and {town2}"),
        says=("it is {r} km",),
    ),
    Aim(
        "bmi",
        ("body",),
        (move("bmi", weight="{weight}", height="{height}"),),
        nouns=(
            "the body mass index at {weight} kg and {height} m",
            "the BMI of someone of {weight} kg and {height} m",
        ),
        says=("the BMI is {r}",),
    ),
    Aim(
        "roman",
        ("year",),
        (move("roman", number="{year}"),),
        nouns=("{year} in Roman numerals", "the Roman numeral for {year}"),
        says=("in Roman numerals it is {r}",),
    ),
    Aim(
        "book_author",
        ("book",),
        (move("book_author", title="{book}"),),
        nouns=("the author of '{book}'", "who wrote '{book}'"),
        says=("the author is {r}",),
    ),
    Aim(
        "book_shelf",
        ("book",),
        (move("book_shelf", title="{book}"),),
        nouns=("the shelf with '{book}'", "where '{book}' stands"),
        says=("it is on shelf {r}",),
    ),
    Aim(
        "reserve_book",
        ("book",),
        (move("reserve_book", title="{book}"),),
        dos=("reserve '{book}'", "keep a copy of '{book}' for me"),
        says=("{book} is reserved",),
        gold="{book}",
    ),
    # Tools known from training, asked for in words that are not.
    Aim(
        "price_reworded",
        ("product",),
        (move("price", product="{product}"),),
        nouns=("what a customer pays for one {product}",),
        asks=("One {product}: how many euros?",),
        says=("the {product} costs {r} EUR",),
    ),
    Aim(
        "weekday_reworded",
        ("date",),
        (move("weekday", date="{date}"),),
        nouns=("whether {date} falls on a Monday, a Tuesday or which day",),
        says=("{date} is a {r}",),
    ),
    Aim(
        "minutes_reworded",
        ("times",),
        (move("minutes_between", start="{time}", end="{time2}"),),
        nouns=("how long a meeting from {time} until {time2} takes in minutes",),
        says=("it takes {r} minutes",),
    ),
)

TWO = (
    Aim(
        "distance_miles",
        ("cities",),
        (
            move("distance", start="{town}", goal="{town2}"),
            move("convert", value="{r1}", unit="km", to="miles"),
        ),
        nouns=("how many miles it is from {town} to {town2}",),
        says=("it is {r} miles",),
    ),
    Aim(
        "words_roman",
        ("phrase",),
        (move("word_count", text="{phrase}"), move("roman", number="{r1}")),
        nouns=("the word count of '{phrase}' as a Roman numeral",),
        says=("it is {r}",),
    ),
    Aim(
        "letters_double",
        ("letter", "rate"),
        (
            move("letter_count", text="{word}", letter="{letter}"),
            move("calculator", expression="{r1} * {rate}"),
        ),
        nouns=("{rate} times the number of letters {letter} in '{word}'",),
        says=("it is {r}",),
    ),
    Aim(
        "author_upper",
        ("book",),
        (move("book_author", title="{book}"), move("upper", text="{r1}")),
        nouns=("the author of '{book}' in capital letters",),
        says=("it is {r}",),
    ),
    Aim(
        "reserve_note",
        ("book",),
        (move("reserve_book", title="{book}"), move("todo_add", item="fetch {book}")),
        dos=("reserve '{book}' and note 'fetch {book}' among my tasks",),
        says=("{book} is reserved and noted",),
        gold="{book}",
    ),
)

THREE = (
    Aim(
        "trip_cost",
        ("cities", "rate"),
        (
            move("distance", start="{town}", goal="{town2}"),
            move("convert", value="{r1}", unit="km", to="miles"),
            move("calculator", expression="{r2} * {rate}"),
        ),
        nouns=("the cost of a trip from {town} to {town2} at {rate} cents a mile",),
        says=("it is {r} cents",),
    ),
)
FOUR: tuple[Aim, ...] = ()

RECOVERY = (
    Aim(
        "shelf_typo",
        ("book",),
        (
            failing("book_shelf", title="{book_typo}"),
            retry("wrong title", "book_shelf", title="{book}"),
        ),
        nouns=("the shelf with '{book_typo}'",),
        says=("it is on shelf {r}",),
    ),
    Aim(
        "reserve_typo",
        ("book",),
        (
            failing("reserve_book", title="{book_typo}"),
            retry("wrong title", "reserve_book", title="{book}"),
        ),
        dos=("reserve '{book_typo}'",),
        says=("{book} is reserved",),
        gold="{book}",
    ),
)

DEAD_ENDS = (
    Aim(
        "roman_offline",
        ("year",),
        (failing("roman", number="{year}"),),
        nouns=("{year} in Roman numerals",),
        broken=("roman",),
        gives_up=True,
    ),
    Aim(
        "distance_offline",
        ("cities",),
        (failing("distance", start="{town}", goal="{town2}"),),
        nouns=("how far it is from {town} to {town2}",),
        broken=("distance",),
        gives_up=True,
    ),
)

WISHES = (
    Wish("the population of {town}", ("cities",)),
    Wish("the number of pages of '{book}'", ("book",)),
    Wish("the train times from {town} to {town2}", ("cities",)),
    Wish("who won the match in {town}", ("cities",)),
    Wish("the square root symbol drawn in red", ()),
    Wish("order a taxi in {town}", ("cities",), "do"),
    Wish("water the plants at {time}", ("times",), "do"),
    Wish("print '{book}' on paper", ("book",), "do"),
    Wish("write a poem about a {word}", ("word",), "do"),
    Wish("lend my {product} to {person}", ("product", "person"), "do"),
)
