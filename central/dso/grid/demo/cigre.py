"""The published figures of the demo grid: CIGRE's European benchmark feeders, MV and LV.

Source: CIGRE Task Force C6.04.02, Benchmark Systems for Network Integration of Renewable and
Distributed Energy Resources, Technical Brochure 575, 2014. Medium voltage: chapter 6, European
configuration, figure 6.5 (p. 34), lines in table 6.12, transformers in 6.13, the 110 kV side in
6.14 (p. 36), loads in 6.15 (p. 37), distributed resources in 6.18 (p. 40), the power flow to
compare with in 9.6 and 9.7 (p. 85). Low voltage: chapter 7, European configuration, residential
subnetwork. What is not of the brochure says so here, and in the grid's own `source`.
"""

from dataclasses import dataclass

SOURCE = (
    "CIGRE TF C6.04.02, Technical Brochure 575 (2014): European MV benchmark, tables 6.12-6.15 "
    "(p. 36-37) and 6.18 (p. 40), and European LV benchmark, residential subnetwork (chapter 7). "
    "Not of the brochure: line ratings (MV as in pandapower 3.5, LV NAYY in ground by DIN VDE "
    "0276-603), tap changers, capacitor bank, sensors, voltage bands (MV 0.95-1.05 pu, a usual "
    "planning limit; LV 0.90-1.10 pu, EN 50160), division of loads among customers"
)


@dataclass(frozen=True, slots=True)
class LineType:
    """What a kilometre of a line is: positive and zero sequence, and its rating."""

    r1_ohm: float
    x1_ohm: float
    c1_nf: float
    r0_ohm: float
    x0_ohm: float
    c0_nf: float
    rating_a: float


# Table 6.12; 47.493, 3.172 and 1.280 µS/km there are these capacitances at 50 Hz.
CABLE = LineType(0.501, 0.716, 151.1749, 0.817, 1.598, 151.1749, 145.0)
OVERHEAD = LineType(0.510, 0.366, 10.09679, 0.658, 1.611, 4.07437, 195.0)
# Zero sequence: the brochure's matrices of four wires (UG1: 0.211 + 0.747j Ω/km on the diagonal,
# 0.049 + 0.673j beside it, 0.049 + 0.651j across; UG3: 0.871 + 0.797j, 0.049 + 0.719j, 0.049 +
# 0.697j), the earthed neutral taken out by Kron's reduction and the phases averaged (section 9.3).
UG1 = LineType(0.162, 0.0832, 0.0, 0.529, 0.371, 0.0, 364.0)
UG3 = LineType(0.822, 0.0847, 0.0, 1.794, 1.225, 0.0, 144.0)

# Table 6.12: from, to, type, length [km], closed. S2, S3 and S1 keep three lines open.
MV_LINES = (
    (1, 2, CABLE, 2.82, True),
    (2, 3, CABLE, 4.42, True),
    (3, 4, CABLE, 0.61, True),
    (4, 5, CABLE, 0.56, True),
    (5, 6, CABLE, 1.54, True),
    (6, 7, CABLE, 0.24, False),
    (7, 8, CABLE, 1.67, True),
    (8, 9, CABLE, 0.32, True),
    (9, 10, CABLE, 0.77, True),
    (10, 11, CABLE, 0.33, True),
    (4, 11, CABLE, 0.49, False),
    (3, 8, CABLE, 1.30, True),
    (12, 13, OVERHEAD, 4.89, True),
    (13, 14, OVERHEAD, 2.99, True),
    (8, 14, OVERHEAD, 2.00, False),
)
SWITCHES = {"S1": "L-8-14", "S2": "L-6-7", "S3": "L-4-11"}
FEEDERS = {"feeder 1": range(1, 12), "feeder 2": range(12, 15)}


@dataclass(frozen=True, slots=True)
class TransformerType:
    """A Dyn1 transformer without losses of its iron, of which nothing is published.

    Args:
        rating_va: rated power [VA].
        high_v: rated voltage of the high side [V].
        low_v: rated voltage of the low side [V].
        z_ohm: short-circuit impedance, referred to the low side [Ω].
        most_tap: greatest tap position, either way; the changer is at the high side.
        tap_pct: what a step adds to the high side's voltage [%].
    """

    rating_va: float
    high_v: float
    low_v: float
    z_ohm: complex
    most_tap: int
    tap_pct: float

    @property
    def z_pu(self) -> complex:
        """Return the impedance in per unit of the transformer's own rating."""
        return self.z_ohm * self.rating_va / self.low_v**2


# Table 6.13. The brochure regulates the low side in 32 steps of 0.625 %; ours is the changer that
# is usual in Europe, at the high side.
PRIMARY = TransformerType(25e6, 110e3, 20e3, 0.016 + 1.92j, 9, 1.67)
# Chapter 7; the brochure has no tap changer there.
SECONDARY = TransformerType(500e3, 20e3, 400.0, 0.0032 + 0.0128j, 2, 2.5)

# Table 6.14. The voltage is ours.
SHORT_CIRCUIT_VA, SHORT_CIRCUIT_RX, SOURCE_PU = 5e9, 0.1, 1.03

# Table 6.15: greatest coincident power [VA] by node.
RESIDENTIAL_VA = (
    (0.98, {1: 15.3e6, 12: 15.3e6}),
    (0.97, {3: 285e3, 4: 445e3, 5: 750e3, 6: 565e3, 8: 605e3, 10: 490e3, 11: 340e3, 14: 215e3}),
)
COMMERCIAL_VA = (
    (0.95, {1: 5.1e6, 12: 5.28e6}),
    (0.85, {3: 265e3, 7: 90e3, 9: 675e3, 10: 80e3, 13: 40e3, 14: 390e3}),
)

# Table 6.18: greatest power [W] by kind of resource and node.
RESOURCES_W = (
    ("pv", {3: 20e3, 4: 20e3, 5: 30e3, 6: 30e3, 8: 30e3, 9: 30e3, 10: 40e3, 11: 10e3}),
    ("wind", {7: 1500e3}),
    ("storage", {5: 600e3, 10: 200e3}),
    ("cogeneration", {5: 33e3, 9: 212e3, 10: 14e3}),
    ("cogeneration", {9: 310e3}),
)

# Chapter 7, residential subnetwork: from, to, type, length [km].
LV_LINES = (
    *((f"R{n}", f"R{n + 1}", UG1, 0.035) for n in range(1, 10)),
    ("R4", "R12", UG3, 0.035),
    ("R12", "R13", UG3, 0.035),
    ("R13", "R14", UG3, 0.035),
    ("R3", "R11", UG3, 0.030),
    ("R14", "R15", UG3, 0.030),
    ("R6", "R16", UG3, 0.030),
    ("R9", "R17", UG3, 0.030),
    ("R10", "R18", UG3, 0.030),
)
# Greatest coincident power [VA] at power factor 0.95. The 200 kVA that the brochure puts at R1 for
# other feeders of the same transformer stay with the rest of the load at the MV node.
LV_POWER_FACTOR = 0.95
LV_LOADS_VA = {"R11": 15e3, "R15": 52e3, "R16": 55e3, "R17": 35e3, "R18": 47e3}
LV_BEHIND = (3, 5, 6, 8, 10)
METERED_BEHIND = (3, 5, 6, 8)
