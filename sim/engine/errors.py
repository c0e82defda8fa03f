"""What the engine says when it cannot do what was asked."""

__all__ = ["EngineError", "where"]


class EngineError(Exception):
    """A design, or an installation, that the compiled engine cannot simulate."""


def where(src_loc) -> str:
    """Return ``file:line`` of a source location, for messages."""
    return f"{src_loc[0]}:{src_loc[1]}" if src_loc else "unknown location"
