"""`endotwin-training blind-test`: build, serve, score."""

from __future__ import annotations

import re
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, get_args

import typer
from pydantic import ValidationError

from endotwin.files import require_free, whole_file
from training.blind_test.blind_set import (
    ANSWERS_FILE,
    KEY_FILE,
    BlindTestError,
    BlindTestPlan,
    Display,
    RealFrom,
    read_answer_key,
    read_blind_set,
)
from training.cli.options import UsageError, chosen_device, require_one_place
from training.progress import show_progress

if TYPE_CHECKING:
    from training.blind_test.scores import BlindTestScores

blind_test_app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    help="Ask experts which images are real and which are generated (docs/blind-test.md).",
)

_Folder = Annotated[Path, typer.Argument(help="Folder of the blind test.")]
_DEFAULTS = BlindTestPlan()


@blind_test_app.command(
    name="build",
    epilog="Example:  endotwin-training blind-test build checkpoints/compact.safetensors "
    "--data ../shared/data blind-test/",
)
def build_command(
    checkpoint: Annotated[Path, typer.Argument(help="A checkpoint file.")],
    out: Annotated[Path, typer.Argument(help="Folder of the blind test; empty, or not there yet.")],
    data: Annotated[
        Path | None, typer.Option("--data", help="Folder that holds the checkpoint's sources.")
    ] = None,
    sources: Annotated[
        Path | None,
        typer.Option("--sources", help="Instead of --data: TOML file that lists the folders."),
    ] = None,
    generated: Annotated[int, typer.Option(help="Generated images.")] = _DEFAULTS.generated,
    real: Annotated[int, typer.Option(help="Real crops.")] = _DEFAULTS.real,
    seed: Annotated[int, typer.Option(help="Of images, crops and order.")] = _DEFAULTS.seed,
    real_from: Annotated[
        str, typer.Option(help="Crops of the images trained on, or held out: training, held-out.")
    ] = _DEFAULTS.real_from,
    scale: Annotated[
        int, typer.Option(help="The page enlarges by this factor, where it has the room.")
    ] = _DEFAULTS.scale,
    display: Annotated[
        str, typer.Option(help="Enlarged in squares or interpolated: crisp, smooth.")
    ] = _DEFAULTS.display,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or cuda:N.")] = "auto",
) -> None:
    """Make a shuffled set of generated images and real crops. It holds crops of real images."""
    from endotwin.generator.checkpoint import load_checkpoint
    from training.blind_test.build import build_blind_test
    from training.data.sources import chosen_sources

    require_one_place(data, sources)
    plan = _plan(
        generated=generated,
        real=real,
        seed=seed,
        real_from=_choice("real-from", real_from, get_args(RealFrom)),
        scale=scale,
        display=_choice("display", display, get_args(Display)),
    )
    torch_device = chosen_device(device)
    require_free(out)
    loaded = load_checkpoint(checkpoint)
    found, _ = chosen_sources(loaded.card, data=data, file=sources)
    with show_progress(total=2 * generated + real, unit="image") as bar:
        key = build_blind_test(loaded, found.load(), out, plan, device=torch_device, progress=bar.update)
    if not key.same_data_as_checkpoint:
        typer.echo(
            f"Note: {key.checkpoint} was not trained on these images; a difference between the collections "
            "separates the classes, too.",
            err=True,
        )
    if real > key.disjoint_crops:
        typer.echo(
            f"Note: {key.real_images} real images hold about {key.disjoint_crops} crops side by side; "
            f"{real} crops overlap, and an expert may recognise cells seen before.",
            err=True,
        )
    typer.echo(f"{out}: {generated} generated images, {real} crops of {real_from} images, shuffled")
    typer.echo(
        f"{out / KEY_FILE} says which image is which: keep it from experts. Then: blind-test serve {out}"
    )


