"""Generated tasks per second, and the same bytes again: `python -m benchmarks.synth [COUNT]`.

Tasks for thirty tools with descriptions as people write them, in one process; every task is
replayed while it is made. The last line is JSON.
"""

import hashlib
import json
import sys
import time
from collections import Counter

from tests.synth_tools import TOOLS
from umi_lite.data.synth.generate import load


def main() -> None:
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 10_000
    digests: list[str] = []
    seconds: list[float] = []
    for _ in range(2):
        started = time.perf_counter()
        loaded = load(TOOLS, seed=4711, count=count)
        seconds.append(time.perf_counter() - started)
        text = "\n".join(task.model_dump_json() for task in loaded.trajectories)
        digests.append(hashlib.sha256(text.encode()).hexdigest())
    made = len(loaded.trajectories)
    kinds = Counter(task.meta["kind"] for task in loaded.trajectories)
    for kind, number in kinds.most_common():
        print(f"{kind:<14}{number:>7}")
    for reason, number, _ in loaded.drop_table():
        print(f"drawn again {number}: {reason}")
    print(f"{made} tasks in {min(seconds):.1f} s, {1000 * min(seconds) / made:.1f} ms each")
    print(json.dumps({"tasks": made, "seconds": seconds, "same": len(set(digests)) == 1}))


if __name__ == "__main__":
    main()
