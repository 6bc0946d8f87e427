"""What was found about memorisation: numbers only, no image and no file name."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

Verdict = Literal["no copies found", "look at the pairs", "copies training images", "cannot be told"]


class _Record(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Similarities(_Record):
    """Similarities of many images to their nearest crops."""

    count: int = Field(ge=1, description="images")
    quantiles: dict[str, float] = Field(description="by share of the images that are below, in percent")
    histogram: tuple[int, ...] = Field(description="images per bin of width 0.02, from 0 to 1")


class Preference(_Record):
    """Whether generated images are nearer to training images than to as many held-out images.

    Of each source as many training as held-out images are drawn, again and again, so both sides offer about
    the same number of crops. A generator that does not prefer its training images is at one half, give or
    take the chance of which few images are on which side.
    """

    images: int = Field(ge=1, description="images on either side")
    draws: int = Field(ge=1, description="draws of images")
    nearer_to_training: float = Field(
        ge=0, le=1, description="share of generated images nearer to training, mean over the draws"
    )
    luck_low: float = Field(
        ge=0, le=1, description="of training against other training images 2.5 % of the shares are lower"
    )
    luck_high: float = Field(ge=0, le=1, description="2.5 % of them are higher")
    similarity_difference: float = Field(
        description="similarity to training minus that to held-out images, mean over images and draws"
    )


class NearestPair(_Record):
    """A generated image and its nearest training crop."""

    index: int = Field(ge=0, description="of the generated image, in the order they were given")
    similarity: float = Field(description="to the nearest training crop")
    held_out_similarity: float = Field(description="to the nearest held-out crop")
    source: str = Field(description="name of the training image's folder")
    image: int = Field(ge=0, description="the training image, counted in the order of the data set")
    top: int = Field(ge=0, description="first row of the crop in the training image, not mirrored")
    left: int = Field(ge=0, description="first column")
    mirrored: Literal["no", "left-right", "up-down", "both"] = Field(
        description="how the crop is mirrored to look like the generated image"
    )


class Memorisation(_Record):
    """Whether generated images copy training crops. Similarity is 1 for a copy, about 0.3 by chance."""

    method: str
    seed: int = Field(description="of the held-out crops")
    training_images: int = Field(ge=1)
    held_out_images: int = Field(ge=1, description="held-out images compared with")
    held_out_overlapping: int = Field(
        ge=0, description="held-out images left out, as they show places of training images"
    )
    training_crops: int = Field(ge=1, description="crops compared: places times mirrorings")
    held_out_crops: int = Field(ge=1)
    generated_training: Similarities
    generated_held_out: Similarities
    control: Similarities = Field(
        description="as many held-out crops as generated images, to their nearest training crops"
    )
    threshold: float = Field(description="largest similarity of the control")
    beyond: int = Field(ge=0, description="generated images above the threshold")
    share_beyond: float = Field(ge=0, le=1)
    copies: int = Field(ge=0, description="those of them that are as similar as copies are, above 0.6")
    preference: Preference | None = Field(
        description="None where no source has a held-out and two training images"
    )
    verdict: Verdict
    sentence: str = Field(description="the verdict for a person, with its numbers")
    nearest: tuple[NearestPair, ...] = Field(description="the ten nearest pairs, nearest first")
