"""`curves.html`: the jobs' losses on one page that reloads itself while a run is live."""

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from html import escape

from umi_lite.files import write_text
from umi_lite.train.chart import job_svg, read_metrics
from umi_lite.train.distributed import is_main
from umi_lite.train.run_dir import RunDir

_SECONDS = 5
_STYLE = """
body { font-family: sans-serif; margin: 1.5em; color: #222; background: #fafafa; }
main { display: grid; grid-template-columns: repeat(auto-fit, minmax(24em, 1fr)); gap: 1em; }
section { background: white; border: 1px solid #ddd; padding: 0.8em; }
h1 { font-size: 1.2em; } h2 { font-size: 1em; margin: 0 0 0.4em; }
p { margin: 0 0 0.5em; font-size: 0.85em; } svg { width: 100%; height: auto; }
"""


class Page:
    """The page of one run.

    Args:
        steps: optimizer steps of each of the run's jobs, in order.
    """

    def __init__(self, run: RunDir, steps: Mapping[str, int]):
        self._run = run
        self._steps = steps
        self._written = float("-inf")

    def update(self) -> None:
        """Write the page again if it is some seconds old."""
        if time.monotonic() - self._written >= _SECONDS:
            self.write(live=True)

    def write(self, *, live: bool) -> None:
        """Write the page from the metrics files. `live`: it reloads itself."""
        self._written = time.monotonic()
        if not is_main():
            return
        jobs = "\n".join(self._job(name) for name in self._steps)
        done = all(self._run.is_done(name) for name in self._steps)
        status = "training" if live else "done" if done else "stopped: continue with --resume"
        name = escape(self._run.root.resolve().name)
        reload = f'<meta http-equiv="refresh" content="{_SECONDS}">' if live else ""
        write_text(
            self._run.root / "curves.html",
            f'<!doctype html><html lang="en"><head><meta charset="utf-8">{reload}'
            f"<title>{name}: {status}</title><style>{_STYLE}</style></head><body>"
            f"<h1>{name}: {status}</h1><main>\n{jobs}\n</main></body></html>\n",
        )

    def _job(self, name: str) -> str:
        metrics = read_metrics(self._run.metrics(name))
        trained = [(r["step"], r["loss"]) for r in metrics]
        evaluated = [(r["step"], r["eval_loss"]) for r in read_metrics(self._run.validation(name))]
        said = [f"step {len(metrics)} of {self._steps[name]}"]
        if metrics:
            said.append(f"loss {trained[-1][1]:.4f}")
            said.append(f"{metrics[-1]['tokens_per_second']:.0f} tokens/s")
        if evaluated:
            step, lowest = min(evaluated, key=lambda point: point[1])
            said.append(f"evaluation loss {evaluated[-1][1]:.4f}")
            said.append(f"lowest {lowest:.4f} at step {step}")
        chart = job_svg(name, trained, evaluated, self._steps[name]) if metrics else ""
        return f"<section><h2>{name}</h2><p>{', '.join(said)}</p>{chart}</section>"


@contextmanager
def live_page(run: RunDir, steps: Mapping[str, int]) -> Iterator[Page]:
    """Keep the page live while jobs train; it stops reloading itself once they end."""
    page = Page(run, steps)
    try:
        yield page
    except BaseException:
        # The run's error is reported; a full disk would only be reported twice.
        with suppress(OSError):
            page.write(live=False)
        raise
    page.write(live=False)
