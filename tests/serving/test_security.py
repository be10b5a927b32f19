"""The gate of a local page, as attacks: each changes one thing of a request that is let in, and is refused for it."""

from __future__ import annotations

from collections.abc import Callable
from email.message import Message

import pytest
from starlette.testclient import TestClient

from resight.errors import OptionError
from resight.gallery import Gallery
from resight.serving.security import HEADERS, Access, Gate, Names, Refusal
from tests.support.serving import TOKEN

GATE = Gate(8000, "secret-token")
HOST = "127.0.0.1:8000"
OWN = {"Host": HOST, "Origin": f"http://{HOST}", "Content-Type": "application/json", "Sec-Fetch-Site": "same-origin"}
"""What the page itself sends with a change."""


def asked(method: str = "GET", path: str = "/secret-token/state", **changed: str | None) -> Refusal | str:
    """The page's own request with some headers changed, or left out where they are None."""
    headers = Message()
    for name, value in (OWN | {name.replace("_", "-"): value for name, value in changed.items()}).items():
        if value is not None:
            headers[name] = value
    return GATE.check(method, path, headers)


def status(answer: Refusal | str) -> int:
    assert isinstance(answer, Refusal), f"{answer!r} was let in"
    assert GATE.token not in answer.reason
    return answer.status


def test_the_page_itself_is_let_in_and_told_what_it_asked_for() -> None:
    assert asked() == "state"
    assert asked(path="/secret-token/") == ""
    assert asked(path="/secret-token/small/0.jpg?x=1") == "small/0.jpg?x=1"
    assert asked("POST", "/secret-token/decide") == "decide"
    assert asked("POST", Content_Type="application/json; charset=utf-8") == "state"
    # Opened by hand: no page has sent it, so there is neither an Origin nor a type.
    assert asked(Origin=None, Content_Type=None, Sec_Fetch_Site="none") == "state"
    assert asked(Origin=None, Content_Type=None, Sec_Fetch_Site=None) == "state", "older browsers do not say"
    assert asked("POST", Host="localhost:8000", Origin="http://localhost:8000") == "state"


@pytest.mark.parametrize(
    "host",
    [
        None,
        "",
        "evil.example",
        "evil.example:8000",
        "127.0.0.1.evil.example:8000",
        "127.0.0.1",
        "127.0.0.1:8001",
        "127.0.0.1:80000",
        "127.0.0.1:8000.",
        "127.0.0.1:8000@evil.example",
        " 127.0.0.1:8000",
        "LOCALHOST:8000 ",
        "0.0.0.0:8000",
        "[::1]:8000",
        "127.1:8000",
    ],
)
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_another_name_for_this_machine_is_refused(method: str, host: str | None) -> None:
    """A name that an attacker's DNS server points at 127.0.0.1 arrives as the Host."""
    assert status(asked(method, Host=host, Origin=f"http://{host}")) == 421


def test_a_second_host_does_not_help() -> None:
    headers = Message()
    for name, value in (("Host", "evil.example:8000"), ("Host", HOST)):
        headers[name] = value
    assert status(GATE.check("GET", "/secret-token/state", headers)) == 421


@pytest.mark.parametrize(
    "path",
    [
        "",
        "/",
        "/state",
        "/secret-token",  # without the slash it would be no folder
        "secret-token",
        "/secret-toke/state",
        "/secret-tokenn/state",
        "/Secret-token/state",
        "/secret-token%2fstate",
        "/secret%2dtoken/state",
        "//secret-token/state",
        "/./secret-token/state",
        "/x/../secret-token/state",
        "/\udcff/state",
        "/sécret-token/state",
        "http://127.0.0.1:8000/secret-token/state",
    ],
)
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_without_the_token_nothing_is_let_in(method: str, path: str) -> None:
    assert status(asked(method, path)) == 403


@pytest.mark.parametrize("site", ["cross-site", "same-site", "", "Same-Origin", "same-origin, cross-site"])
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_another_site_is_refused_though_it_knows_the_token(method: str, site: str) -> None:
    assert status(asked(method, Sec_Fetch_Site=site)) == 403


@pytest.mark.parametrize(
    "origin",
    [
        None,
        "",
        "null",
        "https://evil.example",
        "http://127.0.0.1",
        "http://127.0.0.1:8001",
        "https://127.0.0.1:8000",
        "http://localhost:8000",  # the page was opened by its number
        "http://127.0.0.1:8000/",
        "http://127.0.0.1:8000.evil.example",
        "http://127.0.0.1:8000 http://evil.example",
    ],
)
@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH"])
def test_a_change_comes_from_the_page_alone(method: str, origin: str | None) -> None:
    assert status(asked(method, Origin=origin)) == 403


@pytest.mark.parametrize(
    "kind",
    [
        None,
        "",
        "text/plain",
        "text/plain; application/json",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "application/jsonp",
    ],
)
def test_what_a_form_can_send_is_no_change(kind: str | None) -> None:
    """A browser lets a form of any site send these without asking; JSON it asks for first."""
    assert status(asked("POST", Content_Type=kind)) == 415


def test_every_page_has_a_token_of_its_own_that_nobody_guesses() -> None:
    first, second = Gate(8000), Gate(8000)
    assert first.token != second.token
    assert len(first.token) >= 43, "256 bits"
    assert first.url == f"http://127.0.0.1:8000/{first.token}/"
    headers = Message()
    headers["Host"] = HOST
    assert first.check("GET", f"/{first.token}/", headers) == ""
    assert isinstance(second.check("GET", f"/{first.token}/", headers), Refusal)


