"""`resight serve`."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from resight.cli.console import GalleryArgument

__all__ = ["serve"]


def serve(
    gallery: GalleryArgument,
    run: Annotated[
        str | None, typer.Option("--run", metavar="RUN", help="New place of the gallery's run, if it was moved.")
    ] = None,
    host: Annotated[
        str, typer.Option("--host", help="Address to listen on; any other than this machine's own needs a token.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option("--port", min=0, max=65535, help="0 takes a free one.")] = 8765,
    token: Annotated[
        str | None,
        typer.Option(
            "--token",
            envvar="RESIGHT_TOKEN",
            show_envvar=True,
            help="Secret of 16 characters or more that every request must bear. The variable is the better place: other "
            "users of the machine can read a command line.",
        ),
    ] = None,
    name: Annotated[
        list[str] | None,
        typer.Option(
            "--name",
            help="Further name by which the server is reached, such as that of a proxy before it; needs a token.",
        ),
    ] = None,
    quiet: Annotated[bool, typer.Option("--quiet", help="Print no line for each request.")] = False,
) -> None:
    """Serve a gallery: a page to search it in the browser, and the same as a REST API.

    `resight serve gallery`, then open http://127.0.0.1:8765/

    `curl -H "X-Resight: 1" -F images=@query.jpg -F 'options={"k": 5}' http://127.0.0.1:8765/api/v1/search`

    By default only this machine can reach it. `--host 0.0.0.0` lets others in, who must bear the token: the header
    `Authorization: Bearer TOKEN`, or in a browser /?token=TOKEN once. Between machines the token and the images go
    unencrypted unless a proxy adds TLS. The API is described at /api/v1/openapi.json; /metrics, /healthz and /readyz watch
    the server. A line of JSON for each request goes to standard error.
    """
    from resight.cli.console import counted, output, remark
    from resight.errors import OptionError
    from resight.gallery import Gallery
    from resight.serving.app import create_app
    from resight.serving.limits import Limits
    from resight.serving.security import Access, Names, is_loopback
    from resight.serving.server import listen, server

    if token is None and (name or not is_loopback(host)):
        opening = f"--name {name[0]}" if name else f"--host {host}"
        raise OptionError(
            f"{opening} lets other machines in, who must bear a token: set RESIGHT_TOKEN to 16 characters or more, such "
            'as those that `python -c "import secrets; print(secrets.token_urlsafe())"` prints'
        )
    opened = Gallery.open(gallery, model=run)
    socket = listen(host, port)
    bound = socket.getsockname()[1]
    limits = Limits()
    access = Access(Names.of(host, bound, name or ()), token)
    app = create_app(opened, access, limits, tell=_silent if quiet else _told)
    shown = f"[{host}]" if ":" in host else host
    said = f"{counted(len(opened), 'image')} in {gallery}\nopen: http://{shown}:{bound}/\nCtrl-C ends it"
    output().print(said, markup=False)
    sys.stdout.flush()
    if caution := opened.caution:
        remark(f"note: {caution}")
    server(app, limits).run([socket])


def _told(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def _silent(line: str) -> None:
    pass
