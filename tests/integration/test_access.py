"""Who may come in: passwords by the panel and by the command line, the brake on guesses, who is known."""

import http.client
import json

import pytest

from berthlib import Home, wait_for
from test_controller import PASSWORD, Panel, Up

OTHER = "another good one"


@pytest.fixture(scope="module")
def up(tmp_path_factory):
    it = Up(tmp_path_factory.mktemp("access") / "home")
    it.begin()
    yield it
    it.berth("down", timeout=120)
    it.destroy()


class Browser(Panel):
    """With all its cookies, and an address of its own on this machine."""

    def __init__(self, up, address="127.0.0.1"):
        super().__init__(f"http://{up.panel.host}")
        self.source, self.jar = address, {}

    def log_in(self, user, password):
        link = http.client.HTTPConnection(self.host, timeout=30, source_address=(self.source, 0))
        link.request("POST", "/api/v1/session", json.dumps({"username": user, "password": password}), {
            "Content-Type": "application/json", "Cookie": "; ".join(f"{k}={v}" for k, v in self.jar.items())})
        reply = link.getresponse()
        text = reply.read().decode()
        for cookie in reply.msg.get_all("Set-Cookie") or []:
            name, value = cookie.split(";")[0].split("=", 1)
            self.jar[name] = value
        self.cookie = "; ".join(f"{k}={v}" for k, v in self.jar.items())
        self.csrf = json.loads(text).get("csrf")
        link.close()
        return reply.status


def controller(up, *words, stdin):
    return up.berth("controller", *words, stdin=stdin if isinstance(stdin, bytes) else stdin.encode())


def test_the_address_of_the_panel_is_kept_until_it_is_forgotten(tmp_path):
    home = Home(tmp_path / "home")
    url = "https://panel.example.org/berth/"
    try:
        out = home.berth("up", "--detach", "--listen", "127.0.0.1:0", "--url", url, check=0).out
        assert f"panel: {url}\n" in out and f"{url}setup#token=" in out and "its proxy asks: http://127.0.0.1:" in out
        again = home.berth("up", "--url", url)
        assert again.code == 1 and "berth down first" in again.err
        home.berth("down", check=0)
        assert f"panel: {url}\n" in home.berth("up", "--detach", "--listen", "127.0.0.1:0", check=0).out
        home.berth("down", check=0)
        for bad, why in (("panel.example.org", "https://"), ("https://panel.example.org/api/", "choose another path")):
            refused = home.berth("up", "--detach", "--listen", "127.0.0.1:0", "--url", bad)
            log = home.path / "up.log"
            assert refused.code == 1 and why in refused.err + (log.read_text() if log.exists() else "")
        out = home.berth("up", "--detach", "--listen", "127.0.0.1:0", "--url", "none", check=0).out
        assert "panel: http://127.0.0.1:" in out and "example.org" not in out
    finally:
        home.berth("down", timeout=120)
        home.destroy()


def test_the_panel_of_everybody_changes_the_own_password_and_ends_the_other_sessions(up):
    assert controller(up, "add-user", "vic", "--role", "viewer", stdin=PASSWORD + "\n").code == 0
    here, there = Browser(up), Browser(up)
    assert here.log_in("vic", PASSWORD) == 200 and there.log_in("vic", PASSWORD) == 200
    assert here.ask("POST", "/session/password", {"present": "no idea at all", "password": OTHER})[0] == 403
    status, reply = here.ask("POST", "/session/password", {"present": PASSWORD, "password": "password1"})
    assert status == 400 and "everybody tries" in reply["detail"]
    assert there.ask("GET", "/session")[0] == 200
    assert here.ask("POST", "/session/password", {"present": PASSWORD, "password": OTHER})[0] == 204
    assert here.ask("GET", "/session")[0] == 200
    assert there.ask("GET", "/session")[0] == 401
    assert Browser(up).log_in("vic", PASSWORD) == 401
    assert Browser(up).log_in("vic", OTHER) == 200
    entries = up.panel.ask("GET", "/audit?limit=20")[1]["entries"]
    assert ["done", "refused: the present password is wrong"] == sorted(
        {e["result"] for e in entries if e["verb"] == "change own password" and "everybody" not in e["result"]})


