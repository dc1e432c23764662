"""The program as a process: how it ends, what it leaves, and what it takes and gives through pipes."""

from __future__ import annotations

import json
import os
import resource
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.sample_media import wait_until

ROOT = Path(__file__).parents[2]


@pytest.fixture
def digits(tmp_path) -> list[str]:
    """Pictures of a bar, which looks like a one."""
    picture = np.zeros((28, 28), np.uint8)
    picture[4:24, 12:16] = 255
    folder = tmp_path / "digits"
    folder.mkdir()
    for k in range(6):
        Image.fromarray(picture).save(folder / f"{k}.png")
    return [f"digits/{k}.png" for k in range(6)]


def hear_hang_up() -> None:
    """The tests may themselves run under nohup, whose children ignore the signal."""
    signal.signal(signal.SIGHUP, signal.SIG_DFL)


@pytest.fixture
def start(tmp_path) -> Callable[..., subprocess.Popen]:
    """start(*arguments, **options) runs the program in a folder of the test's own."""

    def start(*arguments: str, environment: dict[str, str] | None = None, **options) -> subprocess.Popen:
        env = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), "HOME": str(tmp_path), **(environment or {})}
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "stdin": subprocess.DEVNULL, **options}
        pipes.setdefault("preexec_fn", hear_hang_up)
        return subprocess.Popen([sys.executable, "-m", "pipeline", *arguments], cwd=tmp_path, env=env, **pipes)

    return start


def ended(process: subprocess.Popen, given: bytes | None = None) -> tuple[int, str, str]:
    """Exit status, standard output and standard error."""
    out, err = process.communicate(given, timeout=120)
    return process.returncode, (out or b"").decode(), (err or b"").decode()


def is_one_sentence(text: str) -> bool:
    return len(text.strip().splitlines()) == 1 and text.strip().endswith(".") and "Traceback" not in text


def descendants(process: int) -> list[int]:
    """The processes that it started, and theirs."""
    parents = {}
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            parents[int(entry.name)] = int((entry / "stat").read_text().rsplit(")", 1)[1].split()[1])
        except OSError:
            continue
    below = [child for child, parent in parents.items() if parent == process]
    return below + [deeper for child in below for deeper in descendants(child)]


def is_running(process: int) -> bool:
    try:
        return "Z" not in Path(f"/proc/{process}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except OSError:
        return False


@pytest.mark.parametrize(
    ("number", "status"),
    [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129), (signal.SIGKILL, -signal.SIGKILL)],
)
def test_however_it_is_stopped_none_of_its_processes_is_left(start, slow_clip, number, status):
    process = start("action", str(slow_clip), str(slow_clip), "--json")
    wait_until(lambda: len(descendants(process.pid)) >= 2)  # a fork server and its child
    below = descendants(process.pid)
    time.sleep(0.2)
    process.send_signal(number)
    code, out, err = ended(process)
    assert code == status
    assert out == ""
    assert "Traceback" not in err
    if number == signal.SIGINT:
        assert is_one_sentence(err)
    until = time.monotonic() + 2
    while time.monotonic() < until and any(map(is_running, below)):
        time.sleep(0.05)
    assert not any(map(is_running, below))


STOPPED_IN = {
    "a callback of OpenVINO, which makes a RuntimeError of it": """
from openvino.frontend.pytorch.ts_decoder import TorchScriptPythonDecoder
from pipeline.models.engines import openvino_graph
import torch

class Network(torch.nn.Module):
    def forward(self, images):
        return images.float().mean((1, 2)), images.float()

def get_op_type(self, of=TorchScriptPythonDecoder.get_op_type):
    signal.raise_signal(number)
    return of(self)

TorchScriptPythonDecoder.get_op_type = get_op_type
main = lambda: openvino_graph(Network())
""",
    "a finalizer, where Python drops it": """
import time

class Finalized:
    def __del__(self):
        signal.raise_signal(number)

def main():
    Finalized()
    time.sleep(60)
""",
}


@pytest.mark.parametrize("place", STOPPED_IN)
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_stopped_where_an_exception_does_not_pass(place, number):
    code = f"import signal, pipeline.__main__ as process\nnumber = {number:d}\n{STOPPED_IN[place]}\n"
    run = subprocess.run(
        [sys.executable, "-c", f"{code}process.main = main\nprocess.program()"],
        cwd=ROOT, check=False, capture_output=True, text=True, timeout=50, preexec_fn=hear_hang_up,
    )  # fmt: skip
    assert (run.returncode, run.stdout) == (128 + number, "")
    assert run.stderr == ("Interrupted.\n" if number == signal.SIGINT else "")


