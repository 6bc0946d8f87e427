"""`endotwin-training adapt`, stage by stage. Wherever a session ends, the next one goes on."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

from endotwin.files import whole_file
from endotwin.generator.card import Card, MemorisationSummary
from endotwin.generator.checkpoint import Checkpoint, load_checkpoint, save_checkpoint
from endotwin.generator.labelled import LabelledArchitecture
from training.adapt.card import adapted_card
from training.adapt.images import load_training_images, write_training_images
from training.adapt.learning import begun_or, fastest_precision, learn, settings_of
from training.adapt.memorisation import measure_and_report
from training.adapt.plan import Plan, make_plan
from training.adapt.request import FEWEST_IMAGES, AdaptError, AdaptRequest
from training.adapt.sheet import first_batch, write_sheet
from training.adapt.words import found_in_words, plan_in_words
from training.adapt.work_folder import WorkFolder
from training.curation.groups import Together
from training.curation.report import write_curation_report
from training.curation.run import IMAGES, CurationSettings, curate
from training.curation.thresholds import read_thresholds
from training.curation.worker_pool import available_cores
from training.learning.run_folder import RunFolder
from training.learning.trainer import Trainer
from training.population.folder import measure_folder
from training.population.population import summarise
from training.progress import shown_steps
from training.scores.border_displacement import measure_labels
from training.scores.duration import in_words, scoring_seconds
from training.scores.evaluation import evaluate
from training.scores.request import RECORD_MINIMUM, InceptionError

_WARN_BELOW = 10


def adapt(request: AdaptRequest, say: Callable[[str], None], *, dry_run: bool) -> None:
    """Make a checkpoint of a folder of images.

    Args:
        request: what is asked.
        say: prints a line.
        dry_run: end before the training, with what was found and what would be done.

    Raises:
        AdaptError: the images cannot be used, or a value has to be given.
        DataError: the folder has no images that can be read.
        OutputError: the output must not be written.
    """
    work = WorkFolder(request.output)
    work.open(request.output)
    beginning = _beginning(request.start)
    images = _curate(request, work, say)
    found = summarise(measure_folder(images, work.measured))
    plan = make_plan(found, request.given)
    folder = work.training_images(request.name, plan.scale)
    left_out = write_training_images(work.curation / IMAGES, images, folder, plan.scale)
    dataset = load_training_images(folder, plan, request.terms, together=request.together is not None)
    say(found_in_words(found, plan, dataset, left_out))

    architecture = beginning.card.architecture
    assert isinstance(architecture, LabelledArchitecture)
    chosen = settings_of(
        request.name,
        plan.architecture(architecture, request.name),
        beginning,
        fastest_precision(request.device),
    )
    settings = begun_or(chosen, work.runs, dataset.digest)
    run = RunFolder.of(work.runs, settings, dataset.digest)
    run.write_text("settings.json", settings.model_dump_json(indent=2) + "\n")
    trainer = Trainer(settings, dataset, run, request.device, beginning=beginning)
    scoring = _scoring_seconds(request, trainer, plan, say)
    left = _seconds_left(request, work, trainer)
    say(plan_in_words(request, plan, dataset, trainer, beginning.card, left, scoring))
    if len(dataset.training) + len(dataset.held_out) < _WARN_BELOW:
        say(
            f"Few images: with fewer than {_WARN_BELOW} the generator repeats what they show; look at the "
            "memorisation report before you use or share what comes out"
        )
    if dry_run:
        say("Nothing was trained (--dry-run)")
        return

    def show() -> None:
        trainer.save()
        checkpoint = _save(request, trainer, plan)
        write_sheet(work.sheet, first_batch(checkpoint, trainer.device), dataset)

    if left > 0.0:
        learned = learn(trainer, left, show)
        show()
        if not learned.complete:
            say(
                f"Stopped after {learned.images:,} images. {request.output} is usable as it is (unscored); "
                "the same command goes on"
            )
            return
    else:
        show()
    with whole_file(work.trained) as file:
        file.write(json.dumps({"run": run.path.name, "hours": request.hours}).encode())
    say(f"Trained: {work.sheet} shows real crops above what {request.output} draws (unscored so far)")
    copies = measure_and_report(_save(request, trainer, plan), dataset, work.memorisation)
    say(f"Memorisation: {copies.sentence}")
    _save(request, trainer, plan, copies.summary)
    if scoring is not None:
        _score(request, trainer, plan, copies.summary, scoring, say)
    _say_end(request, plan, say)


def _beginning(path: Path) -> Checkpoint:
    checkpoint = load_checkpoint(path, require_fid=False)
    if not isinstance(checkpoint.card.architecture, LabelledArchitecture):
        raise AdaptError(f"{path}: has no labels; start from a labelled checkpoint")
    return checkpoint


def _curate(request: AdaptRequest, work: WorkFolder, say: Callable[[str], None]) -> list[Path]:
    """Curate the folder and return the kept images."""
    together = None if request.together is None else Together.parse(request.together)
    settings = CurationSettings(read_thresholds(None), False, available_cores(), together=together)
    curation = curate(request.images, work.curation, settings, shown_steps)
    report = write_curation_report(curation, work.curation)
    counts = {reason: count for reason, count in curation.summary.counts.items() if count}
    found, kept = counts.pop("found"), counts.pop("kept", 0)
    counts.pop("kept by hand", None)
    dropped = ", ".join(f"{count} {reason}" for reason, count in counts.items()) or "none dropped"
    say(f"Curated  {kept} of {found} files kept ({dropped}); look at {report}")
    if kept < FEWEST_IMAGES:
        why = (
            f"{kept or 'no'} image{'s' if kept > 1 else ''} of {request.images} can be used, and at least "
            f"{FEWEST_IMAGES} different ones are needed"
        )
        if kept:
            why += (
                ": one is held out as a control, and a generator that has seen only one other image "
                "copies it (memorisation)"
            )
        raise AdaptError(
            f"{why}. {report} shows why each file was dropped; {work.curation / 'overrides.txt'} keeps any"
        )
    return sorted((work.curation / IMAGES).rglob("*.png"))


def _scoring_seconds(
    request: AdaptRequest, trainer: Trainer, plan: Plan, say: Callable[[str], None]
) -> float | None:
    """Estimate the score's time; None without a score."""
    if not request.score:
        return None
    unscored = Checkpoint(trainer.average, _card(request, trainer, plan, None), request.output)
    try:
        return scoring_seconds(
            unscored,
            trainer.dataset,
            count=RECORD_MINIMUM,
            device=trainer.device,
            inception=request.inception,
        )
    except InceptionError as error:
        say(f"No score: {error}. The checkpoint will be unscored")
        return None


