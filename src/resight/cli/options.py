"""The options that a user gave: which of them apply to a run, and the command line that gives them again."""

from __future__ import annotations

import inspect
import shlex
from collections.abc import Callable, Mapping
from typing import Any

import typer

from resight.errors import OptionError

__all__ = ["applying", "command_line", "given", "needs"]


def given(context: typer.Context) -> dict[str, Any]:
    """Name -> value of the parameters that the user gave; those with their default value are left out."""
    return {
        name: value
        for name, value in context.params.items()
        if (source := context.get_parameter_source(name)) is not None and source.name == "COMMANDLINE"
    }


def command_line(context: typer.Context) -> str:
    """The command line that runs this command again: the arguments and the options given, quoted for a shell."""
    values = given(context)
    words, options = [], []
    for parameter in context.command.params:
        if parameter.name not in values:
            continue
        value = values[parameter.name]
        several = [str(one) for one in (value if isinstance(value, list | tuple) else [value])]
        if parameter.param_type_name == "argument":
            words += several
        elif isinstance(value, bool):
            options.append(_flag(parameter, value))
        else:
            options += [part for one in several for part in (_flag(parameter), one)]
    command = ["resight", *_path(context)]
    if any(word.startswith("-") for word in words):
        return shlex.join([*command, *options, "--", *words])
    return shlex.join([*command, *words, *options])


def needs(context: typer.Context, names: tuple[str, ...], other: str) -> None:
    """Raises OptionError when one of the options `names` was given without the option `other` that they belong to."""
    values = given(context)
    if not values.get(other):
        for name in names:
            if name in values:
                raise OptionError(f"{_named(context, name, values)} is for {_named(context, other, {other: True})}")


def applying(
    context: typer.Context,
    values: Mapping[str, Any],
    functions: Mapping[str, Callable[..., Any]],
    chosen: str,
    run: str,
) -> dict[str, Any]:
    """The options that the user gave, as keyword arguments of the function for the `chosen` kind of run.

    `values` maps every option to its value, `functions` every kind of run to its function. An option applies to a kind
    of run when the function has a parameter of that name. Raises OptionError, which names the kinds of run that an
    option is for, when one given does not apply; `run` is the name of the run in that message.
    """
    told = given(context)
    fitting = {name: value for name, value in values.items() if name in told}
    for name in fitting:
        kinds = [kind for kind, function in functions.items() if name in inspect.signature(function).parameters]
        if chosen not in kinds:
            raise OptionError(f"{_named(context, name, told)} is for {' or '.join(kinds)}; {run} is {chosen}")
    return fitting


def _path(context: typer.Context) -> list[str]:
    """Names of the command and of its group, without the name of the program, which depends on how it was started."""
    if context.parent is None:
        return []
    return [*_path(context.parent), str(context.info_name)]  # type: ignore[arg-type]


def _named(context: typer.Context, name: str, values: Mapping[str, Any]) -> str:
    parameter = next(parameter for parameter in context.command.params if parameter.name == name)
    value = values[name]
    return _flag(parameter, value) if isinstance(value, bool) else _flag(parameter)


def _flag(parameter: Any, on: bool = True) -> str:
    """The long name of an option; of a pair such as --drop-junk/--keep-junk, the name for on or for off."""
    return max(parameter.opts if on else parameter.secondary_opts, key=len)
