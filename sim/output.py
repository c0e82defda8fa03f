"""Files that a command writes: refused before the work begins, not after it."""

from pathlib import Path

import rich_click as click

__all__ = ["OutputFile", "OutputFolder"]


class OutputFile(click.Path):
    """Path of a file to write; its folders are made.

    A path that cannot be written is a wrong argument: one line, exit status 2.
    """

    def __init__(self) -> None:
        super().__init__(dir_okay=False, path_type=Path)

    def convert(self, value: str, param: click.Parameter | None,
                ctx: click.Context | None) -> Path:
        """Check by opening; a new file does not stay if the command is refused later."""
        path = super().convert(value, param, ctx)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            new = not path.exists()
            path.open("a").close()
            if new:
                path.unlink()
        except OSError as error:
            self.fail(f"File {str(path)!r} cannot be written: {error.strerror}", param, ctx)
        return path


class OutputFolder(click.Path):
    """Path of a folder to write into; it is made."""

    def __init__(self) -> None:
        super().__init__(file_okay=False, path_type=Path)

    def convert(self, value: str, param: click.Parameter | None,
                ctx: click.Context | None) -> Path:
        """Make the folder."""
        path = super().convert(value, param, ctx)
        try:
            path.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            self.fail(f"Folder {str(path)!r} cannot be made: {error.strerror}", param, ctx)
        return path
