"""Writes docs/commands.md from the command line's own help."""

from pathlib import Path

import click

import cartlake

HEAD = "# Commands\n\nMade by `python scripts/commands.py` from each command's `--help`.\n"


def sections(group: click.Group, path: str) -> list[str]:
    """A section for each command below a group."""
    found = []
    for name, command in sorted(group.commands.items()):
        inner = f"{path} {name}"
        if isinstance(command, click.Group):
            found += sections(command, inner)
        else:
            context = click.Context(command, info_name=inner, max_content_width=100, terminal_width=100)
            found.append(f"\n## `{inner}`\n\n```\n{command.get_help(context)}\n```\n")
    return found


if __name__ == "__main__":
    text = HEAD + "".join(sections(cartlake.main, "cartlake"))
    (Path(__file__).parent.parent / "docs" / "commands.md").write_text(text)
