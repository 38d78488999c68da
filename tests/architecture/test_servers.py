"""The servers of the tests are real, and come back on the same port after a kill."""

import json
import subprocess
import urllib.request

import pytest

from tests.servers import Anvil, Mosquitto, executable


def test_mosquitto_comes_back_on_the_same_port_after_a_kill(mosquitto: Mosquitto) -> None:
    port = mosquitto.port
    mosquitto.kill()
    assert not mosquitto.running
    mosquitto.wipe()
    mosquitto.start()
    assert mosquitto.running
    assert mosquitto.port == port
    assert "persistence true" in (mosquitto.store.parent / "mosquitto.conf").read_text()


def test_anvil_answers_with_its_chain_id(anvil: Anvil) -> None:
    question = json.dumps({"jsonrpc": "2.0", "id": 1, "method": "eth_chainId", "params": []})
    request = urllib.request.Request(  # noqa: S310 - the loopback, and a scheme written here
        anvil.url, question.encode(), {"content-type": "application/json"}
    )
    with urllib.request.urlopen(request, timeout=5) as answer:  # noqa: S310 - as above
        assert int(json.load(answer)["result"], 16) == anvil.chain_id


def test_the_compiler_is_the_one_the_contract_names(vyper: str) -> None:
    asked = subprocess.run([vyper, "--version"], capture_output=True, text=True, check=True)
    assert asked.stdout.startswith("0.4.3")


def test_a_missing_program_fails_in_ci_and_is_skipped_elsewhere(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("CI", "true")
    with pytest.raises(pytest.fail.Exception, match="install-servers"):
        executable("no-such-server")
    monkeypatch.delenv("CI")
    with pytest.raises(pytest.skip.Exception, match="install-servers"):
        executable("no-such-server")
