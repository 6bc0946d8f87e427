"""`endotwin-training segmenter`."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from training.cli.options import DeviceName, UsageError, chosen_device
from training.progress import show_progress

if TYPE_CHECKING:
    from training.trial.test_sets import TestSet

EPILOG = (
    "Example:  endotwin set --n 8000 --seed 15 --labels borders --expert-hand --validation-every 10 set  "
    "and then  endotwin-training segmenter --on set -o mine.safetensors.  Takes about half an hour of one "
    "idle core; stop it whenever you like: the same command goes on."
)


def segmenter_command(
    on: Annotated[
        Path,
        typer.Option("--on", help="A labelled set: shards, tar, zip, npz, folder, or any layout."),
    ],
    output: Annotated[Path, typer.Option("--output", "-o", help="Segmenter to write, *.safetensors.")],
    test: Annotated[
        list[Path] | None,
        typer.Option(
            help="Real images to score the segmenter on at the end, for its card: as `trial --test`; "
            "repeatable.",
        ),
    ] = None,
    images: Annotated[
        int, typer.Option(min=20, help="Images that are read of the set; 40 kB of memory each.")
    ] = 20_000,
    steps: Annotated[
        int, typer.Option(min=1, help="Steps of 16 images after which training ends at the latest.")
    ] = 4_000,
    seed: Annotated[int, typer.Option(min=0, max=1023, help="Of weights, order and augmentation.")] = 0,
    force: Annotated[bool, typer.Option("--force", help="Replace the output if it is there.")] = False,
    device: DeviceName = "auto",
) -> None:
    """Train a segmenter on a labelled set until it no longer gains on the set's validation part.

    The set is anything that Endotwin writes with borders or instances. Without a validation part a tenth
    of its images is set aside. The result is for `endotwin segment --segmenter`, and its card says what
    it was trained on.
    """
    from endotwin.checkpoint_files import CHECKPOINT_SUFFIX
    from endotwin.segmentation.segmenter import save_segmenter
    from training.segmenter.labelled_set import read_labelled_set
    from training.segmenter.made_card import make_card
    from training.segmenter.run import SETTINGS, drop_state, state_folder, train_on_set
    from training.segmenter.scores import with_scores

    if output.suffix != CHECKPOINT_SUFFIX:
        raise UsageError(f"--output: {output}: the name of a segmenter ends in {CHECKPOINT_SUFFIX}")
    if output.exists() and not force:
        raise UsageError(f"--output: {output} exists; --force replaces it")
    tests = _read_tests(test or [])
    torch_device = chosen_device(device)
    settings = SETTINGS.model_copy(update={"most_steps": steps})
    typer.echo(f"Reading {on} …", err=True)
    chosen = read_labelled_set(on, images)
    typer.echo(
        f"{len(chosen.training)} images to train on, {len(chosen.validation)} to judge by; at most "
        f"{steps} steps, fewer when it no longer gains"
    )
    with show_progress(total=steps, unit=" steps") as bar:

        def progress(step: int, loss: float) -> None:
            if bar.n == 0:
                bar.initial = step - 1  # of an earlier session: no time of this one
                bar.start_t = time.time()
            bar.set_postfix(loss=f"{loss:.3f}", refresh=False)
            bar.update(step - bar.n)

        try:
            weights, convergence = train_on_set(
                chosen,
                state_folder(output),
                seed=seed,
                settings=settings,
                device=torch_device,
                progress=progress,
            )
        except KeyboardInterrupt:
            bar.close()
            typer.echo("\nStopped; the same command goes on.", err=True)
            raise typer.Exit(130) from None
    typer.echo("Scoring …", err=True)
    card = make_card(chosen, on, convergence, seed, torch_device)
    card = with_scores(weights, card, chosen, tests)
    save_segmenter(output, weights, card)
    drop_state(output)
    typer.echo(
        f"{output}: {convergence.ended} after {convergence.steps} steps and {convergence.seconds / 60:.0f} "
        f"min, best after {convergence.best_step}, loss {convergence.best_loss:.3f}"
    )
    for score in card.scores:
        typer.echo(f"{score.name} ({score.images}): cells found (F1) and density error {score.text()}")
    typer.echo(f"Use it: endotwin segment images/ --segmenter {output} -o found")


def _read_tests(paths: list[Path]) -> list[TestSet]:
    from training.trial.command import with_test
    from training.trial.trial_data import TrialData

    found = TrialData([], [])
    for path in paths:
        found = with_test(found, path)
    return found.tests
