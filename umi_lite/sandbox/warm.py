"""Imports what programs need once, before the forks: a leaf finds it in memory."""

import contextlib
import gc
import importlib
import sys
from collections.abc import Sequence

# What loads a shared library has to be here: a leaf can read the standard library's folder,
# no other.
_MODULES = """
abc argparse array base64 binascii bisect bz2 calendar cmath codecs collections.abc colorsys
concurrent.futures.thread contextlib copy csv ctypes dataclasses datetime decimal difflib dis enum
fractions functools graphlib hashlib heapq hmac inspect io itertools json keyword locale logging
lzma math mmap numbers operator pickle platform pprint queue random re sched secrets select
selectors shlex signal socket sqlite3 statistics string struct subprocess tempfile textwrap
threading time timeit traceback types typing unicodedata unittest uuid warnings weakref
xml.etree.ElementTree zipfile zlib zoneinfo _posixshmem
"""

_SYMPY = """
from sympy import *
x, y, n = symbols("x y n")
solve(x**2 - 5*x + 6, x); solve([x + y - 3, x - y - 1], [x, y]); solveset(sin(x) - 1, x)
simplify((x**2 - 1) / (x - 1)); factor(x**3 - 1); expand((x + y)**4); apart(1 / (x**2 - 1))
integrate(x * exp(x), x); integrate(x**2, (x, 0, 1)); diff(sin(x) * x, x); limit(sin(x) / x, x, 0)
series(cos(x), x, 0, 6); summation(1 / n**2, (n, 1, oo)); Matrix([[1, 2], [3, 4]]).inv().det()
factorint(360); gcd(84, 36); binomial(10, 3); nsimplify("0.25"); sqrt(8) + Rational(1, 3)
N(pi, 30); sympify("2*x + 1"); latex(x / y); str(Eq(x, y)); isprime(97); solve(x > 2, x)
"""


def warm(packages: Sequence[str], folder: str | None) -> None:
    """Import the standard library's usual modules, and packages that lie in `folder`.

    sympy also solves something, so that what it loads and caches late is there.
    """
    for name in _MODULES.split():
        with contextlib.suppress(ImportError):
            importlib.import_module(name)
    if folder is not None:
        sys.path.append(folder)
        for name in packages:
            importlib.import_module(name)
        if "sympy" in packages:
            exec(_SYMPY, {})
        sys.path.remove(folder)
        # Else the finder of that folder would still be asked.
        sys.path_importer_cache.pop(folder, None)
    gc.collect()
    gc.freeze()
