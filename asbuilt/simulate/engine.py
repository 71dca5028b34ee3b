"""What goes into an engine: where its parts come from, how its values spread, what fails.

The plant file says which parts and characteristics there are and their limits; here is what only
a real plant would know. A product without an entry gets plain values from its limits, so that any
serial line can be simulated.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, NamedTuple
from zlib import crc32

from asbuilt.plant import Characteristic, Part, Product


class Supply(NamedTuple):
    """Where a part comes from: enough for so many engines in a lot, packed in so many boxes."""

    supplier: str
    country: str
    engines: int
    boxes: int = 1
    heat: str = ""


class Spread(NamedTuple):
    """How a characteristic comes out; `free` values may leave the limits on their own."""

    mean: float
    sigma: float
    positions: tuple[str, ...] = ("",)
    gauge: str = ""
    free: bool = False


class Defect(NamedTuple):
    """A failure of an operation: how often, which value shows it (if one does), and what follows.

    `again` repeats the operation, `swap` changes a part and repeats it, `scrap` ends the unit.
    """

    reason: str
    chance: float
    shows: str
    remedy: Literal["again", "swap", "scrap"]
    message: str
    part: str = ""


class Program(NamedTuple):
    """What a machine ran, and its revision."""

    name: str
    revision: str


class Know(NamedTuple):
    """What is known about one product."""

    supplies: Mapping[str, Supply] = {}
    spreads: Mapping[str, Spread] = {}
    defects: Mapping[str, tuple[Defect, ...]] = {}
    programs: Mapping[str, Program] = {}
    counting: frozenset[str] = frozenset()
    bench: str = ""

    def supply(self, part: Part) -> Supply:
        """Where the part comes from."""
        found = self.supplies.get(part.product)
        return found or Supply(f"Supplier {_mark(part.product) % 7 + 1}", "DE", 40 + _mark(part.product) % 5 * 20)

    def spread(self, characteristic: Characteristic) -> Spread:
        """How the characteristic comes out: as known, or well inside its limits."""
        found = self.spreads.get(characteristic.id)
        if found is None:
            return Spread(*_inside(characteristic), gauge=f"G-{_mark(characteristic.id) % 90 + 10:03d}")
        return found

    def defects_of(self, operation: str, characteristics: tuple[str, ...]) -> tuple[Defect, ...]:
        """What may fail in an operation."""
        if self.defects or not characteristics:
            return self.defects.get(operation, ())
        shows = characteristics[0]
        return (
            Defect("out_of_limits", 0.02, shows, "again", f"{shows} out of limits"),
            Defect("beyond_repair", 0.005, shows, "scrap", f"{shows} beyond repair"),
        )


def _mark(name: str) -> int:
    """A number that a name always gives (`hash` differs from run to run)."""
    return crc32(name.encode())


def _inside(characteristic: Characteristic) -> tuple[float, float]:
    """Mean and standard deviation that keep a characteristic well inside its limits."""
    lower, upper = (None if limit is None else float(limit) for limit in (characteristic.lower, characteristic.upper))
    nominal = None if characteristic.nominal is None else float(characteristic.nominal)
    if lower is not None and upper is not None and (lower != 0 or nominal is not None):
        return (lower + upper) / 2 if nominal is None else nominal, (upper - lower) / 9
    if upper is not None:
        return 0.45 * upper if nominal is None else nominal, 0.1 * upper if nominal is None else (upper - nominal) / 4
    if lower is not None:
        middle = lower * 1.05 if nominal is None else nominal
        return middle, abs(middle - lower) / 4
    return nominal or 0.0, abs(nominal or 0.0) * 0.01


# --------------------------------------------------------------------------- the boxer engine

VIBRATION_ALERT = 3.5
"""mm/s. Above it a run-in gets attention, though the engine passes up to its limit."""

_BOTH = ("Cylinder 1", "Cylinder 2")
_SIDES = ("left", "right")
_SCREWS = tuple(f"Cylinder {cylinder}, screw {screw}" for cylinder in (1, 2) for screw in (1, 2, 3, 4))
_LEVELS = tuple(f"Cylinder {cylinder}, {level}" for cylinder in (1, 2) for level in ("top", "middle", "bottom"))

BX172 = Know(
    supplies={
        "CC-L": Supply("Castiro", "IT", 120, heat="AL"),
        "CC-R": Supply("Castiro", "IT", 120, heat="AL"),
        "CRK": Supply("Forjalta", "ES", 80, heat="48"),
        "ROD": Supply("Forjalta", "ES", 100, boxes=2, heat="42"),
        "BEB": Supply("Norrlager", "SE", 200, boxes=4, heat="31"),
        "MBR": Supply("Norrlager", "SE", 66, boxes=3, heat="48"),
        "SEL": Supply("Dichtmar", "DE", 150),
        "BLT-C": Supply("Velbolt", "DE", 200),
        "SLN": Supply("Klebra", "DE", 250),
        "CYL": Supply("Zylinor", "AT", 60, heat="AL"),
        "PST": Supply("Pistara", "DE", 100, boxes=2),
        "PIN": Supply("Pistara", "DE", 150),
        "CLP": Supply("Velbolt", "DE", 250),
        "RNG": Supply("Ringova", "CZ", 125, boxes=5),
        "SEB": Supply("Norrlager", "SE", 200, boxes=4, heat="31"),
        "GSK-B": Supply("Dichtmar", "DE", 200),
        "BLT-H": Supply("Velbolt", "DE", 200),
        "REED": Supply("Karbonel", "PL", 100),
        "GSK-I": Supply("Dichtmar", "DE", 200),
        "INT": Supply("Gumalta", "HU", 120),
        "THB": Supply("Jettera", "JP", 60),
        "INJ": Supply("Jettera", "JP", 100),
        "FPMP": Supply("Pumpalo", "FR", 80),
        "ECU": Supply("Ecuvia", "DE", 50),
        "COIL": Supply("Ecuvia", "DE", 100),
        "FLY": Supply("Magnelta", "SI", 60, heat="52"),
        "GEN": Supply("Magnelta", "SI", 50),
        "HALL": Supply("Ecuvia", "DE", 200),
        "PLUG": Supply("Sparkine", "JP", 100, boxes=2),
        "CAP": Supply("Sparkine", "JP", 150),
        "CHT": Supply("Thermesta", "CZ", 150),
        "EGT": Supply("Thermesta", "CZ", 150),
        "GSK-E": Supply("Dichtmar", "DE", 200),
        "MUF": Supply("Auspura", "IT", 40),
        "HRN": Supply("Kabelra", "RO", 60),
        "BLT-X": Supply("Velbolt", "DE", 150),
        "TLC": Supply("Klebra", "DE", 250),
        "MNT": Supply("Gumalta", "HU", 75),
        "HUB": Supply("Forjalta", "ES", 80, heat="42"),
        "LBL": Supply("Plaketa", "DE", 300),
    },
    spreads={
        "main_bore": Spread(35.003, 0.0017, ("front", "middle", "rear"), "G-014"),
        "main_bore_roundness": Spread(2.1, 0.5, ("front", "middle", "rear"), "G-014"),
        "main_bore_alignment": Spread(6, 1.6, ("",), "G-014"),
        "deck_flatness": Spread(11, 3, _SIDES, "G-018"),
        "deck_height": Spread(61.5, 0.0045, _SIDES, "G-018"),
        "dowel_position": Spread(0.012, 0.003, ("1", "2"), "G-018"),
        "sealing_face_ra": Spread(0.8, 0.08, _SIDES, "G-019"),
        "wash_residue": Spread(1.1, 0.3, ("",), "G-020"),
        "crank_runout": Spread(9, 2.2, ("front", "rear"), "G-022"),
        "bearing_press_force": Spread(6.8, 0.35, ("front", "middle", "rear"), "P-02"),
        "crank_end_play": Spread(0.2, 0.022, ("",), "G-023"),
        "rod_pin_clearance": Spread(7.5, 1.0, ("Rod 1", "Rod 2"), "G-024"),
        "residual_imbalance": Spread(6, 1.7, ("",), "B-01"),
        "case_torque": Spread(6.0, 0.12, ("",), "T-04"),
        "bore": Spread(52.005, 0.0014, _LEVELS, "G-031"),
        "bore_roundness": Spread(2.4, 0.7, _BOTH, "G-031"),
        "bore_taper": Spread(3.2, 0.9, _BOTH, "G-031"),
        "hone_rk": Spread(0.42, 0.035, _BOTH, "G-033"),
        "hone_rpk": Spread(0.18, 0.025, _BOTH, "G-033"),
        "hone_rvk": Spread(0.9, 0.08, _BOTH, "G-033"),
        "hone_angle": Spread(45, 1.4, _BOTH, "G-034"),
        "port_chamfer": Spread(0.5, 0.04, _BOTH, "G-035"),
        "ring_gap": Spread(0.22, 0.014, _BOTH, "G-040"),
        "piston_clearance": Spread(45, 1.1, _BOTH, "G-041"),
        "piston_mass_delta": Spread(0.7, 0.25, ("",), "W-03"),
        "head_torque": Spread(12, 0.2, _SCREWS, "T-07"),
        "head_angle": Spread(90, 3.2, _SCREWS, "T-07"),
        "injector_flow": Spread(1.4, 0.5, ("",), "E-02"),
        "fuel_pressure": Spread(3, 0.04, ("",), "E-02"),
        "advance_delta": Spread(0.1, 0.2, ("",), "E-05"),
        "sensor_gap": Spread(0.7, 0.04, ("",), "G-052"),
        "coil_resistance": Spread(0.62, 0.015, ("Coil 1", "Coil 2"), "E-06"),
        "throttle_idle": Spread(4, 0.2, ("Throttle body 1", "Throttle body 2"), "E-07"),
        "mount_torque": Spread(10, 0.2, ("1", "2", "3", "4"), "T-09"),
        "leak_rate": Spread(3.1, 0.72, ("",), "L-01", free=True),
        "turn_torque": Spread(0.9, 0.08, ("",), "T-11"),
        "compression": Spread(8.2, 0.25, _BOTH, "L-02"),
        "compression_delta": Spread(0.2, 0.08, ("",), "L-02"),
        "spark_voltage": Spread(22, 0.9, _BOTH, "E-08"),
        "head_temp_max": Spread(149, 5.0, _BOTH, "V-01"),
        "head_temp_delta": Spread(7, 2.5, ("",), "V-01"),
        "egt_max": Spread(592, 11, _BOTH, "V-01"),
        "egt_delta": Spread(14, 5, ("",), "V-01"),
        "vibration": Spread(1.9, 0.45, ("",), "V-03", free=True),
        "idle_speed": Spread(1800, 38, ("",), "V-02"),
        "full_speed": Spread(6910, 45, ("",), "V-02"),
        "power": Spread(12.45, 0.14, ("",), "V-02"),
        "fuel_consumption": Spread(478, 12, ("",), "V-04"),
        "advance_drop": Spread(55, 12, ("",), "V-02"),
        "fuel_leaks": Spread(0, 0, ("",), "V-05"),
        "net_weight": Spread(4211, 7, ("",), "W-08"),
        "retorque": Spread(12, 0.2, _BOTH, "T-12"),
        "borescope_findings": Spread(0, 0, ("",), "O-01"),
    },
    defects={
        "10": (
            Defect("swarf", 0.005, "wash_residue", "again", "Swarf left in the oil bore, washed again"),
            Defect("porosity", 0.003, "sealing_face_ra", "scrap", "Porosity opened on the sealing face"),
        ),
        "20": (
            Defect("crank_runout", 0.009, "crank_runout", "again", "Run-out after pressing, trued again"),
            Defect("bearing_seat", 0.004, "bearing_press_force", "swap", "Bearing not seated, pressed anew", "MBR"),
            Defect("end_float", 0.002, "crank_end_play", "scrap", "End play cannot be set"),
        ),
        "30": (
            Defect("hone_pattern", 0.013, "hone_angle", "again", "Hone pattern wrong, two strokes more"),
            Defect("bore_oversize", 0.012, "bore", "swap", "Bore oversize, other cylinder", "CYL"),
            Defect("plating_void", 0.003, "hone_rvk", "swap", "Void in the plating, other cylinder", "CYL"),
        ),
        "40": (
            Defect("torque", 0.006, "head_torque", "again", "Screw angle reached before torque, opened and repeated"),
            Defect("ring_broken", 0.003, "ring_gap", "swap", "Ring broken on fitting", "RNG"),
        ),
        "50": (
            Defect("sensor_gap", 0.013, "sensor_gap", "again", "Crank sensor gap set anew"),
            Defect("injector_flow", 0.009, "injector_flow", "swap", "Injector low flow", "INJ"),
        ),
        "60": (
            Defect("case_leak", 0.048, "leak_rate", "again", "Leak above limit, seated and tested again"),
            Defect("compression", 0.006, "compression", "again", "Low compression, tested again warm"),
            Defect("seal_lip", 0.005, "leak_rate", "swap", "Leak at the crank seal, lip cut", "SEL"),
        ),
        "70": (
            Defect("head_temp", 0.008, "head_temp_max", "again", "Head temperature high, baffle seated"),
            Defect("power_low", 0.009, "power", "swap", "Power low, plug fouled", "PLUG"),
            Defect("piston_scuff", 0.004, "head_temp_delta", "scrap", "Piston scuffed in run-in"),
        ),
        "80": (Defect("data_plate", 0.003, "", "swap", "Data plate scratched", "LBL"),),
    },
    programs={
        "10": Program("CC-LINEBORE", "C"),
        "20": Program("CR-PRESS", "B"),
        "30": Program("HN-52", "F"),
        "40": Program("TQ-HEAD", "D"),
        "50": Program("FI-DRESS", "B"),
        "60": Program("LT-30K", "E"),
        "70": Program("R4", "2"),
        "80": Program("PK-BOX", "A"),
    },
    counting=frozenset({"10", "30"}),
    bench="70",
)

_KNOWN = {"BX172": BX172}


def known_about(product: Product | None) -> Know:
    """What is known about a product; nothing in particular about one never heard of."""
    return _KNOWN.get(product.id, Know()) if product is not None else Know()