def test_a_signal_that_was_ignored_stays_ignored():
    """As under nohup."""
    code = (
        "import signal, pipeline.__main__ as process\n"
        "process.main = lambda: signal.raise_signal(signal.SIGHUP)\n"
        "signal.signal(signal.SIGHUP, signal.SIG_IGN)\n"
        "process.program()"
    )
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False, timeout=50).returncode == 0


def test_an_interrupted_batch_keeps_what_was_finished(start, tmp_path, digits, slow_clip):
    process = start("action", *digits, str(slow_clip), "--out", "found.jsonl")
    found = tmp_path / "found.jsonl"
    wait_until(lambda: found.exists() and found.read_bytes().count(b"\n") == len(digits))
    process.send_signal(signal.SIGINT)
    assert ended(process)[0] == 130
    assert [json.loads(line)["input"] for line in found.read_text().splitlines()] == digits


def test_interrupted_at_its_beginning(start, digits):
    process = start("digit", digits[0])
    wait_until(lambda: "numpy" in Path(f"/proc/{process.pid}/maps").read_text())  # while it imports
    process.send_signal(signal.SIGINT)
    code, _, err = ended(process)
    assert code in (0, 130)  # it may have been quick
    assert "Traceback" not in err


def test_a_reader_that_has_enough(start, digits):
    process = start("digit", *digits, "--json")
    first = process.stdout.readline()
    process.stdout.close()
    assert json.loads(first)["input"] == digits[0]
    process.wait(60)
    assert process.returncode in (0, 141)  # 0 if all was written before the reader left
    assert process.stderr.read().decode().strip() in ("", "Stopped: nobody reads the output any more.")


@pytest.mark.parametrize("arguments", [["--json"], [], ["--out", "/dev/full"]])
def test_a_full_disk(start, digits, arguments):
    with open("/dev/full", "wb") as full:
        code, _, err = ended(start("digit", *digits, *arguments, stdout=full))
    assert code == 1
    assert is_one_sentence(err)
    assert "No space left on device" in err


def test_a_limit_on_the_size_of_files_keeps_what_was_finished(start, tmp_path, digits):
    limit = lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (200, 200))  # noqa: E731
    code, _, err = ended(start("digit", *digits, "--out", "found.jsonl", preexec_fn=limit))
    assert code == 1
    assert is_one_sentence(err)
    rows = (tmp_path / "found.jsonl").read_text().splitlines(keepends=True)
    assert 1 <= len(rows) < len(digits)
    assert all(row.endswith("}\n") for row in rows)


@pytest.mark.parametrize("arguments", [["--json"], []])
def test_an_output_that_takes_ascii_only(start, tmp_path, digits, arguments):
    name = "digits/é" + 30 * "ü" + ".png"
    shutil.copy(tmp_path / digits[0], tmp_path / name)
    for environment in ({"PYTHONIOENCODING": "ascii"}, {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}):
        code, out, err = ended(start("digit", name, *arguments, environment=environment))
        assert (code, err) == (0, "")
        assert out.isascii()
        if arguments:
            assert os.fsencode(json.loads(out)["input"]) == os.fsencode(name)


def test_a_name_that_is_no_text(start, tmp_path, digits):
    name = os.fsdecode(b"digits/caf\xe9.png")
    shutil.copy(tmp_path / digits[0], tmp_path / name)
    (tmp_path / os.fsdecode(b"digits/\xff\n.mp4")).write_bytes(b"nothing")
    for _ in range(2):  # the second run tries only what could not be read
        assert ended(start("digit", "digits", "--out", "found.jsonl")) == (1, "", "")
    rows = [json.loads(line) for line in (tmp_path / "found.jsonl").read_text().splitlines()]
    assert [row["input"] for row in rows if "label" in row].count(name) == 1
    assert all("\\xff\\n.mp4" in row["error"] for row in rows if "error" in row)
    code, out, _ = ended(start("digit", name))
    assert (code, "caf\\xe9.png" in out) == (0, True)


@pytest.mark.parametrize("closed", [0, 1, 2])
def test_a_closed_stream(start, digits, closed):
    code, out, err = ended(start("digit", digits[0], "--json", preexec_fn=lambda: os.close(closed)))
    assert code == (1 if closed == 1 else 0)
    assert "Traceback" not in err
    assert is_one_sentence(err) == (closed == 1)
    assert (out == "") == (closed == 1)


