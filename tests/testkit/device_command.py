"""`holdfast device` as tests call it: in this process; a test gets its output and its exit code."""

import json

from click.testing import CliRunner

from holdfast_deploy import cli

MAIN = "print('hello')\n"  # the program on the board of tests/device/conftest.py


def run(*arguments):
    return CliRunner().invoke(cli.group, [str(argument) for argument in arguments])


def told(done, code=0):
    assert done.exit_code == code, done.output
    return json.loads(done.stdout)
