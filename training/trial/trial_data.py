"""Which real images are trained on and which are scored: the split of the generator's training."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from endotwin.image_reading import DataError
from training.data.sources import Sources
from training.data.split import ImageFolder
from training.random_streams import Purpose, stream
from training.trial.annotated_images import AnnotatedImage, is_annotated, read_annotated
from training.trial.test_sets import (
    TestImage,
    TestSet,
    make_test_set,
    read_counted_images,
    with_digest_in,
)

VALIDATION_SHARE = 0.2
"""Share of the images, or of each image, on which it is judged whether a segmenter still gains."""

_FEWEST_TO_SPLIT = 5
"""With fewer images each is cut in two for that."""


@dataclass(frozen=True)
class TrainingSet:
    """Annotated training images of one source, and the source's share of the crops."""

    name: str
    weight: float
    images: list[AnnotatedImage]


@dataclass(frozen=True)
class TrialData:
    """Images to train on and images to score on.

    Attributes:
        training: of the sources; none if there are none.
        tests: what is scored on.
        own: annotated training images of test sets that are split, by the name of the set.
    """

    training: list[TrainingSet]
    tests: list[TestSet]
    own: dict[str, list[TrainingSet]] = field(default_factory=dict)

    @property
    def cell_area(self) -> float | None:
        """Median of the training images' mean cell areas, square pixels; None without any."""
        return median_cell_area(self.training) if self.training else None

    def with_first_tests(self, count: int) -> TrialData:
        """Return the same with at most `count` images of each test set."""
        return replace(self, tests=[chosen.first(count) for chosen in self.tests])

    def annotated_tests(self, name: str) -> list[AnnotatedImage]:
        """Return the annotated test images of a source."""
        return [
            image
            for chosen in self.tests
            if chosen.name == name
            for image in chosen.images
            if isinstance(image, AnnotatedImage)
        ]


def load_trial_data(sources: Sources) -> TrialData:
    """Read the annotated and counted images of a generator's sources, split as for its own training.

    The split is taken from `Sources.load`, over all images of a source, annotated or not: an image held out
    here was never seen by a generator trained on these sources. Images of which nothing is known are left
    out afterwards. Of counted images only those held out are read, as they were before curation.

    Args:
        sources: as the generator was trained with; images in `images`, beside `borders` and `cells`.

    Raises:
        DataError: images are missing or unreadable, or there is no held-out or no training image.
    """
    training, held = _split_images(sources)
    for role, found in (("to train on", training), ("held out", held)):
        if not found:
            raise DataError(
                f"no image {role} has a file in `borders` and in `cells`, in any of: "
                f"{', '.join(str(_root(folder)) for folder in sources.folders)}"
            )
    cell_area = median_cell_area(training)
    names = {chosen.name for chosen in training}
    # Images of the sources that are trained on are scored as they are.
    tests = [
        TestSet(name, images, 1.0, [image.pixels for image in images], cell_area)
        if name in names
        else make_test_set(name, images, cell_area)
        for name, images in held
    ]
    return TrialData(training, tests)


def load_split_tests(
    sources: Sources, wanted: float | None
) -> tuple[list[TestSet], dict[str, list[TrainingSet]]]:
    """Read what is held out of other sources as test sets, and their annotated training images.

    Args:
        sources: as a generator of their domain was trained with.
        wanted: see `make_test_set`.

    Raises:
        DataError: nothing is held out of which anything is known.
    """
    training, held = _split_images(sources)
    if not held:
        raise DataError(
            "nothing is known of any image held out of: "
            f"{', '.join(str(_root(folder)) for folder in sources.folders)}"
        )
    tests = [make_test_set(name, images, wanted) for name, images in held]
    return tests, {chosen.name: [chosen] for chosen in training}


def add_tests(data: TrialData, tests: Sequence[TestSet], own: dict[str, list[TrainingSet]]) -> TrialData:
    """Return the images with further test sets, and with annotated images of their domains.

    Raises:
        DataError: two sets have one name, or images of a set are trained on as one of the sources.
    """
    names = {chosen.name for chosen in data.tests}
    sources = {chosen.name for chosen in data.training}
    for test in tests:
        if test.name in sources:
            raise DataError(f"{test.name}: is one of the sources, so its images were partly trained on")
        if test.name in names:
            raise DataError(f"{test.name}: two test sets have this name")
    return TrialData(data.training, [*data.tests, *tests], data.own | own)


def present_folders(sources: Sources) -> tuple[Sources, list[str]]:
    """Return the sources that are there, and a line about each that is not.

    Raises:
        DataError: none is there.
    """
    absent = [
        (folder, path)
        for folder in sources.folders
        for path in (folder.path, folder.centres)
        if path is not None and not path.is_dir()
    ]
    gone = {folder.name for folder, _ in absent}
    there = tuple(folder for folder in sources.folders if folder.name not in gone)
    lines = [f"{folder.name}: skipped, {path} is not there" for folder, path in absent]
    if not there:
        raise DataError("no source is there:\n  " + "\n  ".join(lines))
    return replace(sources, folders=there), lines