@pytest.mark.parametrize("value", ["", "0", "-1", "1e3", "²", "many", "9" * 5000, "1" + "0" * 12, " 5"])
def test_an_odd_limit(start, digits, value):
    code, _, err = ended(start("digit", digits[0], environment={"UNROLL_MAX_FILES": value}))
    assert code == 2
    assert is_one_sentence(err)
    assert "UNROLL_MAX_FILES" in err


@pytest.mark.parametrize("value", ["", "abacus", "OPENVINO", "torch "])
def test_an_unknown_engine(start, digits, value):
    code, _, err = ended(start("digit", digits[0], environment={"UNROLL_ENGINE": value}))
    assert code == 2
    assert is_one_sentence(err)
    assert "UNROLL_ENGINE must be one of openvino-bf16, openvino, torch" in err


@pytest.mark.parametrize(("name", "value"), [("DECODER", "thread"), ("DECODER", ""), ("REQUIRE_SANDBOX", "yes")])
def test_an_unknown_way_to_decode(start, digits, name, value):
    code, _, err = ended(start("digit", digits[0], environment={f"UNROLL_{name}": value}))
    assert code == 2
    assert is_one_sentence(err)
    assert f"UNROLL_{name} must be" in err


@pytest.mark.parametrize("name", ["-", "/dev/stdin", "/dev/fd/0"])
@pytest.mark.parametrize("kind", ["file", "pipe"])
def test_standard_input(start, tmp_path, digits, name, kind):
    data = (tmp_path / digits[0]).read_bytes()
    if kind == "file":
        with (tmp_path / digits[0]).open("rb") as file:
            code, out, err = ended(start("digit", name, "--json", stdin=file))
    else:
        code, out, err = ended(start("digit", name, "--json", stdin=subprocess.PIPE), data)
    assert (code, err) == (0, "")
    assert json.loads(out)["input"] == name


def test_empty_and_endless_input(start):
    code, _, err = ended(start("digit", "-"))
    assert (code, err.strip()) == (1, "standard input is empty.")
    with open("/dev/zero", "rb") as zeros:
        code, _, err = ended(start("digit", "-", stdin=zeros, environment={"UNROLL_MAX_MEGABYTES": "3"}))
    assert (code, err.strip()) == (1, "standard input is too large; the limit is 3 MB.")


@pytest.mark.parametrize("name", ["-", "/dev/stdout"])
def test_results_to_a_pipe(start, digits, name):
    code, out, err = ended(start("digit", *digits, "--out", name))
    assert code == 0
    assert "Traceback" not in err
    assert [json.loads(line)["input"] for line in out.splitlines()] == digits


def test_a_named_pipe_at_both_ends(start, tmp_path, digits):
    os.mkfifo(tmp_path / "in.mp4")
    os.mkfifo(tmp_path / "out.jsonl")
    process = start("digit", "in.mp4", "--out", "out.jsonl")
    (tmp_path / "in.mp4").write_bytes((tmp_path / digits[0]).read_bytes())
    assert json.loads((tmp_path / "out.jsonl").read_bytes())["label"] is not None
    assert ended(process)[0] == 0


def test_packages_that_only_pythonpath_leads_to(tmp_path, bikes):
    """As after ``pip install --target``: the decoder finds what this process finds."""
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    site = Path(np.__file__).parents[1]
    for entry in site.iterdir():
        (folder / entry.name).symlink_to(entry)
    (folder / "pipeline").symlink_to(ROOT / "pipeline")
    code = f"from pipeline.media import read_clip; print(len(read_clip({str(bikes)!r}).frames))"
    run = subprocess.run(
        [sys._base_executable, "-S", "-c", code],
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(folder)},
        cwd=tmp_path, check=False, capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert (run.stdout.strip(), run.stderr) == ("50", "")


def test_a_decoder_that_cannot_start_says_so(tmp_path, bikes):
    (tmp_path / "natsort.py").write_text("raise ImportError('a broken package')")
    code = (
        "import sys; from pipeline.media import read_clip, MediaError\n"
        f"sys.path.insert(0, {str(tmp_path)!r})\n"
        f"try: read_clip({str(bikes)!r})\nexcept MediaError as error: print(error)"
    )
    run = subprocess.run(
        [sys.executable, "-c", code],
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT)},
        check=False, capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert is_one_sentence(run.stdout)
    assert "the decoder process cannot start (ImportError: a broken package)" in run.stdout
    assert run.stderr == ""
