"""The tests keep their compiled models below build/, like everything that is generated."""

from pathlib import Path

from sim.engine.cache import cache

cache.folder = Path("build/engine")
