"""Conformance vectors for IOMMUs: their format, their replay on any implementation, a summary."""

from .format import Scenario, Step, VectorError, read_file, read_folder
from .replay import Answer, Mismatch, Target, replay
from .summary import FamilyResult, replay_families, to_text

__all__ = ["Answer", "FamilyResult", "Mismatch", "Scenario", "Step", "Target", "VectorError",
           "read_file", "read_folder", "replay", "replay_families", "to_text"]
