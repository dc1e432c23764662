"""A decoder that was taken over can do nothing; and each of these tests fails when the guard that it tests is gone."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from collections.abc import Callable, Collection, Iterator
from pathlib import Path

import pytest

from pipeline.media import decoder_process, decoders, server_pool, worker_pool
from pipeline.media.decoder_process import make_browser_copy, start_decoding
from pipeline.media.reader import MAX_STEPS
from pipeline.media.server_pool import ForkServer
from pipeline.media.worker_pool import Worker
from pipeline.models.checkpoint import WEIGHTS
from pipeline.sandbox.lockdown import ON_LINUX
from pipeline.sandbox.messages import MediaError
from tests.sample_media import no_decoder_is_left
from views.hosting.uploads import private_file

pytestmark = pytest.mark.skipif(not ON_LINUX, reason="only Linux has the guards")
MODULE = "tests.hostile.taken_over"
MEGABYTES = 300  # a decoder may use, and half of what attackers take

# Attacks, with the guards of which each alone refuses them.
BOTH, SECCOMP, LIMITS = {"landlock", "seccomp"}, {"seccomp"}, {"limits"}
ATTACKS: dict[str, tuple[list[object], set[str]]] = {
    "another visitor's upload": (["read_file", "{upload}"], BOTH),
    "its own file again, by its path": (["read_file", "{file}"], BOTH),
    "the system's users": (["read_file", "/etc/passwd"], BOTH),
    "the weights": (["read_file", str(WEIGHTS / "action-lstm.safetensors")], BOTH),
    "the environment of the app": (["read_file", "/proc/{app}/environ"], BOTH),
    "the memory of the app": (["open_file", "/proc/{app}/mem"], BOTH),
    "a folder": (["list_folder", "{folder}"], BOTH),
    "a file to write": (["write_file", "{folder}/new"], BOTH | LIMITS),
    "a port on this machine": (["connect_tcp", "{port}"], BOTH),
    "a port of its own": (["listen_tcp"], BOTH),
    "a UNIX socket": (["connect_unix", "{socket}"], SECCOMP),
    "an abstract UNIX socket": (["connect_unix", "@{abstract}"], BOTH),
    "a shell": (["run_program", "/bin/sh"], BOTH),
    "a fork bomb": (["fork"], SECCOMP),
    "another process, traced": (["trace", "{victim}"], BOTH),
    "another process, read": (["read_memory_of", "{victim}"], BOTH),
    "another process, signalled": (["send_signal", "{victim}"], BOTH),
    "the parent, signalled": (["signal_parent"], BOTH),
    "a new namespace": (["system_call", "unshare", 0x10000000], SECCOMP),
    "a mount": (["system_call", "mount", 0, 0, 0, 0, 0], SECCOMP),
    "a key": (["system_call", "keyctl", 0, 0, 0], SECCOMP),
    "a program in the kernel": (["system_call", "bpf", 0, 0, 0], SECCOMP),
    "io_uring": (["system_call", "io_uring_setup", 1, 0], SECCOMP),
    "shared memory": (["allocate_shared", 2 * MEGABYTES], SECCOMP),
    "memory that grows like a stack": (["allocate_stack", 2 * MEGABYTES], SECCOMP),
    "code": (["make_code"], SECCOMP),
    "too much memory": (["allocate", 2 * MEGABYTES], LIMITS),
    "the socket of the fork server": (["find_sockets"], {"descriptors"}),
}


@pytest.fixture(scope="module", autouse=True)
def complete_sandbox() -> None:
    if missing := decoders.missing_guards():
        pytest.skip("; ".join(missing))


@pytest.fixture(scope="module")
def places(tmp_path_factory) -> Iterator[dict[str, object]]:
    """What is attacked, by its name in ATTACKS."""
    folder = tmp_path_factory.mktemp("places")
    with (
        private_file(b"the upload of another visitor") as upload,
        socket.create_server(("127.0.0.1", 0)) as server,
        socket.socket(socket.AF_UNIX) as unix,
        socket.socket(socket.AF_UNIX) as abstract,
        subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"]) as victim,
    ):
        unix.bind(str(folder / "socket"))
        abstract.bind(f"\0unroll-test-{os.getpid()}")
        unix.listen()
        abstract.listen()
        yield {
            "upload": upload, "folder": folder, "socket": folder / "socket", "abstract": f"unroll-test-{os.getpid()}",
            "port": server.getsockname()[1], "victim": victim.pid, "app": os.getpid(),
        }  # fmt: skip
        victim.kill()


Outcome = Callable[..., str]
PRIVILEGED = {
    name for name in ATTACKS if name.startswith(("another process", "a new", "a mount", "a key", "a program"))
}


@pytest.fixture(scope="module")
def servers() -> Iterator[dict[str, ForkServer]]:
    """Taken over fork servers, by the guards that were taken away from them."""
    made: dict[str, ForkServer] = {}
    yield made
    for server in made.values():
        server.kill()


@pytest.fixture
def outcome(places, servers, monkeypatch, cat) -> Outcome:
    """outcome(attack, without) -> what became of the attack in a decoder without these guards."""
    monkeypatch.setenv("UNROLL_DECODER_MEGABYTES", str(MEGABYTES))
    monkeypatch.setenv("UNROLL_DECODER_CPU_SECONDS", "1")
    monkeypatch.setattr(server_pool, "MODULE", MODULE)
    monkeypatch.setattr(worker_pool, "MODULE", MODULE)
    monkeypatch.setattr(ForkServer, "give_back", lambda server: None)

    def filled(part: object) -> object:
        text = part.format(**places, file=cat) if isinstance(part, str) else part
        return int(text) if isinstance(text, str) and text.isdigit() else text

    def outcome(attack: list[object], without: Collection[str] = (), read: Callable = read_clip_named) -> str:
        guards = " ".join(sorted(without))
        monkeypatch.setenv("UNROLL_TEST_WITHOUT", guards)
        if guards not in servers or not servers[guards].is_running():
            servers[guards] = ForkServer()
        monkeypatch.setattr(decoder_process, "take_decoder", lambda: servers[guards])
        with pytest.raises(MediaError) as caught:
            read(cat, json.dumps([filled(part) for part in attack]))
        return str(caught.value)

    return outcome


def read_clip_named(path: Path, name: str) -> None:
    start_decoding(path, MAX_STEPS, name).clip()


@pytest.mark.parametrize("name", ATTACKS)
def test_an_attack_is_refused_by_each_of_its_guards_and_by_nothing_else(name, outcome):
    attack, guards = ATTACKS[name]
    assert outcome(attack).startswith("refused: ")
    assert outcome(attack, read=make_browser_copy).startswith("refused: ")
    for last in guards if len(guards) > 1 else ():
        assert outcome(attack, guards - {last}).startswith("refused: "), last
    if os.geteuid() == 0 or name not in PRIVILEGED:
        assert not outcome(attack, guards).startswith("refused: ")


@pytest.mark.parametrize("read", [read_clip_named, make_browser_copy])
def test_a_decoder_that_spins_or_sleeps_is_ended(outcome, monkeypatch, read):
    assert "could not be decoded" in outcome(["spin"], read=read)  # by the kernel, after a second of processor time
    monkeypatch.setattr(decoder_process, "DECODER_SECONDS", 0.3)
    assert "takes longer to decode" in outcome(["spin"], {"limits"}, read)
    assert "takes longer to decode" in outcome(["sleep"], read=read)
    assert no_decoder_is_left()


def test_what_it_says_is_not_believed(outcome):
    assert "could not be decoded" in outcome(["lie"])


def test_the_app_goes_on(outcome, cat):
    outcome(["read_file", "/etc/passwd"])
    server = decoder_process.take_decoder()
    outcome(["fork"])
    assert decoder_process.take_decoder() is server
    assert server.is_running()


@pytest.mark.parametrize("name", ["another visitor's upload", "a port on this machine", "a shell", "a fork bomb"])
def test_a_worker_is_locked_as_a_child_is(outcome, monkeypatch, name):
    attack, guards = ATTACKS[name]
    monkeypatch.setattr(sys.modules[__name__], "ForkServer", Worker)
    assert outcome(attack, ["landlock"]).startswith("refused: ")
    assert outcome(attack, ["seccomp"]).startswith("refused: ") == ("landlock" in guards)


@pytest.mark.parametrize("make", [ForkServer, Worker])
def test_a_system_without_the_guards_is_named_or_refused(outcome, monkeypatch, cat, make):
    monkeypatch.setenv("UNROLL_TEST_LACKS", "landlock seccomp")
    decoder = make()
    assert [guard.split(" (")[0] for guard in decoder.missing_guards()] == [
        "the kernel or its container has no Landlock",
        "the kernel or its container has no seccomp",
    ]
    decoder.kill()
    monkeypatch.setenv("UNROLL_REQUIRE_SANDBOX", "1")
    monkeypatch.setattr(decoder_process, "take_decoder", make)
    with pytest.raises(MediaError, match=r"cannot start \(UNROLL_REQUIRE_SANDBOX is set, and the kernel"):
        read_clip_named(cat, "cat")
