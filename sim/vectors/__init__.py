"""Conformance vectors for IOMMUs: their format, their replay on any implementation, a summary."""

from .format import Scenario, Step, VectorError, read_file, read_folder
from .replay import Answer, HangError, Mismatch, Target, replay
from .summary import FamilyResult, details, heading, replay_family, row

__all__ = ["Answer", "FamilyResult", "HangError", "Mismatch", "Scenario", "Step", "Target",
           "VectorError", "details", "heading", "read_file", "read_folder", "replay",
           "replay_family", "row"]
