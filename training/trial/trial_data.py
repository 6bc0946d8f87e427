"""Which real images are trained on and which are scored: the split of the generator's training."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from training.data.read import DataError
from training.data.sources import Sources
from training.data.split import ImageFolder
from training.trial.annotated_images import AnnotatedImage, is_annotated, read_annotated, read_foreign

_CHOICE_SEED = 0


@dataclass(frozen=True)
class TrainingSet:
    """Annotated training images of one source, and the source's share of the crops."""

    name: str
    weight: float
    images: list[AnnotatedImage]


@dataclass(frozen=True)
class TestSet:
    """Annotated images that no network here was trained on.

    Attributes:
        name: of the folder.
        images: at least one.
        factor: by which the images were resized, 1 for the modality trained on.
    """

    __test__ = False  # pytest takes its name for a class of tests

    name: str
    images: list[AnnotatedImage]
    factor: float = 1.0


@dataclass(frozen=True)
class TrialData:
    """Images to train on and images to score on."""

    training: list[TrainingSet]
    tests: list[TestSet]

    def digest(self) -> str:
        """Return a digest of every image, its annotation and its role."""
        parts = [
            f"training {chosen.name} {chosen.weight} {image.digest()}"
            for chosen in self.training
            for image in chosen.images
        ] + [f"test {chosen.name} {image.digest()}" for chosen in self.tests for image in chosen.images]
        return hashlib.sha256("\n".join(parts).encode()).hexdigest()

    def with_few(self, count: int) -> TrialData:
        """Return the same tests with at most `count` training images of each source, chosen at random.

        The choice is the same every time, and one of more images holds that of fewer.
        """
        few = []
        for chosen in self.training:
            order = np.random.default_rng(_CHOICE_SEED).permutation(len(chosen.images))
            few.append(replace(chosen, images=[chosen.images[i] for i in sorted(order[:count])]))
        return TrialData(few, self.tests)

    def with_tests(self) -> TrialData:
        """Return the same tests with the test images of each training source among its training images."""
        tests = {chosen.name: chosen.images for chosen in self.tests}
        training = [
            replace(chosen, images=[*chosen.images, *tests.get(chosen.name, ())])
            for chosen in self.training
        ]
        return TrialData(training, self.tests)


def load_trial_data(sources: Sources, foreign: Sequence[Path] = ()) -> TrialData:
    """Read the annotated images of a generator's sources, split as for the generator's own training.

    The split is taken from `Sources.load`, over all images of a source, annotated or not: an image held out
    here was never seen by a generator trained on these sources. Images without `borders` and `cells` are
    left out afterwards.

    Args:
        sources: as the generator was trained with; images in `images`, beside `borders` and `cells`.
        foreign: annotated folders of other modalities, of which every image is a test image.

    Raises:
        DataError: images are missing or unreadable, a held-out or a training image is lacking altogether,
            or a foreign folder is one of the sources.
    """
    dataset = sources.load()
    training: list[TrainingSet] = []
    tests: list[TestSet] = []
    for folder in sources.folders:
        root = _root(folder)
        kept, held = (
            [
                read_annotated(root, file)
                for file in sorted(image.file for image in images if image.source == folder.name)
                if is_annotated(root, file)
            ]
            for images in (dataset.training, dataset.held_out)
        )
        if kept:
            training.append(TrainingSet(folder.name, folder.weight, kept))
        if held:
            tests.append(TestSet(folder.name, held))
    for role, found in (("to train on", training), ("held out", tests)):
        if not found:
            raise DataError(
                f"no image {role} has a file in `borders` and in `cells`, in any of: "
                f"{', '.join(str(_root(folder)) for folder in sources.folders)}"
            )
    cell_area = float(np.median([image.cell_area for chosen in training for image in chosen.images]))
    for path in foreign:
        if path.name in {folder.name for folder in sources.folders}:
            raise DataError(f"{path}: is one of the sources, so its images were partly trained on")
        tests.append(TestSet(path.name, *read_foreign(path, cell_area)))
    return TrialData(training, tests)


def sources_below(sources: Sources, data: Path) -> Sources:
    """Return the same sources, each at `data/<name>`."""
    folders = tuple(replace(folder, path=data / folder.name) for folder in sources.folders)
    return replace(sources, folders=folders)


def _root(folder: ImageFolder) -> Path:
    return folder.path.parent if folder.path.name == "images" else folder.path
