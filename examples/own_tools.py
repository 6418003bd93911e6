"""An agent with functions of your own.

    python examples/own_tools.py ["your question"]

It runs the quickstart's bundle (`make quickstart`). Each typed function with a docstring is a tool.
"""

import sys
from typing import Annotated, Literal

from pydantic import Field

from umi_lite import Agent, tool

STOCK = {"rice": 12, "beans": 0, "tea": 7}


@tool
def in_stock(product: str) -> int:
    """The number of pieces of a product that the shop has.

    Args:
        product: the product's name
    """
    return STOCK[product]  # a KeyError is an observation: the planner may try something else


@tool
def price(product: str, currency: Literal["EUR", "USD"] = "EUR") -> str:
    """The price of a product."""
    return f"{product}: 2.50 {currency}"


@tool
def order(product: str, pieces: Annotated[int, Field(ge=1, le=100)]) -> dict[str, object]:
    """Order pieces of a product."""
    STOCK[product] = STOCK.get(product, 0) + pieces
    return {"product": product, "stock": STOCK[product]}


def main(question: str = "How much rice is in stock?", bundle: str | None = None) -> None:
    with Agent.load(bundle, tools=[in_stock, price, order]) as agent:
        trace = agent.run(question)
    print(trace.answer or f"no answer: {trace.stop}")


if __name__ == "__main__":
    main(*sys.argv[1:2])
