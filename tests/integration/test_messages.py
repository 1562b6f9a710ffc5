"""What is seen of messages: `berth messages`, `berth trace`, `status`, and the API's side of it."""

import json
import os
import pty
import subprocess

import pytest

from berthlib import BIN, wait_for
from relaylib import Apps
from test_controller import Up


@pytest.fixture(scope="module")
def up(tmp_path_factory):
    it = Up(tmp_path_factory.mktemp("messages") / "home")
    it.begin()
    it.relay = Apps(it)
    for name in ("a", "b"):
        it.relay.install(name)
    yield it
    it.relay.close()
    it.berth("down", timeout=120)
    it.destroy()


@pytest.fixture(autouse=True)
def emptied(up):
    yield
    for app in ("a", "b"):
        up.berth("messages", app, "--clear", "--yes", check=0)


def waiting(up, app, *words):
    return up.berth("messages", app, "--json", *words, check=0).json()["messages"]


def ask(up, method, path, body=None, status=200):
    got, reply = up.panel.ask(method, f"/agents/default{path}", body)
    assert got == status, reply
    return reply


def test_messages_are_listed_decoded_and_secrets_masked(up):
    up.relay.wire("a").do("notify", {"n": 1, "password": "hunter2", "raw": b"\x00\xff"}, "two", to="b", ttl_ms=600_000)
    first, second = waiting(up, "b")
    assert first["payload"] == {"n": 1, "password": "********", "raw": {"bytes": 2, "hex": "00ff"}}
    assert (first["from"], first["attempt"], first["held"], first["whole"]) == ("a", 0, False, True)
    assert second["payload"] == "two" and second["expires"] > second["time"]
    assert [m["id"] for m in waiting(up, "b", "--after", first["id"])] == [second["id"]]
    assert [m["id"] for m in waiting(up, "b", "-n", 1)] == [first["id"]]
    text = up.berth("messages", "b", "--full", check=0).out
    assert "hunter2" not in text and "two" in text and f"{first['id']}  from a" in text
    wait_for(lambda: "2 waiting" in up.berth("status", "b", check=0).out, "the relay's figures, which are told now and then")
    mailbox = next(m for m in up.berth("messages", "--json", check=0).json() if m["app"] == "b")
    assert (mailbox["waiting"], mailbox["known"]) == (2, True) and mailbox["oldest"] and mailbox["bytes"] > 5
    assert up.berth("messages", check=0).out.splitlines()[0].split() == ["APP", "WAITING", "SIZE", "OLDEST", "IN/S", "OUT/S", "REDELIVERED", "DEAD"]


def test_one_is_removed_and_all_are_cleared_for_good(up):
    up.relay.wire("a").do("notify", 1, 2, 3, to="b")
    ids = [m["id"] for m in waiting(up, "b")]
    up.berth("messages", "b", "--remove", ids[1], check=0)
    assert "no message" in up.berth("messages", "b", "--remove", ids[1], check=3).err
    up.kill("agent")
    wait_for(lambda: up.berth("messages", "b").code == 0, "the agent is back")
    # What the controller asks while it notices that has no answer: it is to be over before the next test.
    wait_for(lambda: [(a["state"], a["pid"]) for a in up.panel.ask("GET", "/agents")[1]["agents"]] == [("connected", up.pid_of("agent"))],
             "the controller knows the new agent")
    assert [m["payload"] for m in waiting(up, "b")] == [1, 3]
    refused = up.berth("messages", "b", "--clear", check=1)  # no terminal, no --yes
    assert "--yes" in refused.err and len(waiting(up, "b")) == 2
    assert up.berth("messages", "b", "--clear", "--yes", "--json", check=0).json() == {"removed": 2}
    assert waiting(up, "b") == []
    assert up.berth("messages", "--clear", "--yes").code == 2


