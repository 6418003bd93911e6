"""Who may ask: tokens, names of this machine, pages of other sites."""

import base64

import httpx
import pytest
from serving import GIVE_UP, Talker, serving

from umi_lite.errors import UserError
from umi_lite.serve.server import Access, listen, read_token

BODY = {"messages": [{"role": "user", "content": "Do it."}]}
TOKEN = "0123456789abcdef-é"
GOOD = {"authorization": f"Bearer {TOKEN}".encode()}


def quiet() -> Talker:
    return Talker(lambda *_: GIVE_UP)


def test_a_token_is_needed_for_all_but_health():
    with serving(quiet(), token=TOKEN) as running:
        paths = ("/v1/models", "/metrics", "/v1/nothing", "/")
        for path in paths:
            refused = httpx.get(running.url + path)
            assert refused.status_code == 401, path
            assert refused.json()["error"]["type"] == "authentication_error"
        for wrong in (
            b"Bearer",
            b"Bearer no",
            f"Bearer {TOKEN}x".encode(),
            b"Basic !",
            b"Basic \xe9",
            b"\xff",
        ):
            assert running.post(BODY, headers={"authorization": wrong}).status_code == 401
        assert httpx.get(f"{running.url}/health").status_code == 200
        assert running.post(BODY, headers=GOOD).status_code == 200
        basic = b"Basic " + base64.b64encode(f"any:{TOKEN}".encode())
        assert running.post(BODY, headers={"authorization": basic}).status_code == 200
        # By another name of this machine, too: the token is the proof.
        assert running.post(BODY, headers={**GOOD, "host": "box.lan"}).status_code == 200


@pytest.mark.parametrize("host", ["localhost:1", "127.0.0.1", "127.0.0.1:80", "[::1]:80"])
def test_names_of_this_machine_need_no_token(host):
    with serving(quiet()) as running:
        assert running.post(BODY, headers={"host": host}).status_code == 200


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example", "0.0.0.0", ""])
def test_other_names_are_refused_without_a_token(host):
    with serving(quiet()) as running:
        assert running.post(BODY, headers={"host": host}).status_code in (400, 403)


def test_pages_of_other_sites_may_not_ask():
    with serving(quiet()) as running:
        for origin in ("https://evil.example", "null", "http://127.0.0.1:1"):
            answer = running.post(BODY, headers={"origin": origin})
            assert answer.status_code == 403
            assert "access-control-allow-origin" not in answer.headers
        assert running.post(BODY, headers={"origin": running.url}).status_code == 200
        asked = {"origin": "https://evil.example", "access-control-request-method": "POST"}
        answer = httpx.options(f"{running.url}/v1/chat/completions", headers=asked)
        assert "access-control-allow-origin" not in answer.headers


def test_a_site_that_was_allowed_may_ask():
    site = "https://chat.example"
    with serving(quiet(), origins=[site], token=TOKEN) as running:
        asked = {"origin": site, "access-control-request-method": "POST"}
        asked["access-control-request-headers"] = "authorization,content-type"
        answer = httpx.options(f"{running.url}/v1/chat/completions", headers=asked)
        assert answer.status_code == 200
        assert answer.headers["access-control-allow-origin"] == site
        answer = running.post(BODY, headers={**GOOD, "origin": site})
        assert answer.status_code == 200 and answer.headers["access-control-allow-origin"] == site
        other = running.post(BODY, headers={**GOOD, "origin": "https://evil.example"})
        assert other.status_code == 403


def test_addresses_of_other_machines_need_a_token(tmp_path):
    for host in ("0.0.0.0", "::"):
        with pytest.raises(UserError, match=r"can be reached from other machines.*--token-file"):
            listen(Access(host=host, port=0))
    with pytest.raises(UserError, match="fewer than 16 characters"):
        listen(Access(host="0.0.0.0", port=0, token="short"))
    listen(Access(host="0.0.0.0", port=0, token=TOKEN)).close()
    taken = listen(Access(port=0))
    taken.listen()
    with pytest.raises(UserError, match=r"cannot listen on 127.0.0.1:.*in use"):
        listen(Access(port=taken.getsockname()[1]))
    taken.close()
    with pytest.raises(UserError, match=r"cannot listen on no\.such\.name\.invalid"):
        listen(Access(host="no.such.name.invalid"))


def test_where_the_token_comes_from(tmp_path, monkeypatch):
    monkeypatch.delenv("UMI_SERVE_TOKEN", raising=False)
    assert read_token(None) is None
    monkeypatch.setenv("UMI_SERVE_TOKEN", TOKEN)
    assert read_token(None) == TOKEN
    (tmp_path / "token").write_text("another-token-of-mine\n", encoding="utf-8")
    assert read_token(tmp_path / "token") == "another-token-of-mine"
    with pytest.raises(UserError, match=r"--token-file .*missing: No such file"):
        read_token(tmp_path / "missing")
