"""Small things at the edges: what people type wrong, leave out, rename, or look at in a narrow window."""

import subprocess

import pytest

from berthlib import alive, wait_for
from ptylib import Terminal

SLEEP = 'command = "sleep 1000"\n'


# --- one plain app, or instances of it

def test_switching_between_plain_and_instances_leaves_one_form(home):
    home.load("web.toml", f'[app]\nid = "web"\n{SLEEP}')
    home.berth("start", "web", check=0)
    plain = home.app("web")["pid"]
    said = home.load("web.toml", f'[app]\nid = "web"\n{SLEEP}instances = 2\n')
    assert "web is no form" in said.err
    wait_for(lambda: set(home.apps()) == {"web.1", "web.2"}, "the plain one is forgotten")
    assert not alive(plain)
    wait_for(lambda: all(app["state"] == "running" for app in home.apps().values()), "they run in its place")
    pids = [app["pid"] for app in home.apps().values()]
    home.write("web.toml", f'[app]\nid = "web"\n{SLEEP}')
    assert "declares web in its place" in home.berth("check", "web.1").err
    result = home.berth("restart", "--reload", "web", check=0)
    assert "replaced by web" in result.out
    wait_for(lambda: set(home.apps()) == {"web"} and home.state("web") == "running", "the plain one is back")
    assert not any(alive(pid) for pid in pids) and len(home.processes_of("web")) == 1


def test_a_switch_goes_on_when_the_agent_is_killed_in_it(home):
    slow = "trap '' TERM; echo up; while :; do sleep 0.1; done"
    text = f'[app]\nid = "web"\nargv = ["sh", "-c", "{slow}"]\n[ready]\nlog = "up"\n[stop]\ntimeout = "2s"\n'
    home.load("web.toml", text)
    home.berth("start", "web", check=0)
    home.load("web.toml", text.replace("argv", "instances = 2\nargv"))
    home.kill("agent")
    wait_for(lambda: set(home.apps()) == {"web.1", "web.2"}, "the plain one is forgotten")
    wait_for(lambda: all(app["state"] == "running" for app in home.apps().values()), "they run in its place")
    assert not home.processes_of("web")


# --- files

def test_an_unknown_key_of_agent_toml_is_a_warning(empty_home):
    home = empty_home
    home.agent_home.mkdir(parents=True)
    (home.agent_home / "agent.toml").write_text('[log]\nmax_totl = "2GiB"\n[colour]\nx = 1\n')
    home.up()
    for said in (home.berth("list").err, home.berth("doctor").out):
        assert "agent.toml:2" in said and "max_totl" in said and "max_total" in said, said
        assert "colour" in said
    (home.agent_home / "agent.toml").write_text('[log]\nmax_total = "2GiB"\n')
    home.down()
    home.up()
    assert "agent.toml" not in home.berth("list").err


@pytest.mark.parametrize("name", ["app.so", "app.py", "folder.py"])
def test_a_missing_module_is_found_before_it_is_started(home, name):
    if name.startswith("folder"):
        (home.path / "src" / name).mkdir(parents=True)
    home.load("m.toml", f'[app]\nid = "m"\nargv = ["{name}"]\nmodule = true\n[restart]\npolicy = "always"\n')
    for verb in ("check", "start"):
        result = home.berth(verb, "m")
        assert result.code == 1 and f"src/{name}" in result.err, result.err
        assert ("is not a file" if name.startswith("folder") else "does not exist") in result.err
    assert home.state("m") == "failed", "the next try would fail too"


@pytest.mark.parametrize("where", ["/proc/nope", "/sys/nope/deeper", "/dev/null", "/dev/null/x"])
def test_doctor_says_where_no_home_can_be(empty_home, where):
    result = empty_home.berth("--home", where, "doctor")
    assert result.code == 1
    assert f"NOTE  home {where}" in result.out
    assert "ok    home is writable" not in result.out and "ok    home can be made" not in result.out, result.out


def test_doctor_leaves_nothing_behind(empty_home):
    home = empty_home
    home.path.mkdir()
    assert "ok    home is writable" in home.berth("doctor").out
    assert not list(home.path.iterdir())


# --- help and completion

def test_help_of_a_family_of_commands_and_the_version(empty_home):
    said = empty_home.berth("help", "agent", check=0).out
    assert "agent authorize" in said and "agent peers" in said and "controller run" not in said
    assert "add-user" in empty_home.berth("help", "controller", check=0).out
    assert 'did you mean "start"' in empty_home.berth("help", "strat", check=2).err
    version = empty_home.berth("version", check=0).out
    assert version.startswith("berth ")
    for words in (["--version"], ["start", "--version"], ["--version", "--json"]):
        assert version.split()[1] in empty_home.berth(*words, check=0).out
    for program in ("berth-agent", "berth-controller"):
        assert empty_home.berth("--version", program=program, check=0).out == f"{program} {version.split()[1]}\n"


def complete(home, *words):
    """What the shell offers after these words, by the script that it is given."""
    script = home.berth("completion", "bash", check=0).out
    line = " ".join(f"'{word}'" for word in ("berth", *words))
    done = subprocess.run(
        ["bash", "-c", f'{script}\nCOMP_WORDS=({line}); COMP_CWORD={len(words)}; _berth; printf "%s\\n" "${{COMPREPLY[@]}}"'],
        capture_output=True, text=True, timeout=30, check=True, env=home.env, cwd=home.path)
    return done.stdout.split()


