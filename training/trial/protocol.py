"""The part of the method that no option changes, in words: results are only compared under the same one."""

from __future__ import annotations

from training.trial import cells, experts_hand, scores, segmenter
from training.trial.labelled_source import BLOCK
from training.trial.settings import SYNTHETIC_SHARE


def protocol() -> str:
    """Return in words what is done the same way for every arm and every image."""
    return (
        f"MONAI BasicUNet, features {segmenter.FEATURES}; batches of {BLOCK} crops of 128 × 128, each "
        "standardised; binary cross-entropy plus 1 - soft Dice in the annotated area; target: borders "
        "three pixels wide; Adam, one-cycle rate; turns, flips, blotches, patches of other contrast, "
        "gamma, contrast, brightness, blur and noise; synthetic borders displaced as by hand, by "
        f"{experts_hand.WAVER:g} px smooth over {experts_hand.WAVER_SIZE:g} px and "
        f"{experts_hand.SHIFT:g} px as a whole (standard deviations along each axis). "
        f"synthetic-then-real: the first {SYNTHETIC_SHARE:.3f} of the steps synthetic. "
        f"Prediction in windows of 128 overlapping by {segmenter.OVERLAP:g}. Overlap: probability at least "
        f"{scores.THRESHOLD:g}, thinned to lines, dilated 3 × 3, as the expert's, in the annotated area. "
        f"Cells: watershed on the probability blurred by {cells.SMOOTHING:g} px, basins at least "
        f"{cells.DEPTH:g} deep, counted if {cells.SHARE_INSIDE:g} of them lies in the annotated area, the "
        "same for the expert's borders; hexagonality of the cells whose neighbours all count."
    )
