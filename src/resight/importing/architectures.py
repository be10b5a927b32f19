"""Every network whose weights can be imported, by name."""

from __future__ import annotations

import difflib

from resight.errors import OptionError, RecipeError
from resight.importing import fastreid, torchreid
from resight.importing.layout import Architecture
from resight.importing.timm_trunks import timm_architecture

__all__ = ["ARCHITECTURES", "architecture"]

ARCHITECTURES: dict[str, Architecture] = {**torchreid.ARCHITECTURES, **fastreid.ARCHITECTURES}
"""Name -> architecture. Beside these, `timm:NAME` is any model of timm."""

_NOT_YET = ("transreid", "clip", "vit", "deit", "solider", "mgn", "lmbn", "hacnn", "mlfn", "se_resnet", "s50")
"""Parts of names of networks that others publish and resight does not have."""


def architecture(name: str) -> Architecture:
    """The architecture of a name; upper and lower case, `-` and `_` count alike.

    >>> architecture("osnet_x0_25"), architecture("fastreid:sbs_R50-ibn"), architecture("timm:tf_efficientnet_lite0")

    A name without the layout before it is enough where one layout alone has it. Raises OptionError, which lists what is
    there, for an unknown name or one that several layouts have.
    """
    if name.startswith("timm:"):
        return _of_timm(name.removeprefix("timm:"))
    known = {_plain(full): full for full in ARCHITECTURES}
    if _plain(name) in known:
        return ARCHITECTURES[known[_plain(name)]]
    fitting = [full for full in ARCHITECTURES if _plain(full.partition(":")[2]) == _plain(name)]
    if _in_timm(name):
        fitting.append(f"timm:{name}")
    if len(fitting) > 1:
        raise OptionError(f"--as {name}: several layouts have it; say which: {' or '.join(fitting)}")
    if fitting:
        return architecture(fitting[0])
    raise OptionError(f"--as: no architecture {name!r}{_hint(name)}; `resight import --architectures` lists all")


def _of_timm(name: str) -> Architecture:
    try:
        return timm_architecture(name)
    except RecipeError as error:
        raise OptionError(f"--as timm:{name}: {error}") from None


def _in_timm(name: str) -> bool:
    import timm

    return timm.is_model(name.partition(".")[0])


def _plain(name: str) -> str:
    return name.lower().replace("-", "_")


def _hint(name: str) -> str:
    close = difflib.get_close_matches(_plain(name), [_plain(full) for full in ARCHITECTURES], n=1, cutoff=0.75)
    if close:
        return f" (did you mean {next(full for full in ARCHITECTURES if _plain(full) == close[0])!r}?)"
    if any(part in _plain(name) for part in _NOT_YET):
        return ": resight does not have this network yet"
    return ""
