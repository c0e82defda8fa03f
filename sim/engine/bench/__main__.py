"""``python -m sim.engine.bench``."""

from .measure import main

if __name__ == "__main__":
    main()
