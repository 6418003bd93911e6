"""How the planner words a step, by the tool that it wants: the tool's name, then its values."""

# What the tool is wanted for, over the call's arguments.
_WANTED: dict[str, str] = {
    "calculator": "{expression}",
    "python": "{code}",
    "convert": "{value} {unit} to {to}",
    "exchange": "{amount} {currency} to {to}",
    "add_days": "{date} and {days} days",
    "days_between": "{start} and {end}",
    "price": "{product}",
    "stock": "{product}",
    "order_status": "{order}",
    "contact": "the {field} of {name}",
    "country": "{city}",
    "word_count": "{text}",
    "reverse": "{text}",
    "upper": "{text}",
    "todo_add": "{item}",
    "todo_done": "{item}",
    "weekday": "{date}",
    "minutes_between": "{start} and {end}",
    "letter_count": "{letter} in {text}",
    "utc_offset": "{city}",
    "distance": "{start} and {goal}",
    "bmi": "{weight} kg and {height} m",
    "roman": "{number}",
    "book_author": "{title}",
    "book_shelf": "{title}",
    "reserve_book": "{title}",
}
INTENTS: dict[str, tuple[str, ...]] = {
    tool: (f"use {tool} for {wanted}", f"use {tool}: {wanted}") for tool, wanted in _WANTED.items()
} | {"todo_list": ("use todo_list",)}
