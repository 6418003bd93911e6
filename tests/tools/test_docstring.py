"""Descriptions are found in every usual docstring style."""

import inspect

import pytest

from umi_lite.tools.docstring import read_docstring

GOOGLE = """Book
a hotel.

More about it.

Args:
    hotel (str) : the hotel's name
    nights (int): how many nights,
        at least one
    a line without a colon
    `board`: full: or half

Returns:
    nights: not an argument

Raises:
    ValueError
"""
NUMPY = """Book a hotel.

Parameters
----------
hotel : str
    the hotel's name
nights : int, optional
    how many nights,
    at least one
board
    full: or half

Returns
-------
nights
    not an argument
"""
HYBRID = """Book a hotel.

Parameters
----------
hotel (str) : the hotel's name
nights (int): how many nights, at least one
board (str):
    full: or half
"""
REST = """Book a hotel.

:param hotel: the hotel's name
:type hotel: str
:param int nights: how many nights,
    at least one
:param board: full: or half
:returns: nights
"""
EPYDOC = """Book a hotel.

@param hotel: the hotel's name
@param nights: how many nights,
    at least one
@param board: full: or half
@return: nights
"""
NOTES = {
    "hotel": "the hotel's name",
    "nights": "how many nights, at least one",
    "board": "full: or half",
}


@pytest.mark.parametrize(
    "text", [GOOGLE, NUMPY, HYBRID, REST, EPYDOC], ids=["google", "numpy", "hybrid", "rest", "epy"]
)
def test_styles(text):
    assert read_docstring(inspect.cleandoc(text)) == ("Book a hotel.", NOTES)


@pytest.mark.parametrize(
    ("text", "read"),
    [
        ("", ("", {})),
        ("From C to F: a number.", ("From C to F: a number.", {})),
        ("Do it.\nArgs:\n  x: a\n", ("Do it.", {"x": "a"})),
        ("Do it.\n\nKeyword Args:\n    x: a", ("Do it.", {"x": "a"})),
        ("Do it.\n\nParameters\n----------\nx, y : float\n    a", ("Do it.", {"x": "a", "y": "a"})),
        ("To a@b.org.\n\nArgs:\n    to: c@d.org", ("To a@b.org.", {"to": "c@d.org"})),
    ],
)  # fmt: skip
def test_odd_ones(text, read):
    assert read_docstring(text) == read
