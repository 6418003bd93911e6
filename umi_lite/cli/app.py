"""Verbs and the functions behind them. Modules stay light: heavy imports happen inside."""

import typer

from umi_lite.cli import data, evals, run, sandbox, train
from umi_lite.cli.home import with_home

app = typer.Typer(
    name="umi",
    help="Turn one small LLM into planner, caller and summarizer; train, export and run them.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    # Drawing the help with rich doubles the time that `umi --help` takes.
    rich_markup_mode=None,
)
VERBS = {
    "quickstart": train.quickstart,
    "train": train.train,
    "export": train.export,
    "run": run.run,
    "reproduce": train.reproduce,
    "bench": run.bench,
    "doctor": train.doctor,
}
GROUPS = {
    "eval": (
        "Measure a bundle on held-out tasks, or predictions against gold dialogues.",
        {
            "toolworld": evals.live("toolworld", "held-out toolworld tasks", split="test", seed=1),
            "gsm8k": evals.live("gsm8k", "GSM8K questions with the Python tool"),
            "simulated": evals.simulated,
            "judge": evals.judge,
            "static": evals.static,
            "math": evals.live("math", "MATH problems with the Python tool"),
            "grade": evals.grade,
        },
    ),
    "data": (
        "Look at what a recipe trains on, or make it.",
        {
            "ls": data.ls,
            "preview": data.preview,
            "render": data.render,
            "leaks": data.leaks,
            "bootstrap": data.bootstrap,
        },
    ),
    "recipes": ("List and show recipes.", {"ls": train.ls, "show": train.show}),
    "sandbox": (
        "Run Python as the agent's tool does, and attack the sandbox.",
        {"run": sandbox.run, "test": sandbox.test},
    ),
    "trace": ("Look at an episode that ran.", {"show": run.show_trace}),
}

for _verb, _function in VERBS.items():
    app.command(_verb)(with_home(_function))
for _group, (_help, _verbs) in GROUPS.items():
    _sub = typer.Typer(help=_help, no_args_is_help=True, rich_markup_mode=None)
    for _verb, _function in _verbs.items():
        _sub.command(_verb)(with_home(_function))
    app.add_typer(_sub, name=_group)
