"""Generation: what is surely given to the grid can be held back, and does not come again."""

from collections.abc import Iterator, Sequence

import numpy as np

from central.aggregator.devices.declared import Generation
from central.aggregator.devices.moving import Leeway, Movement, column
from central.documents.header import Direction


def move_generation(sources: Sequence[Generation], leeway: Leeway) -> Iterator[Movement]:
    """Yield how much less can be given (DOWN); `take_w` must be what is surely given.

    Of what the customer uses at once nobody but its owner knows, and more sun cannot be ordered.
    """
    most_w = column([each.power_w for each in sources])
    power_w = np.minimum(np.minimum(most_w, leeway.take_w), leeway.down_w)
    none = np.zeros(len(sources), dtype=np.int64)
    yield Movement(
        direction=Direction.DOWN,
        power_w=power_w,
        least_w=np.zeros(len(sources)),
        longest=leeway.longest,
        rest=leeway.rest,
        calls=leeway.calls,
        back_permille=none,
        delay=none,
        duration=none + 1,
    )
