"""What an operator is told in one sentence, with the exit code that says of which kind it is."""

import click

from holdfast_core.cli import EXIT_FAILED, EXIT_USAGE


class Problem(click.ClickException):
    """One sentence for the operator whose configuration or call is at fault: exit code 2."""

    exit_code = EXIT_USAGE


class Failed(Problem):
    """The call was right and its deed did not succeed: exit code 1."""

    exit_code = EXIT_FAILED
