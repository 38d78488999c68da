"""Real servers and foreign clients for the tests, each on a port and in a directory of its own.

`make test` installs them (`tests/install-servers`). Where one is missing all the same, its tests
fail in CI (CI=true) and are skipped elsewhere, with the command that would help.
"""

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Protocol, Self

import pytest

ROOT = Path(__file__).resolve().parent.parent
START_TIMEOUT_S = 20.0
STOP_TIMEOUT_S = 10.0
_SEARCHED = os.pathsep.join(
    [
        os.environ.get("PATH", os.defpath),
        "/usr/sbin",
        str(ROOT / "tests/node_modules/@foundry-rs/anvil-linux-amd64/bin"),
        str(ROOT / ".venv-contract/bin"),
    ]
)
_REMEDIES = {"vyper": "make environment"}


def executable(name: str) -> str:
    """Return the path of a foreign program; fail in CI and skip elsewhere if it is not there."""
    found = shutil.which(name, path=_SEARCHED)
    if found is None:
        reason = f"{name} is not installed · type: {_REMEDIES.get(name, 'tests/install-servers')}"
        if os.environ.get("CI") == "true":
            pytest.fail(reason)
        pytest.skip(reason)
    return found


def free_port() -> int:
    """Return a TCP port of the loopback that nobody listens on just now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


class Process(Protocol):
    """What is known of a process that was started; `subprocess.Popen` is one."""

    pid: int

    def poll(self) -> int | None:
        """Return how it ended, None while it lives."""
        ...

    def wait(self, timeout: float | None = None) -> int:
        """Wait for its end."""
        ...

    def terminate(self) -> None:
        """Ask it to end."""
        ...

    def kill(self) -> None:
        """End it."""
        ...


class Server:
    """A server process on 127.0.0.1 that can be stopped, or killed, and started again.

    The port and whatever the server keeps on disk stay the same over starts.
    """

    def __init__(self, command: Sequence[str], *, port: int, log: Path) -> None:
        self.port = port
        self.log = log
        self._command = list(command)
        self._process: Process | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def running(self) -> bool:
        """Tell whether the process lives."""
        return self._process is not None and self._process.poll() is None

    @property
    def pid(self) -> int:
        """Return the number of the process."""
        assert self._process is not None, "it was never started"
        return self._process.pid

    def start(self) -> None:
        """Start, and return once the port answers; one that does not come up fails the test."""
        self._process = self._launched()
        deadline_s = time.monotonic() + START_TIMEOUT_S
        while not _answers(self.port):
            if not self.running or time.monotonic() > deadline_s:
                self.kill()
                said = self.log.read_text(errors="replace")[-2000:]
                pytest.fail(f"{self._command[0]} did not come up on port {self.port}:\n{said}")
            time.sleep(0.02)

    def _launched(self) -> Process:
        """Return the process, started."""
        with self.log.open("ab") as log:
            return subprocess.Popen(
                self._command, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT
            )

    def stop(self) -> None:
        """Ask the process to end and wait for it."""
        if self._process is None:
            return
        self._process.terminate()
        try:
            self._process.wait(STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            self.kill()

    def kill(self) -> None:
        """End the process as a power cut would."""
        if self._process is not None:
            self._process.kill()
            self._process.wait(STOP_TIMEOUT_S)


class Mosquitto(Server):
    """The Eclipse broker, with its sessions kept in `directory` and no password unless told."""

    def __init__(
        self, directory: Path, *, lines: Sequence[str] = ("allow_anonymous true",)
    ) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        port = free_port()
        self.store = directory / "store"
        self.store.mkdir(exist_ok=True)
        configuration = directory / "mosquitto.conf"
        # Started by root it would drop to a user of its own, who may not write here.
        user = ["user root"] if os.geteuid() == 0 else []
        kept = ["persistence true", f"persistence_location {self.store}/", "autosave_interval 1"]
        listener = [f"listener {port} 127.0.0.1", "max_queued_messages 0", "log_dest stdout"]
        configuration.write_text("\n".join([*listener, *kept, *user, *lines, ""]))
        command = [executable("mosquitto"), "-c", str(configuration)]
        super().__init__(command, port=port, log=directory / "mosquitto.log")

    @property
    def url(self) -> str:
        """Where clients reach it."""
        return f"mqtt://127.0.0.1:{self.port}"

    def wipe(self) -> None:
        """Lose everything the broker had kept; only while it does not run."""
        assert not self.running, "a running broker would write its store again"
        shutil.rmtree(self.store)
        self.store.mkdir()


class Anvil(Server):
    """An Ethereum node not written here; its ten accounts hold 10,000 ether each."""

    # The first account of the mnemonic anvil documents; it guards nothing but test ether.
    ACCOUNT_KEY = "0xac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80"

    def __init__(
        self, directory: Path, *, chain_id: int = 31337, options: Sequence[str] = ()
    ) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        port = free_port()
        self.chain_id = chain_id
        command = [executable("anvil"), "--host", "127.0.0.1", "--port", str(port)]
        command += ["--chain-id", str(chain_id), "--state", str(directory / "state.json")]
        command += options
        super().__init__(command, port=port, log=directory / "anvil.log")

    @property
    def url(self) -> str:
        """Where JSON-RPC is spoken."""
        return f"http://127.0.0.1:{self.port}"


def _answers(port: int) -> bool:
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=1.0):
            return True
    except OSError:
        return False


@pytest.fixture
def mosquitto(tmp_path: Path) -> Iterator[Mosquitto]:
    """A running mosquitto with an empty store."""
    with Mosquitto(tmp_path / "mosquitto") as server:
        yield server


@pytest.fixture
def anvil(tmp_path: Path) -> Iterator[Anvil]:
    """A running Ethereum node with an empty chain."""
    with Anvil(tmp_path / "anvil") as server:
        yield server


@pytest.fixture(scope="session")
def mbpoll() -> str:
    """The path of mbpoll, a Modbus client not written here."""
    return executable("mbpoll")


@pytest.fixture(scope="session")
def socat() -> str:
    """The path of socat, which joins two pseudo-terminals into a serial line."""
    return executable("socat")


@pytest.fixture(scope="session")
def vyper() -> str:
    """The path of the Vyper compiler, in the environment of its own."""
    return executable("vyper")