def test_dead_letters_over_the_api(up):
    up.relay.install("c", "[ipc]\nmax_attempts = 1\n")
    c = up.relay.wire("c")
    ids = up.relay.wire("a").do("notify", *range(4), to="c")["ids"]
    assert len(c.poll()) == 4
    c.do("release", ids=ids)
    found = ask(up, "GET", "/apps/c/mailbox?dead=true")
    assert [(m["id"], m["payload"]) for m in found["messages"]] == list(zip(ids, range(4)))
    assert all(m["dead"] for m in found["messages"]) and ask(up, "GET", "/apps/c/mailbox")["messages"] == []
    wait_for(lambda: ask(up, "GET", "/apps/c/mailbox")["mailbox"]["dead"] == 4, "the relay's figures")
    assert ask(up, "POST", "/apps/c/mailbox/resend", {"message": ids[1]}) == {"resent": 1}
    assert [p for _, p in c.poll(auto_ack=True)] == [1]
    ask(up, "DELETE", f"/apps/c/mailbox/{ids[0]}", status=204)
    assert ask(up, "POST", "/apps/c/mailbox/resend", {}) == {"resent": 2}
    ask(up, "POST", "/apps/c/mailbox/resend", {"message": "x"}, status=400)
    c.do("release", ids=[m["id"] for m, _ in c.poll()])
    assert ask(up, "DELETE", "/apps/c/mailbox?dead=true") == {"removed": 2}
    assert ask(up, "GET", "/apps/c/mailbox?dead=true")["messages"] == []
    audit = json.dumps(up.panel.ask("GET", "/audit")[1])
    assert all(f"\"{action}\"" in audit for action in ("resend_messages", "drop_dead_letters", "remove_message"))


def on_a_terminal(up, answer, *words):
    """What `berth` shows there, and its exit code; `answer` is typed when it asks."""
    pid, terminal = pty.fork()
    if pid == 0:
        os.execve(BIN / "berth", ["berth", *words], up.env)
    shown = b""
    try:
        while True:
            shown += os.read(terminal, 4096)
            if answer and b"[y/N] " in shown:
                os.write(terminal, answer)
                answer = None
    except OSError:  # its end
        pass
    os.close(terminal)
    return shown.decode(), os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def test_on_a_terminal_it_asks_before_something_is_lost(up):
    up.relay.wire("a").do("notify", 1, 2, to="b")
    shown, code = on_a_terminal(up, b"n\n", "messages", "b", "--clear")
    assert code == 1 and "Remove all messages" in shown and len(waiting(up, "b")) == 2
    shown, code = on_a_terminal(up, b"y\n", "messages", "b", "--clear")
    assert code == 0 and "removed 2 messages" in shown and waiting(up, "b") == []


def test_the_trace_is_followed(up, tmp_path):
    def outcomes():
        entries = [json.loads(line) for line in (tmp_path / "trace").read_text().split("\n")[:-1]]
        return [e["outcome"] for e in entries if e["bytes"] == 102]

    with open(tmp_path / "trace", "wb") as file, \
            subprocess.Popen([BIN / "berth", "trace", "b", "--follow", "--json"], env=up.env, stdout=file) as following:
        try:
            up.relay.wire("a").do("notify", "x" * 100, to="b")
            wait_for(lambda: outcomes() in (["waiting"], ["storing", "waiting"]), "the message")
            up.relay.wire("b").poll(auto_ack=True)
            wait_for(lambda: outcomes()[-1] == "acknowledged", "its end")
        finally:
            following.kill()


def test_the_asker_of_a_removed_request_is_told(up):
    a = up.relay.wire("a")
    asked = a.send("request", "?", to="b", timeout_ms=60_000)
    request = wait_for(lambda: waiting(up, "b"), "the request")[0]
    assert request["request"]
    up.berth("messages", "b", "--remove", request["id"], check=0)
    answer = a.answer(asked)
    assert answer.code == 409 and "removed" in answer.info["error"]


