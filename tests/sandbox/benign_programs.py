# ruff: noqa: E501
"""Programs of the kind that solve MATH and GSM8K problems, and what each gives (stdout + value).

Those in SYMPY need sympy.
"""

PLAIN = {
    "sum": ("sum(range(101))", "5050"),
    "print": ("print('The answer is', 42)", "The answer is 42\n"),
    "gsm8k": ("eggs = 16 - 3 - 4\ntotal = eggs * 2\nprint(total)", "18\n"),
    "fractions": ("from fractions import Fraction as F\nF(1, 3) + F(1, 6)", "Fraction(1, 2)"),
    "decimal": (
        "from decimal import Decimal, getcontext\ngetcontext().prec = 30\nDecimal(2).sqrt()",
        "Decimal('1.41421356237309504880168872421')",
    ),
    "gcd": ("import math\nmath.gcd(84, 36), math.lcm(4, 6)", "(12, 12)"),
    "comb": ("import math\nmath.comb(52, 5)", "2598960"),
    "factorial": ("import math\nlen(str(math.factorial(1000)))", "2568"),
    "primes": (
        "[p for p in range(2, 50) if all(p % d for d in range(2, p))]",
        "[2, 3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37, 41, 43, 47]",
    ),
    "sieve": (
        "n = 10**6\ns = bytearray([1]) * n\ns[:2] = b'\\0\\0'\n"
        "for i in range(2, 1000):\n    if s[i]: s[i*i::i] = bytes(len(range(i*i, n, i)))\nsum(s)",
        "78498",
    ),
    "permutations": (
        "import itertools\nlen({''.join(p) for p in itertools.permutations('MISSISS')})",
        "105",
    ),
    "combinations": (
        "import itertools\nsum(1 for c in itertools.combinations(range(1, 21), 3) if sum(c) == 30)",
        "45",
    ),
    "product": (
        "from itertools import product\nsum(1 for d in product(range(1, 7), repeat=3) if sum(d) == 10)",
        "27",
    ),
    "counter": (
        "from collections import Counter\nCounter('mississippi').most_common(2)",
        "[('i', 4), ('s', 4)]",
    ),
    "defaultdict": (
        "from collections import defaultdict\nd = defaultdict(list)\n"
        "for w in ['ab', 'c', 'de']: d[len(w)].append(w)\ndict(d)",
        "{2: ['ab', 'de'], 1: ['c']}",
    ),
    "deque": ("from collections import deque\nq = deque([1, 2, 3])\nq.rotate(1)\nlist(q)", "[3, 1, 2]"),
    "memo": (
        "from functools import lru_cache\n@lru_cache(None)\n"
        "def f(n): return n if n < 2 else f(n-1) + f(n-2)\nf(90)",
        "2880067194370816120",
    ),
    "recursion": ("def f(n): return 0 if n == 0 else 1 + f(n - 1)\nf(900)", "900"),
    "deep recursion": (
        "import sys\nsys.setrecursionlimit(20000)\n"
        "def f(n): return 0 if n == 0 else 1 + f(n - 1)\nf(10000)",
        "10000",
    ),
    "hanoi": (
        "def h(n, a, b, c):\n    return 0 if n == 0 else h(n-1, a, c, b) + 1 + h(n-1, c, b, a)\n"
        "h(12, 1, 2, 3)",
        "4095",
    ),
    "queens": (
        "def q(n, row=0, cols=(), d=(), e=()):\n    if row == n: return 1\n"
        "    return sum(q(n, row+1, (*cols, c), (*d, row-c), (*e, row+c)) for c in range(n)\n"
        "               if c not in cols and row-c not in d and row+c not in e)\nq(6)",
        "4",
    ),
    "knapsack": (
        "best = [0] * 51\nfor w, v in [(10, 60), (20, 100), (30, 120)]:\n"
        "    for c in range(50, w - 1, -1): best[c] = max(best[c], best[c-w] + v)\nbest[50]",
        "220",
    ),
    "dijkstra": (
        "import heapq\ng = {0: [(1, 4), (2, 1)], 1: [(3, 1)], 2: [(1, 2), (3, 5)], 3: []}\n"
        "d = {0: 0}\nh = [(0, 0)]\n"
        "while h:\n    c, u = heapq.heappop(h)\n"
        "    for v, w in g[u]:\n        if c + w < d.get(v, 99): d[v] = c + w; heapq.heappush(h, (d[v], v))\n"
        "d[3]",
        "4",
    ),
    "bisect": ("import bisect\nbisect.bisect([1, 3, 5, 7], 5)", "3"),
    "regex": ("import re\nre.findall(r'\\d+', 'a1b22c333')", "['1', '22', '333']"),
    "regex groups": (
        "import re\nre.sub(r'(\\w+)@(\\w+)', r'\\2 at \\1', 'me@home')",
        "home at me",
    ),
    "strings": ("'{:,.2f} {:>5} {!r}'.format(1234.5, 'x', 'y')", "1,234.50     x 'y'"),
    "f-string": ("x = 3.14159\nf'{x:.2f} {255:x} {10:b}'", "3.14 ff 1010"),
    "unicode": ("print('é', '中', '∑', '😀')", "é 中 ∑ 😀\n"),
    "bases": ("int('ff', 16), bin(10), oct(8), format(255, '08b')", "(255, '0b1010', '0o10', '11111111')"),
    "sorting": ("sorted([(2, 'b'), (1, 'c'), (2, 'a')], key=lambda t: (-t[0], t[1]))", "[(2, 'a'), (2, 'b'), (1, 'c')]"),
    "statistics": ("import statistics as s\ns.mean([1, 2, 3, 4]), s.median([1, 3, 2])", "(2.5, 2)"),
    "datetime": (
        "from datetime import date, timedelta\nd = date(2024, 2, 28) + timedelta(days=2)\n"
        "d.isoformat(), d.strftime('%A'), (date(2024, 12, 25) - d).days",
        "('2024-03-01', 'Friday', 299)",
    ),
    "parse a date": (
        "from datetime import datetime\ndatetime.strptime('2024-05-06 07:08', '%Y-%m-%d %H:%M').hour",
        "7",
    ),
    "now": ("from datetime import datetime, timezone\ndatetime.now(timezone.utc).year > 2000", "True"),
    "calendar": ("import calendar\ncalendar.monthrange(2024, 2)[1], calendar.isleap(1900)", "(29, False)"),
    "complex": ("(1 + 2j) * (3 - 1j), abs(3 + 4j)", "((5+5j), 5.0)"),
    "cmath": ("import cmath\nround(cmath.phase(-1), 5)", "3.14159"),
    "modular power": ("pow(3, 1000, 1007), pow(3, -1, 7)", "(434, 5)"),
    "big numbers": ("str(2**521 - 1)[-9:]", "115057151"),
    "matrices": (
        "a = [[1, 2], [3, 4]]\n[[sum(x*y for x, y in zip(r, c)) for c in zip(*a)] for r in a]",
        "[[7, 10], [15, 22]]",
    ),
    "comprehensions": ("{k: v for k, v in zip('abc', range(3))}, {x % 3 for x in range(9)}", "({'a': 0, 'b': 1, 'c': 2}, {0, 1, 2})"),
    "generators": ("def g():\n    yield from range(3)\nlist(g())", "[0, 1, 2]"),
    "classes": (
        "class V:\n    def __init__(self, x): self.x = x\n"
        "    def __add__(self, o): return V(self.x + o.x)\n    def __repr__(self): return f'V({self.x})'\n"
        "V(1) + V(2)",
        "V(3)",
    ),
    "dataclasses": (
        "from dataclasses import dataclass\n@dataclass(order=True)\nclass P:\n    x: int\n    y: int = 0\n"
        "max(P(1), P(1, 2))",
        "P(x=1, y=2)",
    ),
    "enum": ("from enum import Enum\nclass C(Enum):\n    RED = 1\nC.RED.name", "RED"),
    "match": ("match (1, 2):\n    case (a, b) if a < b: print('less')", "less\n"),
    "exceptions": ("try:\n    1 / 0\nexcept ZeroDivisionError as e:\n    print(e)", "division by zero\n"),
    "with": ("import io\nwith io.StringIO() as f:\n    f.write('x')\n    print(f.getvalue())", "x\n"),
    "json": ("import json\njson.loads('[1, {\"a\": null}]')", "[1, {'a': None}]"),
    "csv": ("import csv, io\nlist(csv.reader(io.StringIO('a,b\\n1,2')))", "[['a', 'b'], ['1', '2']]"),
    "random": ("import random\nrandom.seed(1)\nrandom.randint(1, 100)", "18"),
    "fresh random": ("import random, secrets\n0 <= random.random() < 1 and secrets.randbelow(2) < 2", "True"),
    "monte carlo": (
        "import random\nr = random.Random(0)\nn = 20000\n"
        "abs(4 * sum(r.random()**2 + r.random()**2 < 1 for _ in range(n)) / n - 3.14) < 0.1",
        "True",
    ),
    "hash": ("import hashlib\nhashlib.sha256(b'x').hexdigest()[:8]", "2d711642"),
    "zlib": ("import zlib\nzlib.decompress(zlib.compress(b'x' * 99)) == b'x' * 99", "True"),
    "threads": (
        "import threading\nfound = []\nts = [threading.Thread(target=found.append, args=(i,)) for i in range(8)]\n"
        "for t in ts: t.start()\nfor t in ts: t.join()\nsorted(found)",
        "[0, 1, 2, 3, 4, 5, 6, 7]",
    ),
    "thread pool": (
        "from concurrent.futures import ThreadPoolExecutor as P\nwith P(4) as p: print(list(p.map(abs, [-1, 2, -3])))",
        "[1, 2, 3]\n",
    ),
    "queue": ("import queue\nq = queue.Queue()\nq.put(1)\nq.get(timeout=1)", "1"),
    "a thread's lock": ("import threading\nlock = threading.Lock()\nwith lock: print('in')", "in\n"),
    "sleep": ("import time\nt = time.monotonic()\ntime.sleep(0.01)\ntime.monotonic() - t >= 0.01", "True"),
    "time it": ("import time\nt = time.perf_counter()\nsum(range(1000))\ntime.perf_counter() > t", "True"),
    "sqlite in memory": ("import sqlite3\nsqlite3.connect(':memory:').execute('select 6 * 7').fetchone()", "(42,)"),
    "deep copy": ("import copy\na = [[1]]\nb = copy.deepcopy(a)\nb[0][0] = 2\na", "[[1]]"),
    "pickle": ("import pickle\npickle.loads(pickle.dumps({'a': (1, 2)}))", "{'a': (1, 2)}"),
    "eval": ("eval('2 + 3 * 4')", "14"),
    "a numerical root": (
        "lo, hi = 1.0, 2.0\nfor _ in range(60):\n    m = (lo + hi) / 2\n    lo, hi = (m, hi) if m*m < 2 else (lo, m)\n"
        "round(lo, 9)",
        "1.414213562",
    ),
    "simpson": (
        "n = 100\nh = 1 / n\nf = lambda x: x**3\n"
        "round(h/3 * sum((1 if i in (0, n) else 4 if i % 2 else 2) * f(i*h) for i in range(n + 1)), 9)",
        "0.25",
    ),
    "time zones": (
        "from datetime import datetime, timezone, timedelta\n"
        "datetime(2024, 1, 1, tzinfo=timezone.utc).astimezone(timezone(timedelta(hours=2))).hour",
        "2",
    ),
    "a lazy import": ("import colorsys, plistlib, gettext\ncolorsys.rgb_to_yiq(0, 0, 0)[0]", "0.0"),
    "exit": ("print('done')\nexit_code = 0\nraise SystemExit(0)", "done\n"),
    "warnings": ("import warnings\nwarnings.simplefilter('ignore')\nwarnings.warn('x')\n1", "1"),
    "argument of main": ("if __name__ == '__main__':\n    print('main')", "main\n"),
}  # fmt: skip