def _seconds_left(request: AdaptRequest, work: WorkFolder, trainer: Trainer) -> float:
    if work.trained.exists():
        done = json.loads(work.trained.read_text(encoding="utf-8"))
        if done["run"] == trainer.folder.path.name and done["hours"] >= request.hours and trainer.images:
            return 0.0
    return max(0.0, request.hours * 3600.0 - trainer.seconds)


def _card(
    request: AdaptRequest, trainer: Trainer, plan: Plan, memorisation: MemorisationSummary | None
) -> Card:
    return adapted_card(trainer, plan, request.terms, memorisation)


def _save(
    request: AdaptRequest, trainer: Trainer, plan: Plan, memorisation: MemorisationSummary | None = None
) -> Checkpoint:
    """Write the checkpoint as it is, unscored."""
    card = _card(request, trainer, plan, memorisation)
    save_checkpoint(request.output, trainer.average, card, unscored=True)
    return Checkpoint(trainer.average, card, request.output)


def _score(
    request: AdaptRequest,
    trainer: Trainer,
    plan: Plan,
    memorisation: MemorisationSummary | None,
    seconds: float,
    say: Callable[[str], None],
) -> None:
    say(f"Scoring {RECORD_MINIMUM} against {RECORD_MINIMUM} images: about {in_words(seconds)}")
    card = _card(request, trainer, plan, memorisation)
    checkpoint = Checkpoint(trainer.average, card, request.output)
    fid, statistics = evaluate(
        checkpoint,
        trainer.dataset,
        count=RECORD_MINIMUM,
        device=trainer.device,
        inception=request.inception,
    )
    labels = measure_labels(checkpoint, device=trainer.device)
    scored = adapted_card(trainer, plan, request.terms, memorisation, scored=True)
    scored = scored.model_copy(update={"fid": fid, "statistics": statistics, "labels": labels})
    save_checkpoint(request.output, trainer.average, scored)
    say(f"FID {fid.generated_training.fid:.2f} (real against real {fid.real_real.fid:.2f})")


def _say_end(request: AdaptRequest, plan: Plan, say: Callable[[str], None]) -> None:
    pixel_size = "" if plan.pixel_size is None else f" --pixel-size {plan.pixel_size:.3g}"
    say(
        f"Done: endotwin generate --n 500 --seed 7 --labels borders,instances{pixel_size} "
        f"--checkpoint {request.output} -o images"
    )
