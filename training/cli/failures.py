"""The errors that a command reports in one line; a module by itself, since their modules load torch."""

from __future__ import annotations

from endotwin.files import OutputError
from endotwin.generator.card_file import CheckpointError
from endotwin.image_reading import DataError
from endotwin.settings import SettingsError
from training.adapt.request import AdaptError
from training.cli.options import UsageError
from training.learning.recipes.recipe import RecipeError
from training.learning.run_folder import RunError
from training.learning.trainer import TrainingError
from training.learning.warm_start import WarmStartError
from training.scores.request import EvaluationError, InceptionError

USAGE_ERRORS = (UsageError, RecipeError)
"""The options are wrong: exit code 2."""

WORK_ERRORS = (
    AdaptError,
    CheckpointError,
    DataError,
    EvaluationError,
    InceptionError,
    OSError,
    OutputError,
    RunError,
    SettingsError,
    TrainingError,
    WarmStartError,
)
"""The options are right, and the work failed: exit code 1."""
