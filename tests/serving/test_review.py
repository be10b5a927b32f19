"""The review page on a real port: what it shows and saves, and every way in that is shut."""

from __future__ import annotations

import http.client
import io
import json
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image

from resight.errors import DataError
from resight.serving.review import ReviewServer
from resight.tasks.junk.review import Review
from tests.support.images import corrupt


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Three suspects, one of them unreadable and one with a name that is markup; a secret lies beside them."""
    names = ["<img src=x onerror=alert(1)>.png", "b.png", "bad.jpg"]
    for number, name in enumerate(names[:2]):
        Image.new("RGB", (300, 900), (number * 200, 20, 20)).save(tmp_path / name)
    corrupt(tmp_path / names[2])
    rows = "".join(f"{tmp_path / name},{0.9 - number / 10}\n" for number, name in enumerate(names))
    (tmp_path / "suspects.csv").write_text("path,score\n" + rows)
    (tmp_path / "secret.txt").write_text("secret")
    return tmp_path


@pytest.fixture
def server(folder: Path) -> Iterator[ReviewServer]:
    with ReviewServer(Review.open(folder)) as made:
        made._server.install_signal_handlers = lambda: None  # type: ignore[attr-defined]  # of another thread
        thread = threading.Thread(target=made.serve_forever)
        thread.start()
        while not made._server.started:
            time.sleep(0.01)
        yield made
        made.shutdown()
        thread.join()


class Client:
    """Requests as a browser would send them, or as an attacker would."""

    def __init__(self, server: ReviewServer) -> None:
        self.port, self.token = server.gate.port, server.gate.token
        self.home = f"http://127.0.0.1:{self.port}"

    def ask(
        self, method: str, path: str, body: bytes | None = None, **headers: str
    ) -> tuple[int, dict[str, str], bytes]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        connection.putrequest(method, path, skip_host=True)
        given = {"Host": f"127.0.0.1:{self.port}"} | {name.replace("_", "-"): value for name, value in headers.items()}
        if body is not None:
            given.setdefault("Content-Length", str(len(body)))
        for name, value in given.items():
            if value:
                connection.putheader(name, value)
        connection.endheaders(body)
        answer = connection.getresponse()
        read = answer.status, {name.title(): value for name, value in answer.getheaders()}, answer.read()
        connection.close()
        return read

    def get(self, path: str, **headers: str) -> tuple[int, dict[str, str], bytes]:
        return self.ask("GET", f"/{self.token}/{path}", **headers)

    def decide(self, told: object, **headers: str) -> int:
        own = {"Origin": self.home, "Content_Type": "application/json"} | headers
        body = told if isinstance(told, bytes) else json.dumps(told).encode()
        return self.ask("POST", f"/{self.token}/decide", body, **own)[0]


@pytest.fixture
def client(server: ReviewServer) -> Client:
    return Client(server)


ACCEPT = {"position": 1, "decision": "accepted"}


def test_the_page_its_images_and_decisions(client: Client, folder: Path) -> None:
    status, headers, page = client.get("")
    assert status == 200
    assert b"Is this junk?" in page
    policy = headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    nonce = policy.split("script-src 'nonce-")[1].split("'")[0]
    assert page.count(f'nonce="{nonce}"'.encode()) == 2
    assert client.get("")[1]["Content-Security-Policy"] != policy, "a nonce is used once"
    assert headers["X-Frame-Options"] == "DENY"

    state = json.loads(client.get("state")[2])["suspects"]
    assert [one["name"] for one in state] == ["<img src=x onerror=alert(1)>.png", "b.png", "bad.jpg"]
    assert b"onerror=alert" not in page, "names reach the page as data alone"
    status, headers, picture = client.get("small/1.jpg")
    assert (status, headers["Content-Type"], headers["X-Content-Type-Options"]) == (200, "image/jpeg", "nosniff")
    assert Image.open(io.BytesIO(picture)).size == (53, 160)
    assert Image.open(io.BytesIO(client.get("large/0.jpg")[2])).height == 640
    assert client.get("small/2.jpg")[0] == 404

    assert client.decide(ACCEPT) == 200
    assert client.decide({"position": 0, "decision": "rejected"}) == 200
    assert Review.open(folder).accepted == {str(folder / "b.png")}
    assert [one["decision"] for one in json.loads(client.get("state")[2])["suspects"]] == ["rejected", "accepted", None]
    assert client.decide({"position": 1, "decision": None}) == 200
    assert Review.open(folder).accepted == frozenset()


def test_it_listens_on_loopback_alone(server: ReviewServer) -> None:
    assert server.socket.getsockname()[0] == "127.0.0.1"
    assert server.socket.family == socket.AF_INET


@pytest.mark.parametrize(
    "path", ["/", "/state", "/decide", "/wrong/", "/wrong/state", "/wrong/small/0.jpg", "/%ff/state"]
)
def test_without_the_token_nothing_is_shown(client: Client, folder: Path, path: str) -> None:
    status, _, body = client.ask("GET", path)
    assert status == 403
    assert b"png" not in body
    assert client.token.encode() not in body
    own = {"Origin": client.home, "Content_Type": "application/json"}
    assert client.ask("POST", path, json.dumps(ACCEPT).encode(), **own)[0] == 403
    assert client.ask("GET", f"/{client.token[:-1]}/state")[0] == 403
    assert not (folder / "decisions.csv").exists()


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:{port}", "127.0.0.1.evil.example:{port}", "127.0.0.1", "127.0.0.1:1", ""]
)
def test_a_rebound_name_is_refused(client: Client, folder: Path, host: str) -> None:
    host = host.format(port=client.port)
    refused = (400, 421) if not host else (421,)
    assert client.get("state", Host=host)[0] in refused
    assert client.decide(ACCEPT, Host=host, Origin=f"http://{host}") in refused
    assert not (folder / "decisions.csv").exists()


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {"Origin": ""},
        {"Origin": "http://127.0.0.1:1"},
        {"Sec_Fetch_Site": "cross-site"},
        {"Sec_Fetch_Site": "same-site"},
        {"Content_Type": "text/plain"},
        {"Content_Type": "application/x-www-form-urlencoded"},
        {"Content_Type": ""},
    ],
)
def test_other_sites_decide_nothing(client: Client, folder: Path, headers: dict[str, str]) -> None:
    assert client.decide(ACCEPT, **headers) in (403, 415)
    assert not (folder / "decisions.csv").exists()
    assert client.decide(ACCEPT) == 200, "the page itself may"


def test_other_sites_cannot_embed_the_images(client: Client) -> None:
    assert client.get("small/0.jpg", Sec_Fetch_Site="cross-site")[0] == 403
    assert client.get("small/0.jpg", Sec_Fetch_Site="same-origin")[0] == 200
    assert client.get("small/0.jpg")[1]["Cross-Origin-Resource-Policy"] == "same-origin"


@pytest.mark.parametrize(
    "path",
    [
        "../secret.txt", "small/../../secret.txt", "small/..%2f..%2fsecret.txt", "small/%2e%2e/secret.txt", "secret.txt",
        "/etc/passwd", "//etc/passwd", "small//etc/passwd", "small/0.jpg/../../secret.txt", "small/3.jpg", "small/-1.jpg",
        "small/1e0.jpg", "small/%D9%A1.jpg", "small/0.jpg?x=../secret.txt", "large/999999999999.jpg", "suspects.csv",
        "templates/review.html",
    ],
)  # fmt: skip
def test_no_path_leads_out_of_the_list(client: Client, path: str) -> None:
    status, _, body = client.get(path)
    assert status == 404
    assert b"secret" not in body
    assert b"root:" not in body


@pytest.mark.parametrize(
    "told",
    [
        b"", b"not json", b"[]", b"{}", {"position": "1", "decision": "accepted"}, {"position": 1, "decision": "delete"},
        {"position": 3, "decision": "accepted"}, {"position": -1, "decision": "accepted"},
        {"position": True, "decision": "accepted"}, {"position": 1.0, "decision": "accepted"},
        {"position": 1, "decision": ["accepted"]}, {"position": 1}, b'{"position": 1, "decision": "' + b"a" * 2000 + b'"}',
    ],
)  # fmt: skip
def test_nonsense_is_refused(client: Client, folder: Path, told: object) -> None:
    assert client.decide(told) in (400, 413, 422)
    assert not (folder / "decisions.csv").exists()


def test_lengths_that_lie_are_refused(client: Client) -> None:
    # Without a body: where the server refuses before it has read one, the system may reset the connection and lose the answer.
    for length in ("-1", "9999999999999", "many", ""):
        assert client.decide(b"", Content_Length=length) in (400, 413, 422), length


@pytest.mark.parametrize("method", ["PUT", "DELETE", "OPTIONS", "HEAD", "PATCH"])
def test_other_methods_do_nothing(client: Client, method: str) -> None:
    own = {"Origin": client.home, "Content_Type": "application/json"}
    assert client.ask(method, f"/{client.token}/decide")[0] in (403, 405)
    assert client.ask(method, f"/{client.token}/decide", b"{}", **own)[0] == 405


def test_a_port_in_use_is_named(server: ReviewServer) -> None:
    for port in (server.gate.port, 70_000):
        with pytest.raises(DataError, match=f"port {port} cannot be used"):
            ReviewServer(server.review, port)


def test_two_servers_have_two_tokens(server: ReviewServer) -> None:
    with ReviewServer(server.review) as other:
        assert other.gate.token != server.gate.token
        assert len(other.gate.token) >= 43, "256 bits"


def test_a_decision_that_cannot_be_written_is_said(
    server: ReviewServer, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(position: int, decision: str | None) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(server.review, "decide", full)
    own = {"Origin": client.home, "Content_Type": "application/json"}
    status, _, body = client.ask("POST", f"/{client.token}/decide", json.dumps(ACCEPT).encode(), **own)
    told = "the decision could not be written: No space left on device"
    assert (status, json.loads(body)) == (500, {"detail": told})


def test_a_client_that_goes_away_harms_nothing(client: Client, capfd: pytest.CaptureFixture[str]) -> None:
    with socket.create_connection(("127.0.0.1", client.port)) as half:
        head = f"POST /{client.token}/decide HTTP/1.1\r\nHost: 127.0.0.1:{client.port}\r\n"
        half.sendall(
            f"{head}Origin: {client.home}\r\nContent-Type: application/json\r\nContent-Length: 500\r\n\r\n".encode()
        )
    assert client.decide(ACCEPT) == 200
    assert capfd.readouterr().err == ""
