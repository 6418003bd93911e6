"""Tools for tests of `data.synth`: without a wording, and some with one."""

from typing import Any

from umi_lite.data.synth.wording import SynthTool, Wording
from umi_lite.protocol.trajectory import Tool

TEXT: dict[str, Any] = {"type": "string"}
WHOLE: dict[str, Any] = {"type": "integer"}
NUMBER: dict[str, Any] = {"type": "number"}


def described(schema: dict[str, Any], text: str) -> dict[str, Any]:
    return {**schema, "description": text}


def made(
    domain: str,
    name: str,
    description: str,
    required: dict[str, Any] | None = None,
    optional: dict[str, Any] | None = None,
    wording: Wording | None = None,
) -> SynthTool:
    parameters = {
        "type": "object",
        "properties": {**(required or {}), **(optional or {})},
        "required": list(required or {}),
    }
    tool = Tool(name=name, description=description, parameters=parameters)
    return SynthTool(tool, wording, domain)


ISO = described(TEXT, "ISO code")
DAY = described(TEXT, "YYYY-MM-DD")
TOOLS = (
    made("weather", "get_weather", "Get current weather for a city", {"city": TEXT},
         {"units": {"type": "string", "enum": ["metric", "imperial"]}}),
    made("weather", "get_forecast", "Get the weather forecast for a given city and number of days.",
         {"city": TEXT, "days": WHOLE}),
    made("finance", "convert_currency", "Convert an amount from one currency to another.",
         {"amount": NUMBER, "from_currency": ISO, "to_currency": ISO}),
    made("finance", "get_stock_price", "Retrieves the latest price of a stock by its ticker.",
         {"ticker": TEXT}),
    made("mail", "send_email", "Send an email to a recipient",
         {"to": described(TEXT, "email address of the recipient"), "subject": TEXT, "body": TEXT},
         {"cc": {"type": "array", "items": TEXT}}),
    made("mail", "search_emails", "Search emails matching a query", {"query": TEXT},
         {"limit": WHOLE, "since": described(TEXT, "only later mails, YYYY-MM-DD")}),
    made("contacts", "find_contact", "Find a contact by name", {"name": TEXT}),
    made("contacts", "add_contact", "Adds a new contact to the address book",
         {"name": TEXT, "email": TEXT}, {"phone": TEXT}),
    made("travel", "search_flights", "Search for flights between two cities on a given date",
         {"origin": TEXT, "destination": TEXT, "date": TEXT},
         {"passengers": WHOLE, "cabin_class": {"enum": ["ECONOMY", "PREMIUM_ECONOMY"]}}),
    made("travel", "book_flight", "Book a flight by its id",
         {"flight_id": TEXT, "passenger_name": TEXT}),
    made("travel", "book_hotel", "Book a hotel room",
         {"hotel_name": TEXT, "check_in": DAY, "check_out": DAY}, {"guests": WHOLE}),
    made("calendar", "create_event", "Create a calendar event",
         {"title": TEXT, "start_time": {"type": "string", "format": "date-time"}},
         {"duration_minutes": WHOLE}),
    made("calendar", "deleteEvent", "Delete an event from the calendar", {"eventId": TEXT}),
    made("home", "set_thermostat", "Set the thermostat temperature in a room",
         {"room": TEXT, "temperature": NUMBER}),
    made("home", "get_thermostat", "Get the thermostat settings of a room", {"room": TEXT}),
    made("files", "read_file", "Read the complete contents of a file.", {"path": TEXT}),
    made("files", "move_file", "Move or rename files and directories.",
         {"source": TEXT, "destination": TEXT}),
    made("shop", "search_products", "Search products in the catalog", {"query": TEXT},
         {"max_price": NUMBER}),
    made("shop", "place_order", "Place an order for a product",
         {"product_id": TEXT, "quantity": WHOLE},
         {"shipping_address": {"type": "object", "properties": {"street": TEXT, "city": TEXT},
                               "required": ["street", "city"]}}),
    made("shop", "get_order_status", "Check the status of an order", {"order_id": TEXT}),
    made("tasks", "add_task", "Add a task to the to-do list", {"task": TEXT},
         {"due_date": TEXT, "priority": {"enum": ["LOW", "MEDIUM", "HIGH"]}}),
    made("lang", "translate_text", "Translate text into another language",
         {"text": TEXT, "target_language": TEXT}),
    made("reports", "generate_report", "Generate a sales report for a quarter",
         {"quarter": {"enum": ["Q1", "Q2", "Q3", "Q4"]}, "year": WHOLE}),
    made("library", "lib.findBook", "Look a title up.", {"title": TEXT}, None,
         Wording(("Does the library have {title}?", "Where can I find the book {title}?"),
                 "a library book", ("Its number is {book_id} and it is by {author}.",),
                 {"book_id": "id", "author": "person"})),
    made("library", "lib.reserveBook", "Reserve.", {"book_id": TEXT}, {"until": DAY},
         Wording(("Reserve book {book_id} for me.", "Keep book {book_id} for me until {until}."),
                 "a reservation", ("It is reserved under {reservation_id}.",),
                 {"reservation_id": "id"})),
)  # fmt: skip
