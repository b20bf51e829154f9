"""How long ``make run`` takes: the first start with its demo data, later ones, and the stop.

    python -m benchmarks.start          (SCALE=full: five later starts instead of two)

The environment with its packages exists already; what a fresh machine adds to that is printed by
``make install`` under ``time``. Prints one line of JSON, in seconds.
"""

from __future__ import annotations

import json
import os
import re
import statistics
import time

from tests.running import Running, free_port, new_home


def main() -> None:
    """Measure and print."""
    home, later = new_home(), 5 if os.environ.get("SCALE") == "full" else 2
    ready: list[float] = []
    stopped: list[float] = []
    for number in range(1 + later):
        running = Running(home, free_port())
        try:
            running.wait_ready()
            found = re.search(r"ready after ([\d.]+) s", running.output)
            assert found is not None
            ready.append(float(found.group(1)))
            began = time.monotonic()
            assert running.stop() == 0
            stopped.append(time.monotonic() - began)
            running.wait_gone()
        finally:
            if number == later:
                running.remove()
    figures = {
        "first_start_with_demo_data": ready[0],
        "later_starts": ready[1:],
        "later_start_median": statistics.median(ready[1:]),
        "stop_median": round(statistics.median(stopped), 1),
    }
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