@blind_test_app.command(name="serve", epilog="Example:  endotwin-training blind-test serve blind-test/")
def serve_command(
    out: _Folder,
    host: Annotated[
        str, typer.Option(help="Address to listen on; 0.0.0.0: reachable from other devices.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="0: one that is free.")] = 8800,
) -> None:
    """Serve the page on which experts answer, until Ctrl-C; every answer is stored at once."""
    from training.blind_test.server import is_loopback, serve_blind_test

    def started(address: str) -> None:
        typer.echo(f"Open {address}   (Ctrl-C stops; nothing is lost)")

    if not is_loopback(host):
        typer.echo(
            f"Note: {host} can be reached from other machines. There is no login and no encryption: "
            "anyone who reaches the page sees the images, real ones among them, and can answer under "
            "any name.",
            err=True,
        )
    serve_blind_test(out, host, port, started)


@blind_test_app.command(
    name="score",
    epilog="Examples:  endotwin-training blind-test score blind-test/  |  "
    "endotwin-training blind-test score --counts 555,445,946,54 -o published/",
)
def score_command(
    out: Annotated[Path | None, typer.Argument(help="Folder of the blind test.")] = None,
    key: Annotated[
        Path | None, typer.Option("--key", help=f"The key; default: {KEY_FILE} in the folder.")
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="Folder for score.json and score.html; default: OUT/score."),
    ] = None,
    counts: Annotated[
        str | None,
        typer.Option(
            help="Instead of a folder, a confusion matrix, such as a published one: real taken for real, "
            "real taken for generated, generated taken for real, generated taken for generated."
        ),
    ] = None,
) -> None:
    """Score the answers so far, for each expert and for all, as JSON and as an HTML report."""
    if counts is not None:
        if out is not None or key is not None or output is None:
            raise UsageError("--counts takes --output FOLDER, and neither the folder of a test nor --key")
        _score_counts(counts, output)
        return
    if out is None:
        raise UsageError("give the folder of a blind test, or --counts")
    from training.blind_test.answers import AnswerStore
    from training.blind_test.report import write_blind_test_report
    from training.blind_test.scores import score_answers

    output = output or out / "score"
    blind_set = read_blind_set(out)
    found_key = read_answer_key(key or out / KEY_FILE, blind_set)
    if not (out / ANSWERS_FILE).is_file():
        raise BlindTestError(f"{out}: nobody has answered yet: there is no {ANSWERS_FILE}")
    with closing(AnswerStore(out / ANSWERS_FILE)) as store:
        scores = score_answers(found_key, store.all())
    with whole_file(output / "score.json") as file:
        file.write((scores.model_dump_json(indent=2) + "\n").encode())
    write_blind_test_report(scores, output / "score.html")
    typer.echo(_table(scores))
    typer.echo(f"\nWritten to {output}: score.json, score.html")


def _score_counts(text: str, output: Path) -> None:
    from training.blind_test.confusion import Confusion
    from training.blind_test.discrimination import discrimination_text
    from training.blind_test.figures import confusion_figure
    from training.blind_test.report import write_counts_report
    from training.blind_test.scores import score_counts

    if not re.fullmatch(r"[0-9]{1,9}(,[0-9]{1,9}){3}", text):
        raise UsageError(f"--counts: four whole numbers with commas, such as 555,445,946,54; got {text!r}")
    numbers = [int(number) for number in text.split(",")]
    scores = score_counts(Confusion.of_counts(numbers[:2], numbers[2:]))
    with whole_file(output / "score.json") as file:
        file.write((scores.model_dump_json(indent=2) + "\n").encode())
    with whole_file(output / "confusion.png") as file:
        file.write(confusion_figure(scores.confusion))
    write_counts_report(scores, output / "score.html")
    for kind, found in scores.classes.items():
        shares = (found.precision, found.recall, found.f1)
        words = "  ".join(
            f"{name} {'none' if share is None else f'{share:.3f}'}"
            for name, share in zip(("precision", "recall", "F1"), shares, strict=True)
        )
        typer.echo(f"{kind:<10} {words}  of {found.support:,}")
    typer.echo(f"accuracy {scores.against_chance.accuracy:.4f} of {scores.confusion.total:,}")
    typer.echo(discrimination_text(scores.discrimination))
    typer.echo(f"\nWritten to {output}: score.json, score.html, confusion.png")


def _plan(**values: object) -> BlindTestPlan:
    try:
        return BlindTestPlan.model_validate(values)
    except ValidationError as error:
        first = error.errors()[0]
        raise UsageError(f"--{first['loc'][0]}: {first['msg']}, got {first['input']}") from error


def _choice(option: str, value: str, choices: tuple[str, ...]) -> str:
    if value not in choices:
        raise UsageError(f"--{option}: {value!r} is not one of {', '.join(choices)}")
    return value


def _table(scores: BlindTestScores) -> str:
    lines = [f"{'expert':<34}{'answered':>15}{'accuracy':>10}  {'95 % interval':<16}"]
    for one in [*scores.experts, *([scores.pooled] if scores.pooled else [])]:
        chance = one.against_chance
        lines.append(
            f"{one.name:<34}{f'{one.answered} of {one.asked}':>15}{chance.accuracy:>10.3f}  "
            f"{f'{chance.low:.3f} to {chance.high:.3f}':<16}{chance.direction}"
        )
    if scores.agreement is not None and scores.agreement.kappa is not None:
        found = scores.agreement
        lines.append(f"{found.measure} {found.kappa:.3f} on {found.images} images")
    return "\n".join(lines)