def test_no_answer_may_be_framed_kept_read_by_others_or_told_to_them() -> None:
    assert HEADERS["X-Frame-Options"] == "DENY"
    assert HEADERS["Cache-Control"] == "no-store"
    assert HEADERS["Cross-Origin-Resource-Policy"] == HEADERS["Cross-Origin-Opener-Policy"] == "same-origin"
    assert HEADERS["Referrer-Policy"] == "same-origin", "the address holds the token"
    assert HEADERS["X-Content-Type-Options"] == "nosniff"


ClientOf = Callable[..., TestClient]


def test_without_the_token_nothing_is_told(client_of: ClientOf) -> None:
    client = client_of(access=Access(Names.of("127.0.0.1", 8765), TOKEN))
    for headers in ({}, {"Authorization": "Bearer wrong-token-of-letters"}, {"Authorization": f"Basic {TOKEN}"}):
        answer = client.get("/api/v1/gallery", headers=headers)
        assert answer.status_code == 401
        assert answer.headers["www-authenticate"] == "Bearer"
    assert client.get("/metrics").status_code == 401
    assert client.get("/api/v1/gallery", headers={"Authorization": f"Bearer {TOKEN}"}).json()["count"] == 12
    page = client.get("/?token=wrong-token-of-letters", follow_redirects=False)
    assert page.status_code == 200, "the page, which asks for the token"
    assert "set-cookie" not in page.headers
    assert client.get("/healthz").status_code == 200


def test_a_browser_gets_a_cookie_for_the_token_which_other_sites_cannot_use(client_of: ClientOf) -> None:
    client = client_of(access=Access(Names.of("127.0.0.1", 8765), TOKEN))
    answer = client.get(f"/?token={TOKEN}", follow_redirects=False)
    assert (answer.status_code, answer.headers["location"]) == (303, "/")
    cookie = answer.headers["set-cookie"]
    assert TOKEN not in cookie
    assert "HttpOnly" in cookie
    assert "SameSite=Strict" in cookie
    assert client.get("/api/v1/gallery").status_code == 200


@pytest.mark.parametrize("value", ["", "forged", TOKEN])
def test_a_cookie_that_the_server_did_not_give_is_none(value: str, client_of: ClientOf) -> None:
    access = Access(Names.of("127.0.0.1", 8765), TOKEN)
    client = client_of(access=access)
    answer = client.get("/api/v1/gallery", headers={"Cookie": f"{access.cookie}={value}"})
    assert answer.status_code == 401


@pytest.mark.parametrize("other", ['prefs={"a":1}', "a=b c", "x=é", "k@{=1", "=", "resight-8765=another's", '"'])
def test_cookies_of_other_servers_of_this_host_keep_nobody_out(other: str) -> None:
    access, headers = Access(Names.of("127.0.0.1", 8765), TOKEN), Message()
    headers["Host"] = "127.0.0.1:8765"
    for cookies in (f"{other}; {access.cookie}={access.session}", f"{access.cookie}={access.session};{other}"):
        headers["Cookie"] = cookies
        assert access.check("GET", "/api/v1/gallery", headers) == "/api/v1/gallery"
        del headers["Cookie"]
    headers["Cookie"] = f"{other}; not-{access.cookie}={access.session}"
    assert status(access.check("GET", "/api/v1/gallery", headers)) == 401


def test_a_proxy_on_this_machine_reaches_the_server_by_the_name_that_was_given() -> None:
    access = Access(Names.of("127.0.0.1", 8765, ["Search.example.org"]), TOKEN)

    def found(host: str, origin: str) -> Refusal | str:
        headers = Message()
        headers["Host"], headers["Origin"], headers["Authorization"] = host, origin, f"Bearer {TOKEN}"
        return access.check("PATCH", "/api/v1/items", headers)

    for host in ("search.example.org", "search.example.org:8443"):
        assert found(host, f"https://{host}") == "/api/v1/items"
        assert status(found(host, "https://evil.example")) == 403
    assert found("127.0.0.1:8765", "http://127.0.0.1:8765") == "/api/v1/items"
    for host in ("127.0.0.1", "127.0.0.1:1", "evil.example", "search.example.org.evil.example", "10.0.0.1:8765"):
        assert status(found(host, f"https://{host}")) == 421


def test_a_token_that_could_be_guessed_is_refused() -> None:
    with pytest.raises(OptionError, match="could be guessed"):
        Access(Names.of("0.0.0.0", 80), "secret")


@pytest.mark.parametrize("host", ["evil.example", "evil.example:8765", "127.0.0.1.evil.example:8765", "127.0.0.1", ""])
def test_a_name_that_another_dns_server_points_here_is_refused(host: str, client: TestClient) -> None:
    assert client.get("/api/v1/gallery", headers={"Host": host}).status_code == 421


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Sec-Fetch-Site": "cross-site"},
        {"X-Resight": ""},
    ],
)
def test_a_page_of_another_site_changes_nothing(headers: dict[str, str], client: TestClient, gallery: Gallery) -> None:
    body = {"ids": [str(gallery.ids()[0])], "name": "somebody"}
    assert client.patch("/api/v1/items", json=body, headers=headers).status_code == 403
    gallery.refresh()
    assert "name" not in gallery.columns
