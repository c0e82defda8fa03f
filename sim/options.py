"""Options that all commands have which simulate."""

from collections.abc import Callable

import rich_click as click

from .engine import ENGINES, EngineError, prefer
from .engine.cache import cache

__all__ = ["simulator_options"]


def simulator_options(command: Callable) -> Callable:
    """Add ``--engine`` and ``--no-cache`` to a command, which is called with ``engine``.

    While the command runs, ``choose()`` takes that engine.
    """
    command = click.option(
        "--no-cache", is_flag=True, expose_value=False, callback=_cache,
        help="Neither keep nor use compiled simulation models.")(command)
    return click.option(
        "--engine", type=click.Choice(ENGINES), default="auto", show_default=True, callback=_engine,
        help="Simulator of the RTL: compiled to WebAssembly or by a C compiler, or Amaranth's own. "
             "[b]auto[/b] is wasm where wasmtime is installed, and pysim otherwise.")(command)


def _engine(context: click.Context, parameter: click.Parameter, engine: str) -> str:
    if engine != "auto":
        try:
            before = prefer(engine)
        except EngineError as error:
            raise click.UsageError(str(error)) from None
        context.call_on_close(lambda: prefer(before))
    return engine


def _cache(context: click.Context, parameter: click.Parameter, off: bool) -> None:
    before = cache.enabled
    cache.enabled = before and not off
    context.call_on_close(lambda: setattr(cache, "enabled", before))
