"""A seeded engine plant: the same seed gives the same facts, byte for byte.

Demo, tests and benchmarks live from it. `examples/boxer/plant.toml` is its plant file.

    plant = SimulatedPlant(load(path), seed=1, start=start, live_from=now)
    past = plant.until(now)             # at full speed
    news = plant.until(now + second)    # step by step
"""

from asbuilt.simulate.hours import good_start, start_of_history
from asbuilt.simulate.miniature import tiny, tiny_plant
from asbuilt.simulate.plant import SimulatedPlant, history, plant_facts

__all__ = ["SimulatedPlant", "good_start", "history", "plant_facts", "start_of_history", "tiny", "tiny_plant"]
