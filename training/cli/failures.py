"""The errors that a command reports in one line; a module by itself, since their modules load torch."""

from __future__ import annotations

from endotwin.files import OutputError
from endotwin.generator.checkpoint import CheckpointError
from training.cli.options import UsageError
from training.data.read import DataError
from training.learning.recipes.recipe import RecipeError
from training.learning.run_folder import RunError
from training.learning.trainer import TrainingError
from training.learning.warm_start import WarmStartError
from training.scores.request import EvaluationError, InceptionError

OF_OPTIONS = (UsageError, RecipeError)
"""Options that make no sense: exit code 2."""

OF_WORK = (
    CheckpointError,
    DataError,
    EvaluationError,
    InceptionError,
    OSError,
    OutputError,
    RunError,
    TrainingError,
    WarmStartError,
)
"""What went wrong with an order that makes sense: exit code 1."""
