"""Replay a folder of vectors on the golden model: ``python -m sim.vectors FOLDER``."""

import sys
from pathlib import Path

from .format import read_folder
from .golden import GoldenTarget
from .summary import replay_families, to_text


def main(folder: str) -> int:
    """Replay, print the table, and return 1 if there is a mismatch."""
    results = replay_families(GoldenTarget(), read_folder(Path(folder)))
    print(to_text(results))
    return int(any(result.mismatches for result in results))


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: python -m sim.vectors FOLDER")
    sys.exit(main(sys.argv[1]))
