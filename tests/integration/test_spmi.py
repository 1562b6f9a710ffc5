"""What SPMI's user guide shows, on Berth: the descriptors of the guide and its commands' shapes."""

import re

import pytest

from berthlib import wait_for

TOML = '''[task] # type of manageable
id = "cal" # ID of manageable
comment = "Prints calendar to stdout." # comment
[task.backend] # backend section
type = "screen" # backend type
[task.wrapper] # wrapper section
type = "default" # type of wrapper
command = "{command}" # command to start
mixed_stdout = true # mix stdout and stderr files or not
'''
YAML = '''task:
  id: cal
  comment: Prints calendar to stdout.
  backend:
    type: screen
  wrapper:
    type: default
    command: {command}
    mixed_stdout: true
'''
JSON = '''{{
  "task": {{
    "id": "cal",
    "comment": "Prints calendar to stdout.",
    "backend": {{
      "type": "screen"
    }},
    "wrapper": {{
      "type": "default",
      "command": "{command}",
      "mixed_stdout": true
    }}
  }}
}}
'''
LOG = r"\[\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3} - Spmi - %s\]\n"


def spmi(home, *words, **options):
    return home.berth(*words, program="spmi", env={"SPMI_PATH": str(home.path)}, **options)


@pytest.mark.parametrize("suffix,text", [("toml", TOML), ("yaml", YAML), ("yml", YAML), ("json", JSON)])
def test_the_guides_descriptor_in_each_format(home, suffix, text):
    path = home.write(f"descriptor.{suffix}", text.format(command="echo 1"))
    result = spmi(home, "load", path)
    assert result.code == 0 and re.search(LOG % "INFO" + "Loaded 1 manageable\n", result.err)
    assert spmi(home, "start", "cal").code == 0
    wait_for(lambda: home.state("cal") == "exited", "it ended")
    status = spmi(home, "status", "cal")
    shape = (r'cal \(task\) - Prints calendar to stdout\.\n'
             r'      Active: inactive since \d{4}-\d\d-\d\d \d\d:\d\d:\d\d \(0:00:\d\d ago\)\n'
             r'        Path: "[^"\n]+"\n'
             r'Backend type: \w+\n'
             r'  Backend ID: \d+\n'
             r'Wrapper type: default\n'
             r'     Command: echo 1\n'
             r'         PID: \d+\n'
             r'   Exit code: 0\n'
             r'\n1\n\n')
    assert re.fullmatch(shape, status.out), status.out
    assert "Showed 1 manageables" in status.err


def load_three(home):
    paths = []
    for number in (1, 2, 3):
        text = TOML.format(command="sleep 1000").replace('"cal"', f'"manageable_{number}"')
        paths.append(home.write(f"descriptor{number}.toml", text.replace("Prints calendar to stdout.", f"Comment {number}")))
    return spmi(home, "load", *paths)


def test_load_list_start_by_pattern_stop_kill_clean(home):
    assert "Loaded 3 manageables" in load_three(home).err
    listed = spmi(home, "list")
    assert "Registered 3 manageables" in listed.err
    assert listed.out.splitlines()[0].split() == ["ID", "ACTIVE", "COMMENT"]
    assert listed.out.splitlines()[1].split() == ["manageable_1", "inactive", "Comment", "1"]
    started = spmi(home, "start", "manageable_[1-3]")
    for number in (1, 2, 3):
        assert f'Starting manageable "manageable_{number}"' in started.err
    assert "Started 3 manageables" in started.err and started.code == 0
    again = spmi(home, "start", "manageable_1")
    assert again.code == 1 and "Must be inactive" in again.err
    assert "Stopped 1 manageables" in spmi(home, "stop", "manageable_1").err
    assert home.app("manageable_1")["exit_code"] == -2
    assert "Killed 1 manageables" in spmi(home, "kill", "manageable_2").err
    assert "Must be inactive" in spmi(home, "clean", "manageable_3").err
    assert "Cleaned 2 manageables" in spmi(home, "clean", "manageable_1", "manageable_2").err
    assert "Nothing to stop" in spmi(home, "stop", "zzz").err
    assert spmi(home, "stop", "zzz").code == 3


def test_one_bad_file_loads_nothing_and_makes_no_file(home):
    good = home.write("a.toml", TOML.format(command="true"))
    bad = home.write("bad.toml", "[task\n")
    result = spmi(home, "load", good, bad)
    assert result.code == 1 and "Failed to load:" in result.err and "bad.toml:1:" in result.err
    assert home.apps() == {}
    missing = home.path / "src" / "missing.toml"
    assert spmi(home, "load", missing).code == 1
    assert not missing.exists()


def test_a_duplicate_id_is_refused(home):
    path = home.write("a.toml", TOML.format(command="true"))
    spmi(home, "load", path, check=0)
    assert 'Manageable with ID "cal" is already registered' in spmi(home, "load", path).err


def test_cwd_and_environment_are_those_of_the_loading_shell(home, tmp_path):
    path = home.write("a.toml", TOML.format(command="pwd; echo $COLOUR"))
    home.berth("load", path, program="spmi", cwd=tmp_path, env={"COLOUR": "green", "SPMI_PATH": str(home.path)}, check=0)
    spmi(home, "start", "cal", check=0)
    wait_for(lambda: home.berth("logs", "cal").out == f"{tmp_path}\ngreen\n", "both")


def test_stdin_stays_open_and_connect_sends_lines(home):
    spmi(home, "load", home.write("a.toml", TOML.format(command="cat -")), check=0)
    spmi(home, "start", "cal", check=0)
    spmi(home, "connect", "cal", stdin=b"one\ntwo\n", check=0)
    wait_for(lambda: home.berth("logs", "cal").out == "one\ntwo\n", "both lines")
    assert home.app("cal")["active"]


def test_output_that_is_not_utf8_does_not_break_status(home):
    spmi(home, "load", home.write("a.toml", TOML.format(command="printf '\\\\377\\\\376abc\\\\n'")), check=0)
    spmi(home, "start", "cal", check=0)
    wait_for(lambda: "abc" in spmi(home, "status", "cal").out, "abc")


def test_usage(home):
    assert "Simple Process Management Interface" in spmi(home, "-h", check=0).out
    assert spmi(home).code == 2
    assert spmi(home, "start").code == 2
    assert spmi(home, "dance", "x").code == 2
