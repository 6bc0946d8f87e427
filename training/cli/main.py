"""The command line of the training package: `endotwin-training`."""

from __future__ import annotations

import sys
import warnings

import typer

from endotwin.cli.command_line import CommandLine, add_completion
from training.adapt.command import EPILOG as ADAPT_EPILOG
from training.adapt.command import adapt_command
from training.blind_test.command import blind_test_app
from training.cli import card, preview, record, train
from training.curation.command import EPILOG as CURATE_EPILOG
from training.curation.command import curate_command
from training.scores.command import EPILOG as EVALUATE_EPILOG
from training.scores.command import evaluate_command
from training.segmenter.command import EPILOG as SEGMENTER_EPILOG
from training.segmenter.command import segmenter_command
from training.trial.command import EPILOG as TRIAL_EPILOG
from training.trial.command import trial_command

app = typer.Typer(
    cls=CommandLine,
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    help="Turn folders of specular-microscopy images into a generator checkpoint with its recorded FID.",
)
app.command(name="adapt", epilog=ADAPT_EPILOG)(adapt_command)
app.command(name="train", epilog=train.EPILOG)(train.train_command)
app.command(name="record", epilog=record.EPILOG)(record.record_command)
app.command(name="preview", epilog=preview.EPILOG)(preview.preview_command)
app.command(name="card", epilog=card.EPILOG)(card.card_command)
app.command(name="evaluate", epilog=EVALUATE_EPILOG)(evaluate_command)
app.command(name="curate", epilog=CURATE_EPILOG)(curate_command)
app.add_typer(blind_test_app, name="blind-test")
app.command(name="segmenter", epilog=SEGMENTER_EPILOG)(segmenter_command)
app.command(name="trial", epilog=TRIAL_EPILOG)(trial_command)
add_completion(app, "endotwin-training")


def main() -> None:
    """Run the command line; an expected error is one message on standard error, not a traceback."""
    warnings.filterwarnings("ignore", message=".*weights.*are None.*")
    try:
        app(prog_name="endotwin-training")
    except ModuleNotFoundError as error:
        package = (error.name or "").partition(".")[0]
        if package in ("", "endotwin", "training"):
            raise
        typer.echo(f"Error: this command needs {package}: pip install 'endotwin[training]'", err=True)
        sys.exit(1)
    except Exception as error:
        from training.cli.failures import USAGE_ERRORS, WORK_ERRORS

        if not isinstance(error, USAGE_ERRORS + WORK_ERRORS):
            raise
        typer.echo(f"Error: {error}", err=True)
        sys.exit(2 if isinstance(error, USAGE_ERRORS) else 1)
