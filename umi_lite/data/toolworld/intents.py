"""How the planner words a step, by the tool that it wants. Each names tool and values."""

# What to do next, by tool, over the call's arguments.
INTENTS: dict[str, tuple[str, ...]] = {
    "calculator": ("compute {expression} with calculator", "use calculator for {expression}"),
    "python": ("run {code} in python", "use python for {code}"),
    "convert": ("convert {value} {unit} to {to}", "use convert for {value} {unit} to {to}"),
    "exchange": (
        "exchange {amount} {currency} to {to}",
        "use exchange for {amount} {currency} to {to}",
    ),
    "add_days": ("use add_days for {date} and {days} days", "add_days {days} to {date}"),
    "days_between": (
        "use days_between for {start} and {end}",
        "get the days_between {start} and {end}",
    ),
    "price": ("get the price of {product}", "use price for {product}"),
    "stock": ("get the stock of {product}", "use stock for {product}"),
    "order_status": ("get the order_status of {order}", "use order_status for {order}"),
    "contact": ("get the {field} of {name} from contact", "use contact for the {field} of {name}"),
    "country": ("get the country of {city}", "use country for {city}"),
    "word_count": ("get the word_count of {text}", "use word_count for {text}"),
    "reverse": ("reverse {text}", "use reverse for {text}"),
    "upper": ("use upper for {text}", "write {text} with upper"),
    "todo_add": ("use todo_add for {item}", "todo_add {item}"),
    "todo_done": ("use todo_done for {item}", "todo_done {item}"),
    "todo_list": ("use todo_list", "read todo_list"),
    "weekday": ("use weekday for {date}",),
    "minutes_between": ("use minutes_between for {start} and {end}",),
    "letter_count": ("use letter_count for {letter} in {text}",),
    "utc_offset": ("use utc_offset for {city}",),
    "distance": ("use distance for {start} and {goal}",),
    "bmi": ("use bmi for {weight} kg and {height} m",),
    "roman": ("use roman for {number}",),
    "book_author": ("use book_author for {title}",),
    "book_shelf": ("use book_shelf for {title}",),
    "reserve_book": ("use reserve_book for {title}",),
}
