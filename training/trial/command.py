"""`endotwin-training trial`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from training.cli.options import DeviceName, UsageError, chosen_device
from training.trial.settings import (
    ARM_KINDS,
    COMPARED,
    QUICK,
    QUICK_IMAGES,
    WITH_SYNTHETIC,
    ArmKind,
    TrialSettings,
)

if TYPE_CHECKING:
    from training.trial.labelled_source import LabelledSource
    from training.trial.trial_data import TrialData

EPILOG = (
    "Quick look, some ten minutes on one core: add --quick --seeds 1 --arms real,synthetic. In full an arm "
    "takes a quarter of an hour or more a seed. Stop it whenever you like, even with kill -9: the same "
    "command goes on, and what is done is never done again."
)


def trial_command(
    sources: Annotated[
        Path | None,
        typer.Option(
            "--sources",
            help="TOML file of real images: annotated ones to train on, held-out ones to score on.",
        ),
    ] = None,
    data: Annotated[
        Path | None,
        typer.Option("--data", help="Folder that holds the sources; default: the paths in the file."),
    ] = None,
    test: Annotated[
        list[Path] | None,
        typer.Option(
            "--test",
            help="Another test set: a folder with images/ and borders/, cells/ or centres/, or a TOML file "
            "of sources, of which only what is held out is scored; repeatable.",
        ),
    ] = None,
    synthetic: Annotated[
        list[str] | None,
        typer.Option(
            "--synthetic",
            metavar="[NAME=]PATH",
            help="A labelled checkpoint, or a folder of a set made with --layout masks; repeatable.",
        ),
    ] = None,
    arms: Annotated[
        str, typer.Option("--arms", help=f"Which of {', '.join(ARM_KINDS)}, separated by commas.")
    ] = ",".join(COMPARED),
    counts: Annotated[
        str,
        typer.Option(
            help="Train on this many annotated images, too, beside all of them, as 1,3,10; alone and after "
            "synthetic ones, as --arms says.",
        ),
    ] = "",
    seeds: Annotated[int, typer.Option(min=1, max=1023, help="Number of seeds, from 0 on.")] = 3,
    against: Annotated[
        list[str] | None,
        typer.Option(help="Arm that the others are compared with; repeatable; default: the first."),
    ] = None,
    quick: Annotated[
        bool,
        typer.Option(
            "--quick", help="A rough answer: short training, at most fifty images of each test set."
        ),
    ] = False,
    report_only: Annotated[
        bool, typer.Option("--report-only", help="Train nothing; report on what is done.")
    ] = False,
    output: Annotated[
        Path,
        typer.Option("--output", "-o", help="Folder of the results; pictures/ shows real images."),
    ] = Path("out/trial"),
    device: DeviceName = "auto",
) -> None:
    """Train a small U-Net on real and on synthetic images; count cells with it in real ones held out.

    Every arm is trained until it no longer gains. What is read off is scored: cells found, density and its
    bias, CV, hexagonality, borders (docs/trial.md).
    """
    from training.trial.arms import make_arms
    from training.trial.report_text import markdown_report
    from training.trial.run import run_trial

    kinds = _kinds(arms)
    numbers = _counts(counts)
    torch_device = chosen_device(device)
    if not synthetic and set(kinds) <= set(WITH_SYNTHETIC):
        raise UsageError("--synthetic: give a labelled checkpoint or a folder of labelled images")
    real = _read_images(sources, data, test or [])
    if quick:
        real = real.with_first_tests(QUICK_IMAGES)
    chosen = make_arms(real, kinds, _read_synthetic(synthetic or [], torch_device), numbers)
    if not chosen:
        raise UsageError(f"--arms {arms}: nothing to train on; give --sources or --synthetic")
    labels = [arm.label for arm in chosen]
    unknown = [label for label in against or [] if label not in labels]
    if unknown:
        raise UsageError(f"--against: no arm {unknown[0]!r}; there are {'; '.join(labels)}")
    _print_images(real)
    typer.echo(f"Arms: {'; '.join(labels)}")
    try:
        report = run_trial(
            real,
            chosen,
            QUICK if quick else TrialSettings(),
            output,
            seeds=range(seeds),
            against=against or [],
            device=torch_device,
            train=not report_only,
        )
    except KeyboardInterrupt:
        typer.echo(f"\nStopped. What is done is in {output}; the same command goes on.", err=True)
        raise typer.Exit(130) from None
    if report is None:
        typer.echo(f"Nothing is done in {output} yet.")
        return
    typer.echo(markdown_report(report, against or []))
    typer.echo(f"In full: {output}/trial.json; figures beside it.")


def _kinds(arms: str) -> tuple[ArmKind, ...]:
    chosen = [arm.strip() for arm in arms.split(",")]
    unknown = [arm for arm in chosen if arm not in ARM_KINDS]
    if unknown:
        raise UsageError(f"--arms: {', '.join(map(repr, unknown))}; there are {', '.join(ARM_KINDS)}")
    return tuple(arm for arm in ARM_KINDS if arm in chosen)


def _counts(counts: str) -> list[int]:
    parts = [part.strip() for part in counts.split(",") if part.strip()]
    if not all(part.isdecimal() for part in parts):
        raise UsageError(f"--counts: whole numbers separated by commas, as 1,3,10; got {counts!r}")
    return [int(part) for part in parts]


def _read_images(sources: Path | None, data: Path | None, tests: list[Path]) -> TrialData:
    from training.data.sources import read_sources
    from training.trial.trial_data import TrialData, load_trial_data, present_folders, sources_below

    real = TrialData([], [])
    if sources is not None:
        found = read_sources(sources)
        found, absent = present_folders(found if data is None else sources_below(found, data))
        for line in absent:
            typer.echo(line, err=True)
        real = load_trial_data(found)
    for path in tests:
        real = with_test(real, path)
    if not real.tests:
        raise UsageError("no test set: give --sources or --test")
    return real


def with_test(real: TrialData, path: Path) -> TrialData:
    """Return the images with those of a test folder, or of a TOML file of sources, if it is there."""
    from training.data.sources import read_sources
    from training.trial.test_sets import read_test_folder
    from training.trial.trial_data import add_tests, load_split_tests, present_folders

    if path.suffix == ".toml":
        found, absent = present_folders(read_sources(path))
        for line in absent:
            typer.echo(line, err=True)
        return add_tests(real, *load_split_tests(found, real.cell_area))
    if not path.is_dir():
        typer.echo(f"{path.name}: skipped, {path} is not there", err=True)
        return real
    return add_tests(real, [read_test_folder(path, real.cell_area)], {})


def _read_synthetic(given: list[str], device: str) -> list[LabelledSource]:
    from training.trial.labelled_source import labelled_source

    found: list[LabelledSource] = []
    for each in given:
        name, separator, path = each.partition("=")
        source = labelled_source(Path(path if separator else each), device, name if separator else None)
        if source.name in [other.name for other in found]:
            raise UsageError(f"--synthetic: two are named {source.name}; write NAME=PATH")
        found.append(source)
    return found


def _print_images(data: TrialData) -> None:
    for chosen in data.training:
        typer.echo(f"{chosen.name}: {len(chosen.images)} annotated images to train on")
    for test in data.tests:
        size = "" if test.factor == 1 else f", resized by {test.factor:.2f} to the same size of cells"
        typer.echo(f"{test.name}: {len(test.images)} images with {test.cells} cells to score on{size}")
