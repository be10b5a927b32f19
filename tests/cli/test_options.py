"""Options: what was given is written down as a command that runs again."""

from __future__ import annotations

from typing import Annotated

import pytest
import typer
from typer.testing import CliRunner

from resight.cli.options import applying, command_line, given, needs
from resight.errors import OptionError


def test_a_command_line_is_quoted_and_has_only_what_was_given() -> None:
    own = typer.Typer()
    told: list[str] = []

    @own.command()
    def draw(
        context: typer.Context,
        names: Annotated[list[str], typer.Argument()],
        size: Annotated[float, typer.Option("--size", "-s")] = 1.0,
        tags: Annotated[list[str] | None, typer.Option("--tag")] = None,
        fill: Annotated[bool | None, typer.Option("--fill/--empty")] = None,
    ) -> None:
        told.append(command_line(context))
        assert ("size" in given(context)) == ("--size" in told[-1])

    for words in (["a", "b c"], ["a", "-s", "2.5", "--tag", "x", "--tag", "y z", "--empty"], ["--fill", "--", "-a"]):
        result = CliRunner().invoke(own, words)
        assert result.exit_code == 0, result.output
    assert told == [
        "resight a 'b c'",
        "resight a --size 2.5 --tag x --tag 'y z' --empty",
        "resight --fill -- -a",
    ]


def asked(words: list[str], kind: str) -> dict[str, object]:
    """What of `words` a command gives to the function for a kind of run: people are counted, cars are weighed too."""

    def count(things: str, *, most: int = 9) -> None: ...

    def weigh(things: str, *, most: int = 9, light: bool = True) -> None: ...

    own = typer.Typer()
    told: dict[str, object] = {}

    @own.command()
    def look(
        context: typer.Context,
        most: Annotated[int, typer.Option("--most", "-m")] = 9,
        light: Annotated[bool | None, typer.Option("--light/--heavy")] = None,
        tons: Annotated[bool, typer.Option("--tons")] = False,
    ) -> None:
        needs(context, ("tons",), "light")
        functions = {"a run of people": count, "a run of cars": weigh}
        told.update(applying(context, {"most": most, "light": light}, functions, kind, "runs/a"))

    result = CliRunner().invoke(own, words)
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return told


def test_only_what_was_given_is_passed_on() -> None:
    assert asked([], "a run of people") == {}
    assert asked(["-m", "9"], "a run of people") == {"most": 9}, "the default, given"
    assert asked(["--heavy", "--most", "3"], "a run of cars") == {"light": False, "most": 3}


def test_an_option_that_would_be_ignored_is_refused() -> None:
    with pytest.raises(OptionError, match="--heavy is for a run of cars; runs/a is a run of people"):
        asked(["--heavy"], "a run of people")
    with pytest.raises(OptionError, match="--tons is for --light"):
        asked(["--tons"], "a run of cars")
    assert asked(["--tons", "--light"], "a run of cars") == {"light": True}
