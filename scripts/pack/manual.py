"""A manual page of a group of commands, from what `--help` says."""

from collections.abc import Iterator

import click


def manual(group: click.Group, name: str) -> str:
    """The page name(1) in roff: the group, then each command with its options."""
    (title, first), *others = _helps(group, name.replace("-", " "), None)
    lines = [f'.TH {name.upper()} 1 "" Holdfast', ".SH NAME", f"{name} \\- {_escaped(group.get_short_help_str(200))}"]
    lines += [".SH SYNOPSIS", f".B {title}", "COMMAND [OPTIONS]", ".SH DESCRIPTION", *_verbatim(first), ".SH COMMANDS"]
    for called, said in others:
        lines += [f".SS {called}", *_verbatim(said)]
    return "\n".join(lines) + "\n"


def _helps(command: click.Command, called: str, parent: click.Context | None) -> Iterator[tuple[str, str]]:
    context = click.Context(command, parent, called if parent is None else command.name, max_content_width=90)
    yield called, command.get_help(context)
    if isinstance(command, click.Group):
        for name in command.list_commands(context):
            part = command.get_command(context, name)
            if part is not None:
                yield from _helps(part, f"{called} {name}", context)


def _verbatim(text: str) -> list[str]:
    return [".nf", *(_escaped(line) for line in text.splitlines()), ".fi"]


def _escaped(text: str) -> str:
    text = text.replace("\\", "\\e").replace("-", "\\-")
    return f"\\&{text}" if text[:1] in (".", "'") else text
