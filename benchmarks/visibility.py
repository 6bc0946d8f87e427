"""How well the reader of visibility agrees with experts and with a reader of centres, on held-out images.

python -m benchmarks.visibility --data ../shared/data
python -m benchmarks.visibility --data ../shared/data --fit endotwin/mosaic/visibility.safetensors
"""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from endotwin.mosaic.visibility import STEP, load_reader
from training.learning.visibility import (
    CLINIC,
    EXPERTS,
    ReadImage,
    fit,
    read_images,
    set_threshold,
    write_reader,
)

_NOTHING = 0.05
"""An image in which less than this share is read as visible counts as one in which nothing is."""


def agreement(images: Sequence[ReadImage]) -> dict[str, float]:
    """Compare what is read with what is known, pixel by pixel, all images together.

    Returns:
        `precision`, `recall` and `iou` where it is known what is visible; `iou_of_all`, if everything were
        called visible; `whole_iou` on all pixels, where what was not drawn counts as not visible.
    """
    both = read_only = known_only = known_pixels = both_anywhere = either_anywhere = 0
    for image in images:
        height, width = (size - size % STEP for size in image.pixels.shape)
        read = load_reader().read(image.pixels[:height, :width])
        visible, known = image.visible[:height, :width], image.known[:height, :width]
        both += int((read & visible & known).sum())
        read_only += int((read & ~visible & known).sum())
        known_pixels += int(known.sum())
        known_only += int((~read & visible & known).sum())
        both_anywhere += int((read & visible).sum())
        either_anywhere += int((read | visible).sum())
    return {
        "precision": both / max(both + read_only, 1),
        "recall": both / max(both + known_only, 1),
        "iou": both / max(both + read_only + known_only, 1),
        "iou_of_all": (both + known_only) / max(known_pixels, 1),
        "whole_iou": both_anywhere / max(either_anywhere, 1),
    }


def read_share(image: ReadImage) -> float:
    """Return the share of an image that is read as visible."""
    height, width = (size - size % STEP for size in image.pixels.shape)
    return float(load_reader().read(image.pixels[:height, :width]).mean())


def main() -> None:
    """Print a Markdown table, after fitting a reader anew if that is asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder with gavet, cwru, …, clinic")
    parser.add_argument("--fit", type=Path, help="train a reader and write it here")
    parser.add_argument("--steps", type=int, default=4000)
    arguments = parser.parse_args()
    images = read_images(arguments.data)
    if arguments.fit is not None:
        card: dict[str, object] = {
            "learned_from": Counter(i.source for i in images if not i.held_out),
            "terms": "borders: gavet, alizarine and confocal for research with citation, cwru MIT, strip "
            "not stated; centres of clinic: not stated; no image can be had back from these numbers",
            "steps": arguments.steps,
            "trained": datetime.now(UTC).date().isoformat(),
        }
        network = fit(images, arguments.steps)
        card["threshold"] = set_threshold(network, images)
        write_reader(network, arguments.fit, card)
        load_reader.cache_clear()
    print("| held out | images | precision | recall | IoU | IoU of all | IoU on the whole image |")
    print("|---|---|---|---|---|---|---|")
    for source in (*EXPERTS, CLINIC):
        held = [i for i in images if i.source == source and i.held_out]
        seen = [i for i in held if i.visible.any()]
        found = agreement(seen)
        print(f"| {source} | {len(seen)} | {' | '.join(f'{value:.3f}' for value in found.values())} |")
        if nothing := [i for i in held if not i.visible.any()]:
            empty = sum(read_share(i) < _NOTHING for i in nothing)
            print(f"\n{source}: in {empty} of {len(nothing)} images without a cell nothing is read.\n")


if __name__ == "__main__":
    main()