def test_the_trace_tells_what_became_of_each(up):
    a, b = up.relay.wire("a"), up.relay.wire("b")
    for payload, more in (("taken", {}), ("waits", {}), ("late", {"ttl_ms": 1})):
        a.do("notify", payload, to="b", **more)
    ids = [m["id"] for m in waiting(up, "b")]
    (meta, _), = b.poll(max=1)
    b.do("ack", ids=[meta["id"]])
    a.do("raise", "made", type="built")

    def trace(*words):
        return {e["id"]: e for e in up.berth("trace", "--json", "-n", 50, *words, check=0).json()}

    entries = trace("b")
    taken, waits = entries[ids[0]], entries[ids[1]]
    assert (taken["outcome"], taken["from"], taken["to"], taken["kind"]) == ("acknowledged", "a", "b", "notify")
    assert taken["accepted"] <= taken["stored"] <= taken["given"] <= taken["ended"]
    assert waits["outcome"] == "waiting" and waits["stored"] and waits["given"] is None
    event = [e for e in trace().values() if e["kind"] == "event"][-1]
    assert (event["to"], event["from"], event["outcome"]) == ("built", "a", "told")
    assert "acknowledged" in up.berth("trace", "b", check=0).out


def test_the_api_shows_and_sends_by_hand(up):
    sent = ask(up, "POST", "/apps/b/messages", {"payload": {"token": "hunter2", "n": [1, None, 2.5]}})
    assert sent["known"]
    assert [p for _, p in up.relay.wire("b").poll()] == [{"token": "hunter2", "n": [1, None, 2.5]}]  # whole for the app
    ask(up, "POST", "/apps/b/messages", {}, status=400)
    shown = wait_for(lambda: (r := ask(up, "GET", "/apps/b/mailbox"))["mailbox"]["waiting"] and r, "the figures")
    assert shown["messages"][0]["payload"] == {"token": "********", "n": [1, None, 2.5]}
    assert not shown["more"] and shown["messages"][0]["from"] == ""
    assert ask(up, "GET", "/mailboxes")["mailboxes"] and ask(up, "GET", "/trace?limit=5")["entries"]
    assert wait_for(lambda: ask(up, "GET", "/apps/b")["mailbox"], "the app's mailbox")["received"] >= 1
    ask(up, "DELETE", f"/apps/b/mailbox/{sent['id']}", status=204)
    ask(up, "DELETE", f"/apps/b/mailbox/{sent['id']}", status=404)
    ask(up, "DELETE", "/apps/b/mailbox/x", status=400)
    ask(up, "POST", "/apps/b/messages", {"payload": "x"})
    assert ask(up, "DELETE", "/apps/b/mailbox") == {"removed": 1}
    b = up.relay.wire("b", subscribe=True)
    assert ask(up, "POST", "/events", {"type": "made", "payload": 5})["seq"] >= 1
    event = b.push("event")
    assert (event.meta["type"], event.payload) == ("made", [5])
    audit = up.panel.ask("GET", "/audit")[1]["entries"]
    verbs = {(e["verb"], e["target"]) for e in audit}
    assert {("send_message", "default/b"), ("remove_message", f"default/b {sent['id']}"),
            ("clear_mailbox", "default/b"), ("raise_event", "default made")} <= verbs


def test_an_app_without_mailbox_says_null(up):
    up.load("lonely.toml", '[app]\nid = "lonely"\ncommand = "true"\n')
    assert up.app("lonely")["mailbox"] is None
    assert wait_for(lambda: up.panel.ask("GET", "/agents/default/apps/lonely")[0] == 200, "it is known")
    assert ask(up, "GET", "/apps/lonely")["mailbox"] is None and ask(up, "GET", "/apps/lonely/mailbox")["mailbox"] is None


def test_figures_are_in_the_history(up):
    up.berth("start", "b", check=0)
    up.relay.wire("a").do("notify", 1, 2, 3, to="b")
    points = wait_for(lambda: (m := ask(up, "GET", "/apps/b/metrics"))["messages"] and max(m["messages"]) == 3 and m,
                      "a sample with the messages")
    assert len(points["messages_in"]) == len(points["messages_out"]) == len(points["time"])
