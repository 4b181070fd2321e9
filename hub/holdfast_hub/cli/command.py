"""What every command of the hub does around its one deed: find the configuration, and say problems in one sentence."""

import contextlib
import functools
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import click

from holdfast_core.cli import Failed, Problem
from holdfast_core.terminal_shell import sentence_of
from holdfast_hub.process.config import Config, load
from holdfast_hub.process.settings import ConfigError
from holdfast_hub.spool.errors import SpoolError, SpoolFailed

CONFIG_ENV = "HOLDFAST_HUB_CONFIG"
DEFAULT_CONFIG = Path("/etc/holdfast-hub/hub.toml")

config_option = click.option(
    "--config",
    type=click.Path(path_type=Path, dir_okay=False),
    default=DEFAULT_CONFIG,
    envvar=CONFIG_ENV,
    show_default=True,
    show_envvar=True,
    help="The hub's hub.toml; conf.d/ and devices.toml stand beside it.",
)
state_option = click.option(
    "--state",
    type=click.Path(path_type=Path, file_okay=False),
    envvar="HOLDFAST_HUB_STATE",
    show_envvar=True,
    help="The hub's state directory, in place of the one in hub.toml.",
)
set_option = click.option(
    "--set", "sets", multiple=True, metavar="KEY=VALUE", help='Say a key of hub.toml here, as --set "log.format=json".'
)


def configured(config: Path, state: Path | None = None, sets: tuple[str, ...] = ()) -> Config:
    """Return the configuration in force. Raises Problem."""
    with problems():
        return load(config, [*sets, *([f"state={state.absolute()}"] if state else [])])


def in_state(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command the state directory: the one that was named, or that of the configuration. Raises Problem."""

    @config_option
    @state_option
    @functools.wraps(command)
    def located(config: Path, state: Path | None, **rest: Any) -> None:
        command(state=state if state is not None else configured(config).state, **rest)

    return located


@contextlib.contextmanager
def problems() -> Iterator[None]:
    """Turn what can go wrong for an operator into one sentence, never a traceback."""
    try:
        yield
    except ConfigError as error:
        raise Problem(sentence_of(str(error))) from None
    except SpoolFailed as error:
        raise Failed(sentence_of(str(error))) from None
    except SpoolError as error:
        raise Problem(sentence_of(str(error))) from None
    except OSError as error:
        raise Problem(sentence_of(f"{error.filename or 'a file'}: {error.strerror}")) from None
