"""`umi serve` from the official OpenAI client, with a tool that this program runs.

    umi serve --port 8080                      # in another terminal
    python examples/openai_client.py http://127.0.0.1:8080/v1 ["your question"]

It needs `pip install openai`. Any other OpenAI client or framework works the same way.
"""

import json
import sys
from typing import Any

import openai

CITIES = {"Rome": 18, "Oslo": 4}
TOOLS: list[Any] = [
    {
        "type": "function",
        "function": {
            "name": "temperature",
            "description": "The temperature in a city right now, in degrees Celsius.",
            "parameters": {
                "type": "object",
                "properties": {"city": {"type": "string", "enum": list(CITIES)}},
                "required": ["city"],
                "additionalProperties": False,
            },
        },
    }
]


def main(
    base_url: str = "http://127.0.0.1:8080/v1", question: str = "How warm is it in Rome?"
) -> None:
    client = openai.OpenAI(base_url=base_url, api_key="none")
    model = client.models.list().data[0].id
    messages: list[Any] = [{"role": "user", "content": question}]
    for _ in range(8):
        made = client.chat.completions.create(model=model, messages=messages, tools=TOOLS)
        message = made.choices[0].message
        messages.append(message)
        if not message.tool_calls:
            print(message.content)
            return
        for call in message.tool_calls:
            # Valid by construction: the grammar holds the schema.
            city = json.loads(call.function.arguments)["city"]
            print(f"temperature({city})")
            result = f"{CITIES[city]} C"
            messages.append({"role": "tool", "tool_call_id": call.id, "content": result})
    print("no answer after 8 calls")


if __name__ == "__main__":
    main(*sys.argv[1:3])