def sources_below(sources: Sources, data: Path) -> Sources:
    """Return the same sources, each at `data/<name>`, where the originals of a counted one are, too."""
    folders = tuple(
        replace(folder, path=data / folder.name)
        if folder.centres is None
        else replace(folder, centres=data / folder.name)
        for folder in sources.folders
    )
    return replace(sources, folders=folders)


def few_images(training: Sequence[TrainingSet], count: int, seed: int) -> list[TrainingSet]:
    """Choose some annotated images at random, whichever source they are of; more hold the fewer.

    Args:
        training: the sources.
        count: 1 to the number of all images.
        seed: of the choice.

    Returns:
        The sources of which an image was chosen.
    """
    places = [(k, i) for k, chosen in enumerate(training) for i in range(len(chosen.images))]
    order = stream(seed, Purpose.TRIAL_CHOICE).permutation(len(places))[:count]
    few = {places[k] for k in order}
    found = [
        replace(chosen, images=[image for i, image in enumerate(chosen.images) if (k, i) in few])
        for k, chosen in enumerate(training)
    ]
    return [chosen for chosen in found if chosen.images]


def split_for_validation(
    training: Sequence[TrainingSet], seed: int
) -> tuple[list[TrainingSet], list[TrainingSet]]:
    """Split annotated images into those that are learned from and those that tell whether that still helps.

    A fifth of the images of each source, chosen by the seed; with fewer than five images of any source a
    fifth of each image's annotated area, at one end of its longer side.

    Returns:
        Training and validation.
    """
    if all(len(chosen.images) < _FEWEST_TO_SPLIT for chosen in training):
        return _cut_images(training)
    rng = stream(seed, Purpose.TRIAL_VALIDATION)
    learned: list[TrainingSet] = []
    judged: list[TrainingSet] = []
    for chosen in training:
        order = rng.permutation(len(chosen.images))
        # None of a source with one or two images.
        aside = set(order[: round(VALIDATION_SHARE * len(order))].tolist())
        for parts, inside in ((learned, False), (judged, True)):
            images = [image for k, image in enumerate(chosen.images) if (k in aside) is inside]
            if images:
                parts.append(replace(chosen, images=images))
    return learned, judged


def median_cell_area(training: Sequence[TrainingSet]) -> float:
    """Return the median of the images' mean cell areas, square pixels."""
    return float(np.median([image.cell_area for chosen in training for image in chosen.images]))


def training_digest(training: Sequence[TrainingSet]) -> str:
    """Return a digest of every image, its annotation and its share."""
    lines = [
        f"{chosen.name} {chosen.weight} {image.digest()}" for chosen in training for image in chosen.images
    ]
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def _cut_images(training: Sequence[TrainingSet]) -> tuple[list[TrainingSet], list[TrainingSet]]:
    parts: tuple[list[TrainingSet], list[TrainingSet]] = ([], [])
    for chosen in training:
        halves = [_cut(image) for image in chosen.images]
        for part, images in zip(parts, zip(*halves, strict=True), strict=True):
            part.append(replace(chosen, images=list(images)))
    return parts


def _cut(image: AnnotatedImage) -> tuple[AnnotatedImage, AnnotatedImage]:
    """Split the annotated area; the number of cells, which nothing is learned from, stays."""
    height, width = image.pixels.shape
    along = np.indices(image.pixels.shape)[0 if height >= width else 1]
    edge = np.quantile(along[image.area], 1 - VALIDATION_SHARE)
    return tuple(  # type: ignore[return-value]
        replace(image, area=image.area & part) for part in (along <= edge, along > edge)
    )


def _split_images(sources: Sources) -> tuple[list[TrainingSet], list[tuple[str, list[TestImage]]]]:
    """Return annotated training images, and annotated or counted images held out, by source."""
    dataset = sources.load()
    training: list[TrainingSet] = []
    held: list[tuple[str, list[TestImage]]] = []
    for folder in sources.folders:
        if folder.centres is not None:
            digests = {Path(image.file).stem for image in dataset.held_out if image.source == folder.name}
            counted = read_counted_images(folder.centres, with_digest_in(digests))
            held += [(folder.name, counted)] if counted else []
            continue
        root = _root(folder)
        kept, held_out = (
            [
                read_annotated(root, file)
                for file in sorted(image.file for image in images if image.source == folder.name)
                if is_annotated(root, file)
            ]
            for images in (dataset.training, dataset.held_out)
        )
        training += [TrainingSet(folder.name, folder.weight, kept)] if kept else []
        held += [(folder.name, [*held_out])] if held_out else []
    return training, held


def _root(folder: ImageFolder) -> Path:
    return folder.path.parent if folder.path.name == "images" else folder.path
