"""Every command of the documentation is run, in the order of its page, on a fresh home. See docslib.py."""

import re
import shutil
import subprocess

import pytest

from berthlib import Home, reap
from docslib import ROOT, Shell, run_page, steps_of

PAGES = sorted(str(path.relative_to(ROOT)) for pattern in ("README.md", "deploy/docs/*.md", "agent/sdk/*/README.md", "examples/*/README.md")
               for path in ROOT.glob(pattern))
WITH_COMMANDS = [page for page in PAGES if any(step.kind in ("run", "skip") for step in steps_of((ROOT / page).read_text(encoding="utf-8")))]


@pytest.fixture
def shell(tmp_path):
    home = Home(tmp_path / "home")
    home.env["BERTH_HOME"] = str(home.path)
    it = Shell(tmp_path / "berth", home)
    yield it
    it.close()
    for agent in (home.path / "agents").glob("*"):
        if agent.name != "default":
            home.berth("--agent", agent.name, "agent", "stop")
    home.berth("down", timeout=120)
    home.destroy()
    reap()


@pytest.mark.parametrize("page", WITH_COMMANDS)
def test_each_command_of_a_page(page, shell):
    ran, skipped = run_page(page, shell)
    print(f"{page}: {ran} run, {skipped} not")
    assert ran + skipped > 0


def test_most_commands_are_run():
    steps = [step for page in WITH_COMMANDS for step in steps_of((ROOT / page).read_text(encoding="utf-8"))]
    run, skipped = (sum(step.kind == kind for step in steps) for kind in ("run", "skip"))
    print(f"{len(WITH_COMMANDS)} pages, {run} commands run, {skipped} not")
    assert run >= 70 and skipped <= 30


def test_the_runner_sees_what_fails(tmp_path, shell):
    page = tmp_path / "page.md"
    page.write_text("Words\n\n    true\n    $ echo a && \\\n      echo b\n\n<!-- not run: no -->\n    false\n\n<!-- file: x/y.toml -->\n"
                    "```toml\na = 1\n```\n\n```sh\ntest -f x/y.toml  # it is\n```\n\n```text\nfalse\n```\n\n    false\n")
    kinds = [(step.line, step.kind) for step in steps_of(page.read_text())]
    assert kinds == [(3, "run"), (4, "run"), (8, "skip"), (12, "file x/y.toml"), (16, "run"), (23, "run")]
    with pytest.raises(AssertionError, match=r":23: false\ngives 1"):
        run_page(str(page), shell)


def test_no_fence_is_nameless_or_hides_commands():
    for page in PAGES:
        text = (ROOT / page).read_text(encoding="utf-8")
        opened = False
        for number, line in enumerate(text.split("\n"), 1):
            if line.startswith("```"):
                assert opened or line != "```", f"{page}:{number}: what is in it?"
                opened = not opened
        assert not opened, page


@pytest.mark.parametrize("page", PAGES)
def test_links_lead_somewhere(page):
    text = (ROOT / page).read_text(encoding="utf-8")
    for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", text):
        assert ((ROOT / page).parent / target).exists(), f"{page} leads to {target}"


# --- start at boot

def test_the_unit_says_what_is_to_be_started(empty_home):
    unit = empty_home.berth("service", "install", "--print", "--listen", "127.0.0.1:7000", check=0).out
    assert re.search(rf'^ExecStart="/.*/berth" up --home "{empty_home.path}" --listen "127.0.0.1:7000"$', unit, re.MULTILINE)
    assert re.search(rf'^ExecStop="/.*/berth" down --home "{empty_home.path}"$', unit, re.MULTILINE)
    for line in ("KillMode=process", "Delegate=yes", "Restart=on-failure"):
        assert f"\n{line}\n" in unit
    strange = empty_home.berth("--home", '/tmp/a "b" 100% $x', "service", "install", "--print", check=0).out
    assert r'--home "/tmp/a \"b\" 100%% $$x"' in strange
    assert empty_home.berth("service", "install", "--name", "../x").code == 2


@pytest.mark.parametrize("user", [False, True])
def test_the_unit_is_written_where_systemd_looks(empty_home, tmp_path, user):
    env = {"XDG_CONFIG_HOME": str(tmp_path / "config")}
    words = ["--user"] if user else ["--folder", tmp_path / "units"]
    said = empty_home.berth("service", "install", *words, check=0, env=env).out
    file = tmp_path / ("config/systemd/user/berth.service" if user else "units/berth.service")
    assert f"written: {file}" in said and "enable --now berth" in said
    if user:
        assert "systemctl --user" in said and "enable-linger" in said and "WantedBy=default.target" in file.read_text()
    if not shutil.which("systemd-analyze"):
        pytest.skip("the unit was not verified: there is no systemd-analyze here")
    done = subprocess.run(["systemd-analyze", "verify", *(["--user"] if user else []), "--man=no", str(file)], capture_output=True,
                          text=True, check=False)
    complaints = [line for line in done.stderr.split("\n") if "berth.service" in line]
    assert not complaints, done.stderr