def test_bash_completes_commands_options_agents_and_ids(home):
    home.load("a.toml", f'[app]\nid = "alpha"\n{SLEEP}')
    home.load("b.toml", f'[app]\nid = "beta"\n{SLEEP}')
    assert complete(home, "sta") == ["start", "status"]
    assert complete(home, "agent", "au") == ["authorize"]
    assert complete(home, "logs", "--foll") == ["--follow"]
    assert complete(home, "start", "") == ["alpha", "beta"]
    assert complete(home, "start", "al") == ["alpha"]
    assert complete(home, "list", "--agent", "d") == ["default"]
    assert complete(home, "logs", "--stream", "std") == ["stdout", "stderr"]
    assert complete(home, "load", "sr") == ["src"]
    assert complete(home, "explain", "alpha", "") == []
    home.down()
    assert complete(home, "start", "") == [] and complete(home, "sto") == ["stop"]


def test_scripts_of_all_shells_ask_berth_itself(empty_home):
    for shell in ("bash", "zsh", "fish"):
        assert "__complete" in empty_home.berth("completion", shell, check=0).out
    empty_home.berth("completion", "tcsh", check=2)


# --- many apps, narrow windows

def load_many(home, count):
    ids = [f"a-rather-long-name-of-an-app-{n:03}" for n in range(count)]
    folder = home.path / "src" / "many"
    folder.mkdir(parents=True)
    for app in ids:
        (folder / f"{app}.toml").write_text(f'[app]\nid = "{app}"\ncommand = "true"\ncomment = "{"says a lot about itself " * 4}"\n')
    return ids, sorted(folder.iterdir())


def test_loading_many_says_how_many(home):
    ids, files = load_many(home, 30)
    assert home.berth("load", *files, check=0).out == "loaded 30 apps; -v names them\n"
    assert home.berth("load", "-v", *files, check=0).out.split("\n") == ["loaded 30 apps:", *ids, ""]
    assert home.berth("load", *files[:2], check=0).out == f"loaded 2 apps: {ids[0]} {ids[1]}\n"
    refused = home.berth("clean", ".*")
    assert refused.code == 2 and "and 20 more" in refused.err
    assert "and 20 more" in home.berth("explain", ".*").err


def test_a_command_for_all_reads_the_descriptors_of_many(home):
    _, files = load_many(home, 700)
    home.berth("load", *files, check=0)
    reloaded = home.berth("reload", ".*")
    assert (reloaded.code, reloaded.out.count("nothing has changed")) == (0, 700), reloaded.err[:500]


def test_a_terminal_shows_many_as_a_number_and_a_pipe_as_before(home):
    ids, files = load_many(home, 30)
    home.berth("load", *files, check=0)
    assert home.berth("reload", ".*", check=0).out.count("nothing has changed") == 30
    with Terminal(home, "reload", ".*") as terminal:
        assert terminal.end() == 0
        assert terminal.text() == "reloaded 30 of 30 apps; -v names them\n"
    with Terminal(home, "reload", "-v", ".*") as terminal:
        assert terminal.end() == 0 and terminal.text().count("nothing has changed") == 30
    with Terminal(home, "clean", ".*") as terminal:
        terminal.until("go on?")
        assert "and 10 more" in terminal.text()
        terminal.type("n\n")
        assert terminal.end() == 1


@pytest.mark.parametrize("columns", [40, 80, 200])
def test_no_line_is_wider_than_the_window(home, columns):
    _, files = load_many(home, 12)
    home.berth("load", *files, check=0)
    for words in (["list"], ["help"], ["help", "logs"], ["help", "agent"], ["messages"], ["top"]):
        with Terminal(home, *words, columns=columns, rows=10) as terminal:
            if words == ["top"]:
                terminal.until("apps, ")
                terminal.until("STATE")
                terminal.type("q")
            assert terminal.end() == 0, terminal.seen
            lines = terminal.text().split("\n")
            usable = [line for line in lines if not line.startswith(("usage:", "berth "))]
            if columns >= 80 or words[0] != "help":
                assert max(map(len, usable)) <= columns, max(usable, key=len)
            assert words != ["top"] or len(lines) <= 10
    assert ("says a lot about itself " * 4).strip() in home.berth("list", check=0).out


def test_top_follows_the_window(home):
    _, files = load_many(home, 12)
    home.berth("load", *files, check=0)
    with Terminal(home, "top", "--interval", "60s", columns=120, rows=30) as terminal:
        terminal.until("-011")
        terminal.seen = b""
        terminal.resize(8, 50)
        terminal.until("STATE")
        terminal.type("q")
        assert terminal.end() == 0
        lines = terminal.text().split("\n")
        assert max(map(len, lines)) <= 50 and len(lines) <= 9
        assert terminal.modes() == terminal.before


def test_going_down_right_after_coming_up_keeps_the_apps_and_ends(empty_home):
    home = empty_home
    for _ in range(5):  # as fast as possible: `up` was still about to look for its keeper
        home.berth("up", "--detach", "--listen", "127.0.0.1:0", check=0)
        assert "the apps go on" in home.berth("down", "--keep-apps", check=0, timeout=30).out
    home.berth("up", "--detach", "--listen", "127.0.0.1:0", check=0)
    home.berth("down", check=0, timeout=30)
    assert not home.pid_of("keeper") or not alive(home.pid_of("keeper"))
