"""How the planner words a step, by the tool that it wants. Each names tool and values."""

# What to do next, by tool, over the call's arguments.
INTENTS: dict[str, tuple[str, ...]] = {
    "calculator": (
        "compute {expression} with calculator",
        "use calculator for {expression}",
        "calculator gives {expression}",
    ),
    "python": ("run {code} in python", "use python to get {code}", "let python do {code}"),
    "convert": (
        "convert {value} {unit} to {to}",
        "use convert for {value} {unit} to {to}",
        "turn {value} {unit} into {to} with convert",
    ),
    "exchange": (
        "exchange {amount} {currency} to {to}",
        "use exchange for {amount} {currency} to {to}",
        "turn {amount} {currency} into {to} with exchange",
    ),
    "add_days": (
        "use add_days for {date} and {days} days",
        "add {days} days to {date} with add_days",
        "get {date} plus {days} by add_days",
    ),
    "days_between": (
        "use days_between for {start} and {end}",
        "count from {start} to {end} with days_between",
        "get the days_between {start} and {end}",
    ),
    "weekday": ("get the weekday of {date}", "use weekday for {date}", "ask weekday about {date}"),
    "minutes_between": (
        "use minutes_between for {start} and {end}",
        "count from {start} to {end} with minutes_between",
        "get the minutes_between {start} and {end}",
    ),
    "price": ("get the price of {product}", "use price for {product}", "ask price about {product}"),
    "stock": ("get the stock of {product}", "use stock for {product}", "ask stock about {product}"),
    "order_status": (
        "get the order_status of {order}",
        "use order_status for {order}",
        "ask order_status about {order}",
    ),
    "order_product": (
        "get the order_product of {order}",
        "use order_product for {order}",
        "ask order_product about {order}",
    ),
    "cancel_order": (
        "cancel {order} with cancel_order",
        "use cancel_order for {order}",
        "let cancel_order stop {order}",
    ),
    "contact": (
        "get the {field} of {name} from contact",
        "use contact for the {field} of {name}",
        "ask contact about {name}, {field}",
    ),
    "country": ("get the country of {city}", "use country for {city}", "ask country about {city}"),
    "capital": (
        "get the capital of {country}",
        "use capital for {country}",
        "ask capital about {country}",
    ),
    "currency": (
        "get the currency of {country}",
        "use currency for {country}",
        "ask currency about {country}",
    ),
    "word_count": (
        "get the word_count of {text}",
        "use word_count for {text}",
        "count words of {text} with word_count",
    ),
    "reverse": ("reverse {text}", "use reverse for {text}", "turn {text} around with reverse"),
    "upper": ("use upper for {text}", "write {text} with upper", "let upper change {text}"),
    "todo_add": (
        "use todo_add for {item}",
        "put {item} on the list with todo_add",
        "todo_add {item}",
    ),
    "todo_done": ("use todo_done for {item}", "mark {item} with todo_done", "todo_done {item}"),
    "todo_list": ("open todo_list", "use todo_list", "read todo_list"),
    "letter_count": ("use letter_count for {letter} in {text}",),
    "utc_offset": ("use utc_offset for {city}",),
    "distance": ("use distance for {start} and {goal}",),
    "bmi": ("use bmi for {weight} kg and {height} m",),
    "roman": ("use roman for {number}",),
    "book_author": ("use book_author for {title}",),
    "book_shelf": ("use book_shelf for {title}",),
    "reserve_book": ("use reserve_book for {title}",),
}
