"""The cornea's endothelium by age: a prior from published norms of healthy adults.

Bourne, Nelson and Hodge, "Central corneal endothelial cell changes over a ten-year period", Investigative
Ophthalmology & Visual Science 38(3), 1997, 779-782: 42 adults followed for 10.6 years, 100 cells per cornea
outlined by hand. From age 48.9 to 59.5 on average the density fell from 2715 (SD 301) to 2539 (SD 284)
cells per mm², by 0.6 % a year; the coefficient of variation of the area rose from 0.26 (0.05) to 0.29
(0.06); the share of hexagons fell from 0.67 (0.08) to 0.64 (0.06). In ten children density fell by 1.1 % a
year.

Instruments that outline cells by themselves report other values (Duman et al., Saudi Journal of
Ophthalmology 30(4), 2016, 236-239, 282 persons: 0.34 and 0.46); these norms are for borders drawn by hand.
Beyond the ages of the adults who were studied, 30 to 84 years, only the density is extrapolated: a straight
line would give children more regular cells than have been measured.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

_MEAN_AGE = 59.5
_ADULT_AGE = 20.0
_ADULT_LOSS = 0.006
_CHILD_LOSS = 0.011
_YEARS = 10.6
_YOUNGEST, _OLDEST = 30.0, 84.0


@dataclass(frozen=True)
class Norms:
    """Means and standard deviations over healthy persons of one age.

    Attributes:
        density: cells per mm².
        density_log_sd: standard deviation of its natural logarithm.
        cv: coefficient of variation of the cells' areas.
        cv_sd: its standard deviation.
        hexagonality: share of cells with six neighbours.
        hexagonality_sd: its standard deviation.
    """

    density: float
    density_log_sd: float
    cv: float
    cv_sd: float
    hexagonality: float
    hexagonality_sd: float


def norms_at(age: float) -> Norms:
    """Return the norms at an age in years, 5 to 105."""
    adult = max(age, _ADULT_AGE)
    log_density = math.log(2539.0) - _ADULT_LOSS * (adult - _MEAN_AGE) - _CHILD_LOSS * (age - adult)
    since = (min(max(age, _YOUNGEST), _OLDEST) - _MEAN_AGE) / _YEARS
    return Norms(
        density=math.exp(log_density),
        density_log_sd=284.0 / 2539.0,
        cv=0.29 + (0.29 - 0.26) * since,
        cv_sd=0.055,
        hexagonality=0.64 + (0.64 - 0.67) * since,
        hexagonality_sd=0.07,
    )
