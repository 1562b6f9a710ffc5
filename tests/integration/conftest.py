import berthlib
import pytest


@pytest.fixture(scope="session", autouse=True)
def subreaper():
    berthlib.become_subreaper()
    yield
    berthlib.reap()


@pytest.fixture
def home(tmp_path):
    """A home with a running agent."""
    it = berthlib.Home(tmp_path / "home")
    it.up()
    yield it
    it.destroy()
    berthlib.reap()


@pytest.fixture
def empty_home(tmp_path):
    """A home where nothing runs yet."""
    it = berthlib.Home(tmp_path / "home")
    yield it
    it.destroy()
    berthlib.reap()
