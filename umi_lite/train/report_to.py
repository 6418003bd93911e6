"""Where a recipe's `report_to` sends the curves besides the run folder's own files."""

import importlib.util
import os
from typing import Any

from umi_lite.protocol.errors import UserError
from umi_lite.recipe import Recipe
from umi_lite.train.run_dir import RunDir


def check_report_to(recipe: Recipe) -> None:
    """Refuse a tracker that is not there before anything is trained.

    Raises:
        UserError: it is not installed.
    """
    name = recipe.report_to
    if name != "none" and importlib.util.find_spec(name) is None:
        raise UserError(f"report_to: {name} is not installed (pip install {name})")


def trackers(recipe: Recipe, run: RunDir, job: str, step: int) -> list[Any]:
    """transformers' own callback for the tracker, which writes into the run folder.

    Args:
        step: the job goes on from here; what was told of later steps counts no more.
    """
    if recipe.report_to == "tensorboard":
        from torch.utils.tensorboard import SummaryWriter
        from transformers.integrations.integration_utils import TensorBoardCallback

        folder = run.root / "tensorboard" / job
        return [TensorBoardCallback(SummaryWriter(str(folder), purge_step=step + 1))]
    if recipe.report_to == "trackio":
        # Read when trackio is imported; its project and run names are in the trainer's arguments.
        os.environ.setdefault("TRACKIO_DIR", str(run.root.resolve() / "trackio"))
        from transformers.integrations.integration_utils import TrackioCallback

        return [TrackioCallback()]
    return []
