"""The report's section on memorisation: nearest crops beside those of held-out images."""

from __future__ import annotations

import html
from dataclasses import dataclass

from training.scores.html_page import figure, table
from training.scores.memorisation_record import Memorisation, Similarities

_SHOWN = ("50", "95", "99", "100")


@dataclass(frozen=True)
class CopyPictures:
    """PNGs of the section.

    Attributes:
        similarities: their distributions.
        nearest: the generated images that are nearest to a training crop.
        pairs: the same images beside their crops, which are real; None where those must not be shown.
    """

    similarities: bytes
    nearest: bytes
    pairs: bytes | None


def memorisation_section(found: Memorisation, pictures: CopyPictures) -> str:
    """Return what was found as HTML."""
    rows = [
        _row("generated images, to training crops", found.generated_training),
        _row("held-out crops, to training crops (the control)", found.control),
        _row("generated images, to held-out crops", found.generated_held_out),
    ]
    return "".join(
        (
            "<h2>Memorisation</h2>",
            f"<p><b>{html.escape(found.sentence)}</b></p>",
            "<p>For every generated image the nearest training crop is searched, over every place and "
            "mirroring. Real held-out images have nearest training crops, too; only what is nearer than "
            "theirs ever are tells of copies. The first line should look like the second. The third "
            "is lower only because there are fewer images to be near to "
            f"({found.held_out_images} instead of {found.training_images}).{_preference(found)}</p>",
            table(
                ["similarity, 1 for a copy", "images", "median", "95 %", "99 %", "nearest"],
                rows,
                label="Similarity to the nearest crop",
            ),
            figure(pictures.similarities, "Similarities to the nearest crop.", "histograms"),
            _pairs(found, pictures),
            f"<p>{html.escape(found.method)} {found.training_crops:,} training and "
            f"{found.held_out_crops:,} held-out crops; seed {found.seed}.</p>",
        )
    )


def _row(name: str, found: Similarities) -> list[str]:
    return [name, f"{found.count:,}", *(f"{found.quantiles[share]:.3f}" for share in _SHOWN)]


def _preference(found: Memorisation) -> str:
    preference = found.preference
    if preference is None:
        return ""
    return (
        f" At equal numbers ({preference.images} images on either side, {preference.draws} draws) "
        f"{preference.nearer_to_training:.0%} of the generated images are nearer to training images; "
        f"{preference.luck_low:.0%} to {preference.luck_high:.0%} come about by which images are drawn."
    )


def _pairs(found: Memorisation, pictures: CopyPictures) -> str:
    told = ", ".join(f"{pair.index} ({pair.similarity:.2f})" for pair in found.nearest)
    if pictures.pairs is not None:
        return figure(
            pictures.pairs,
            f"The nearest pairs: generated image, and its training crop. Index (similarity): {told}.",
            "generated images beside their nearest training crops",
            "scroll wide",
        )
    return figure(
        pictures.nearest,
        f"The generated images that are nearest to a training crop. Index (similarity): {told}. The crops "
        "beside them are real images and are shown with --show-real only.",
        "generated images",
        "scroll wide",
    )