SYMPY = {
    "quadratic": ("from sympy import *\nx = symbols('x')\nsolve(x**2 - 5*x + 6, x)", "[2, 3]"),
    "system": (
        "from sympy import *\nx, y = symbols('x y')\nsolve([x + y - 10, x - y - 2], [x, y])",
        "{x: 6, y: 4}",
    ),
    "cubic": ("import sympy as s\nx = s.Symbol('x')\ns.solve(x**3 - 6*x**2 + 11*x - 6)", "[1, 2, 3]"),
    "integral": ("from sympy import *\nx = symbols('x')\nintegrate(x * sin(x), (x, 0, pi))", "pi"),
    "derivative": ("from sympy import *\nx = symbols('x')\ndiff(x**3 * exp(x), x).subs(x, 1)", "4*E"),
    "limit": ("from sympy import *\nx = symbols('x')\nlimit((1 + 1/x)**x, x, oo)", "E"),
    "series": ("from sympy import *\nn = symbols('n')\nsummation(1/(n*(n+1)), (n, 1, oo))", "1"),
    "simplify": ("from sympy import *\nsimplify(sqrt(5 + 2*sqrt(6)) - sqrt(2) - sqrt(3))", "0"),
    "factor": ("from sympy import *\nx = symbols('x')\nfactor(x**4 - 1)", "(x - 1)*(x + 1)*(x**2 + 1)"),
    "matrix": ("from sympy import *\nMatrix([[2, 1], [1, 3]]).det(), Matrix([[2, 0], [0, 3]]).eigenvals()", "(5, {2: 1, 3: 1})"),
    "number theory": ("from sympy import *\nfactorint(2024), totient(36), isprime(2027)", "({2: 3, 11: 1, 23: 1}, 12, True)"),
    "trigonometry": ("from sympy import *\nx = symbols('x')\ntrigsimp(sin(x)**2 + cos(x)**2), cos(pi/12)", "(1, sqrt(2)/4 + sqrt(6)/4)"),
    "inequality": ("from sympy import *\nx = symbols('x', real=True)\nsolve_univariate_inequality(x**2 < 4, x, relational=False)", "Interval.open(-2, 2)"),
    "geometry": ("from sympy import *\nTriangle(Point(0, 0), Point(4, 0), Point(0, 3)).area", "6"),
    "digits": ("from sympy import *\nN(pi, 30)", "3.14159265358979323846264338328"),
    "diophantine": ("from sympy import *\nx, y = symbols('x y', integer=True)\nsorted(s for s in diophantine(x**2 + y**2 - 25))[:2]", "[(-5, 0), (-4, -3)]"),
    "binomials": ("from sympy import *\nx, y = symbols('x y')\nPoly((x + y)**10, x, y).coeff_monomial(x**4*y**6)", "210"),
    "a numerical solution": ("from sympy import *\nx = symbols('x')\nround(float(nsolve(cos(x) - x, 1)), 6)", "0.739085"),
    "LaTeX": ("from sympy import *\nx = symbols('x')\nlatex(Rational(1, 2) * x**2)", "\\frac{x^{2}}{2}"),
    "answers are the same": ("from sympy import *\nsimplify(sympify('sqrt(12)') - sympify('2*sqrt(3)')) == 0", "True"),
}  # fmt: skip
