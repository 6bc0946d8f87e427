"""image(checkpoint, seed, index): the contract as code.

The network always runs one fixed batch shape, aligned to multiples of it in the index, and a caller gets
a slice. So an image's bytes depend neither on how many are asked for nor on where a request starts, nor on
what else is being generated. Where `Sampler.check` finds that an image depends neither on its place in the
batch nor on the others in it, the batch may hold images of any seeds and indices instead, and the bytes are
the same.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, replace

import numpy as np
import torch

from endotwin.field_size import STANDARD
from endotwin.generator.architectures import to_grey_levels
from endotwin.generator.batch import Batch, BatchMaker, images_at_once
from endotwin.generator.checkpoint import Checkpoint
from endotwin.generator.device import describe_device, whole_images_per_thread
from endotwin.generator.labelled import LabelledGenerator
from endotwin.generator.latents import draw_normals
from endotwin.image_range import BATCH, ImageRange
from endotwin.mosaic.expert_hand import Hand, conditions_of_image
from endotwin.mosaic.parameters import Conditions
from endotwin.mosaic.scene import Rendered, Scene


class NotLabelledError(TypeError):
    """Labels or conditions were asked of a checkpoint that has none."""


@dataclass(frozen=True)
class Drawing:
    """What is drawn before the network runs.

    Attributes:
        range: the images that are wanted.
        draws: float32 (rows, draws) standard normal: of these images, or of the aligned batch they are in.
        scenes: of a labelled model, one per row; else none.
    """

    range: ImageRange
    draws: np.ndarray
    scenes: Sequence[Scene]


_CHECKED = 4
_PLACES = np.stack([np.arange(BATCH) % _CHECKED, np.arange(BATCH) // _CHECKED])
"""Which of the `_CHECKED` images are where in the two batches of `Sampler.check`: every place of a batch is
compared with every other one, and the neighbours change."""


class Sampler:
    """Generate images of one checkpoint on one device. Use it from one thread; `draw` alone from any.

    Attributes:
        checkpoint: whose images.
        device: that the network runs on.
        independent: whether an image is known to depend on nothing else in its batch; see `check`.
    """

    def __init__(self, checkpoint: Checkpoint, device: str = "cpu", threads: int | None = None) -> None:
        """Move the checkpoint's generator to a device.

        Args:
            checkpoint: as loaded.
            device: a torch device such as cpu or cuda.
            threads: most CPU threads that the network uses; default: what torch would use.
        """
        self.checkpoint = checkpoint
        self._threads = threads
        self.device = torch.device(device)
        self.independent = False
        self._generator = checkpoint.generator.to(self.device).to(memory_format=torch.channels_last)
        if self.device.type == "cuda":
            # TF32 and algorithm search would make bytes depend on the card and on chance.
            torch.backends.cuda.matmul.allow_tf32 = False
            torch.backends.cudnn.allow_tf32 = False
            torch.backends.cudnn.benchmark = False
            torch.backends.cudnn.deterministic = True

    @property
    def has_labels(self) -> bool:
        """Whether the checkpoint's images come with labels and take conditions."""
        return isinstance(self._generator, LabelledGenerator)

    def images(self, seed: int, count: int, start: int = 0) -> np.ndarray:
        """Return images start to start + count - 1 of a seed.

        Args:
            seed: 0 to 2**64 - 1.
            count: at least 1.
            start: index of the first image, 0 to 2**53 - 1.

        Returns:
            uint8 grey levels, shape (count, 128, 128).

        Raises:
            ImageRangeError: a number is out of range.
        """
        return np.concatenate([batch.images for batch in self.batches(ImageRange(seed, start, count))])

    def batches(self, images: ImageRange, conditions: Conditions | None = None) -> Iterator[Batch]:
        """Yield the batches of a range in order; see `batch`."""
        return (self.batch(part, conditions) for part in images.parts(images_at_once(conditions)))

    def batch(self, part: ImageRange, conditions: Conditions | None = None) -> Batch:
        """Generate images of one aligned batch.

        image(checkpoint, seed, index, conditions) is a pure function as well, and without a condition it is
        image(checkpoint, seed, index).

        Args:
            part: one of `ImageRange.parts(images_at_once(conditions))`.
            conditions: what every image meets, of a labelled model; None for nothing.

        Raises:
            NotLabelledError: conditions are given and the checkpoint takes none.
        """
        return self.render([self.draw(part, conditions)])[0]

    def rows(self, part: ImageRange, conditions: Conditions | None = None) -> int:
        """Return how many of the `BATCH` rows of a run the images of one aligned batch take.

        Images of another size than 128 × 128 take all, as they run one by one.
        """
        return part.count if self.independent and not _is_large(conditions) else BATCH

    def draw(
        self,
        part: ImageRange,
        conditions: Conditions | None = None,
        before_each: Callable[[], None] = lambda: None,
    ) -> Drawing:
        """Do the part of `batch` that needs no device; `before_each` is called before each scene.

        Raises:
            NotLabelledError: as for `batch`.
        """
        aligned = ImageRange(part.seed, part.start - part.start % BATCH, BATCH)
        rows = part if self.independent or _is_large(conditions) else aligned
        return Drawing(part, *self._draw(rows, conditions, before_each))

    def _draw(
        self, rows: ImageRange, conditions: Conditions | None, before_each: Callable[[], None]
    ) -> tuple[np.ndarray, Sequence[Scene]]:
        if isinstance(self._generator, LabelledGenerator):
            asked = conditions or Conditions()
            if asked.clarity is not None and not self._generator.architecture.instruments:
                raise NotLabelledError(
                    f"{self.checkpoint.card.name} does not set the clarity of its images"
                )
            draws = self._generator.draw_numbers(rows, asked.appearance, size=asked.size)
            if asked.expert_hand:
                return draws, _draw_for_experts(self._generator, rows, draws, asked, before_each)
            return draws, self._generator.draw_scenes(draws, asked, before_each)
        if conditions is not None:
            raise NotLabelledError(f"{self.checkpoint.card.name} has no labels and takes no conditions")
        return draw_normals(rows, self._generator.draws), ()

    def render(self, drawings: Sequence[Drawing]) -> list[Batch]:
        """Do the rest of `batch`: run the network once.

        Args:
            drawings: of this sampler, with at most `BATCH` rows in all; see `rows`.

        Returns:
            A batch for each of them.
        """
        if any(scene.mosaic.size != STANDARD for drawing in drawings for scene in drawing.scenes):
            return [self._render_large(drawing) for drawing in drawings]
        draws = np.concatenate([drawing.draws for drawing in drawings])
        grey = self.run(draws, [scene for drawing in drawings for scene in drawing.scenes])
        batches = []
        at = 0
        for drawing in drawings:
            first = drawing.range.start % BATCH if len(drawing.draws) > drawing.range.count else 0
            images = grey[at + first : at + first + drawing.range.count]
            batches.append(
                Batch(drawing.range, images, drawing.scenes[first : first + drawing.range.count])
            )
            at += len(drawing.draws)
        return batches

    def run(self, draws: np.ndarray, scenes: Sequence[Rendered]) -> np.ndarray:
        """Run the network once.

        Args:
            draws: float32 (rows, draws) standard normal, 1 to `BATCH` rows.
            scenes: of a labelled model, one per row; else none.

        Returns:
            uint8 grey levels (rows, 128, 128).
        """
        # Rows that nobody wants repeat the others.
        images = self._run(draws, scenes, np.arange(BATCH) % len(draws))
        grey: np.ndarray = to_grey_levels(images).cpu().numpy()[: len(draws)]
        return grey

    def _render_large(self, drawing: Drawing) -> Batch:
        """Run the network for one image after the other: memory stays near that of a batch of 128 × 128."""
        images = [
            to_grey_levels(self._run(drawing.draws[row : row + 1], [scene], np.zeros(1, np.int64)))
            for row, scene in enumerate(drawing.scenes)
        ]
        return Batch(drawing.range, torch.cat(images).cpu().numpy(), drawing.scenes)

    def try_out(self, rows: int = BATCH) -> str:
        """Run the network once, so that whatever is wrong with it shows now.

        Args:
            rows: of the batch. One does, where only that it runs is of interest.

        Returns:
            A digest of the images: devices that make the same bytes return the same one.
        """
        draws, scenes = self._draw(ImageRange(0, 0, min(rows, _CHECKED)), None, lambda: None)
        images = self._run(draws, scenes, _PLACES[0][:rows])
        return hashlib.sha256(to_grey_levels(images).cpu().numpy().tobytes()).hexdigest()

    def check(self) -> None:
        """Run the network twice, and find out whether an image depends on anything else in its batch.

        From then on `independent` says so. Until then, and where one does, every run makes a whole aligned
        batch, which has the same bytes.
        """
        draws, scenes = self._draw(ImageRange(0, 0, _CHECKED), None, lambda: None)
        images = torch.cat([self._run(draws, scenes, places) for places in _PLACES])
        self.independent = torch.equal(images, images[:_CHECKED][torch.from_numpy(_PLACES.ravel())])

    def _run(self, draws: np.ndarray, scenes: Sequence[Rendered], places: np.ndarray) -> torch.Tensor:
        """Run the network; row i shows what row places[i] of the draws does.

        Returns:
            Images (len(places), 1, H, W) in -1..1, on the device.
        """
        rows = torch.from_numpy(draws[places]).to(self.device)
        with torch.inference_mode(), whole_images_per_thread(self._threads):
            if isinstance(self._generator, LabelledGenerator):
                return self._generator.render_scenes(rows, [scenes[row] for row in places])
            images: torch.Tensor = self._generator(rows)
            return images


def _is_large(conditions: Conditions | None) -> bool:
    return conditions is not None and conditions.size != STANDARD


def _draw_for_experts(
    generator: LabelledGenerator,
    rows: ImageRange,
    draws: np.ndarray,
    asked: Conditions,
    before_each: Callable[[], None],
) -> list[Scene]:
    """Draw the scenes of images whose labels an expert draws; see `endotwin.mosaic.expert_hand`."""
    scenes = []
    for at, index in enumerate(rows.indices):
        conditions = conditions_of_image(asked, index)
        [scene] = generator.draw_scenes(draws[at : at + 1], conditions, before_each)
        scenes.append(replace(scene, hand=Hand(rows.seed, index)))
    return scenes


def sampler_in(thread: Executor, checkpoint: Checkpoint, device: torch.device) -> BatchMaker:
    """Move a checkpoint to a device, for a thread to generate on.

    Args:
        thread: one thread. To be fast on a CPU the checkpoint is loaded in it, too: torch keeps a team of
            OpenMP threads for every thread that ever used it, and two teams compete for the cores.
        checkpoint: as loaded.
        device: to generate on.
    """
    sampler = thread.submit(Sampler, checkpoint, str(device)).result()
    return BatchMaker(sampler.batch, thread, describe_device(device))
