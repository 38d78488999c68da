"""A programme's own units, so that those of the documents decide nothing.

A solver's tolerances are absolute: about 1e-7. So powers are told to it in tenths of the widest
column, and money in thousandths of the dearest watt. Both are whole numbers in documents, and the
quotient of whole numbers is the same to the last bit in whatever units both are told: so is what is
solved, and found.
"""

from dataclasses import dataclass

import numpy as np

from central.market.limits import Floats

_WIDEST = 1e1
_DEAREST = 1e3
_LEAST_COST = 1e-5  # 1e-8 of the dearest: what costs nothing is still not taken for nothing
_DIGITS = 11  # that no rounding on the way to a need reaches


@dataclass(frozen=True, slots=True)
class Scale:
    """What a programme is measured by.

    Args:
        widest_w: the widest column, above 0.
        dearest_ueur_per_mwh: the dearest watt, taken or short, above 0.
    """

    widest_w: float
    dearest_ueur_per_mwh: float

    @classmethod
    def of(cls, width_w: Floats, price_ueur_per_mwh: Floats, cap_ueur_per_mwh: Floats) -> "Scale":
        """Return the scale of a programme.

        Args:
            width_w: of its columns.
            price_ueur_per_mwh: of its columns.
            cap_ueur_per_mwh: of its rows; infinite where there may be no shortage.
        """
        caps = cap_ueur_per_mwh[np.isfinite(cap_ueur_per_mwh)]
        dearest = max(price_ueur_per_mwh.max(initial=0.0), caps.max(initial=0.0))
        return cls(float(width_w.max(initial=0.0)) or 1.0, float(dearest) or 1.0)

    def powers(self, power_w: Floats) -> Floats:
        """Return powers in the programme's units."""
        units: Floats = power_w / self.widest_w * _WIDEST
        return units

    def needs(self, need_w: Floats) -> Floats:
        """Return needs in the programme's units, without what is rounding."""
        units: Floats = np.round(self.powers(need_w), _DIGITS)
        return units

    def watts(self, power_units: Floats) -> Floats:
        """Return powers that were found [W]."""
        found: Floats = power_units * (self.widest_w / _WIDEST)
        return found

    def caps(self, cap_ueur_per_mwh: Floats) -> Floats:
        """Return what a unit of shortage costs."""
        units: Floats = cap_ueur_per_mwh / self.dearest_ueur_per_mwh * _DEAREST
        return units

    def costs(self, price_ueur_per_mwh: Floats) -> Floats:
        """Return what a unit of each column costs, above 0."""
        units: Floats = np.maximum(self.caps(price_ueur_per_mwh), _LEAST_COST)
        return units
