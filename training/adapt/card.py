"""The card of an adapted checkpoint."""

from __future__ import annotations

from endotwin.generator.card import Adaptation, Card, MemorisationSummary
from endotwin.image_range import IMAGE_SIZE
from training.adapt.plan import Plan
from training.adapt.request import Terms
from training.learning.recording import make_card
from training.learning.trainer import Trainer

_METHOD = (
    "Without annotation: borders by a network trained on annotated images of other instruments, at the "
    "size at which it reads most cells; cells by watershed. Errors: the largest on annotated sets of "
    "instruments that the network had not seen (docs/your-microscope.md)."
)


def adapted_card(
    trainer: Trainer,
    plan: Plan,
    terms: Terms,
    memorisation: MemorisationSummary | None,
    *,
    scored: bool = False,
) -> Card:
    """Describe an adaptation as it stands, without its scores.

    Args:
        trainer: the run.
        plan: what was measured.
        terms: of the images.
        memorisation: None while it is not measured.
        scored: whether an FID will be added; else the description says that there is none.
    """
    card = make_card(trainer)
    learned_from = len(trainer.dataset.training)
    images = learned_from + len(trainer.dataset.held_out)
    mark = "" if scored else " Unscored: nobody has measured how real they look."
    return card.model_copy(
        update={
            "description": (
                f"Synthetic {terms.modality} images of the corneal endothelium, "
                f"{IMAGE_SIZE} × {IMAGE_SIZE}, adapted to {images} images that nobody annotated; "
                f"for research, not for diagnosis.{mark}"
            ),
            "adaptation": Adaptation(
                modality=terms.modality,
                images=images,
                scale=plan.scale,
                pixel_size=plan.pixel_size,
                measured=plan.values,
                method=_METHOD,
                memorisation=memorisation,
                warning=f"Learned from {learned_from} images: so few can be copied; see memorisation",
            ),
        }
    )