def test_the_command_line_changes_and_resets_passwords_of_a_controller_that_runs(up):
    assert controller(up, "add-user", "cli", stdin=PASSWORD + "\n").code == 0
    browser = Browser(up)
    assert browser.log_in("cli", PASSWORD) == 200
    wrong = controller(up, "change-password", "cli", stdin=f"no idea at all\n{OTHER}\n")
    assert wrong.code == 1 and "present password is wrong" in wrong.err
    assert controller(up, "change-password", "cli", stdin=f"{PASSWORD}\n{OTHER}\n").code == 0
    assert Browser(up).log_in("cli", OTHER) == 200
    wait_for(lambda: browser.ask("GET", "/session")[0] == 401, "the session's end")
    assert controller(up, "reset-password", "cli", stdin=PASSWORD).code == 0
    assert Browser(up).log_in("cli", PASSWORD) == 200
    nobody = controller(up, "reset-password", "nobody", stdin=PASSWORD)
    assert nobody.code == 1 and "nobody" in nobody.err


def test_a_reset_ends_the_sessions_there_are(up):
    assert controller(up, "add-user", "gone", stdin=PASSWORD + "\n").code == 0
    browser = Browser(up)
    assert browser.log_in("gone", PASSWORD) == 200
    assert controller(up, "reset-password", "gone", stdin=OTHER + "\n").code == 0
    wait_for(lambda: browser.ask("GET", "/session")[0] == 401, "the session's end")


@pytest.mark.parametrize("command", ["add-user", "reset-password"])
@pytest.mark.parametrize("stdin, why", [
    (b"correct horse battery\r\n", "carriage return"), (b"correct horse battery\nmore\n", "more than one line"),
    (b"correct horse \xff battery\n", "UTF-8"), (b"correct horse \xc3\n", "UTF-8"), (b"", "one line"), (b"\n", "one line"),
    (b"correct\thorse battery\n", "control characters"), (b"sunshine\n", "everybody tries"), (b"trustno1\n", "everybody tries"),
    ("äöüä\n".encode(), "at least 8 characters"), (b"x" * 300, "at most 256"), (b"y" * 100_000, "at most 256")])
def test_a_password_that_is_none_is_refused_with_its_reason(up, command, stdin, why):
    result = controller(up, command, "mallory" if command == "add-user" else "admin", stdin=stdin)
    assert result.code == 1 and why in result.err, result.err
    assert Browser(up, "127.0.0.9").log_in("admin", PASSWORD) == 200


def test_a_password_is_the_same_in_both_forms_of_unicode(up):
    assert controller(up, "add-user", "uni", stdin="cafe\u0301 con leche\n").code == 0
    assert Browser(up).log_in("uni", "caf\u00e9 con leche") == 200
    assert Browser(up).log_in("uni", "cafe\u0301 con leche") == 200


def test_guesses_shut_out_nobody_but_who_guesses(up):
    known, guesser = Browser(up), Browser(up)
    assert known.log_in("admin", PASSWORD) == 200
    answers = [guesser.log_in("admin", f"guess number {i}") for i in range(40)]
    assert 429 in answers and set(answers) == {401, 429}
    assert guesser.log_in("admin", PASSWORD) == 429  # it could be anybody
    assert known.log_in("admin", PASSWORD) == 200
    assert Browser(up, "127.0.0.5").log_in("admin", PASSWORD) == 200
    assert controller(up, "add-user", "own", stdin=PASSWORD + "\n").code == 0
    assert guesser.log_in("own", PASSWORD) == 200
    assert guesser.log_in("admin", PASSWORD) == 429  # an own account resets nothing
    # What was turned away unseen is not in the audit log, which would grow as fast as somebody can ask.
    entries = up.panel.ask("GET", "/audit?limit=200")[1]["entries"]
    assert not [entry for entry in entries if "too many" in entry["result"]]
