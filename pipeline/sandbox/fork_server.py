"""The fork server: it imports what decoding needs, and forks a child for each file (see media/decoder_process.py).

    python -m pipeline.sandbox.fork_server SOCKET

Through the socket come jobs, each with the pipe that its child shall write to. The first thing that the server sends
is READY, or a sentence why it cannot start. It ends, with its child, when the other end of the socket is closed.
"""

from __future__ import annotations

import ctypes
import json
import os
import resource
import select
import signal
import socket
import sys
from io import BufferedWriter, FileIO
from pathlib import Path
from typing import Any

READY = b"ready"
NICENESS = 10  # the CNN goes first: its threads wait for each other, so one delayed thread delays them all
PR_SET_PDEATHSIG = 1  # <linux/prctl.h>
FIRST_WORDS = 2000  # bytes of the sentence why it cannot start


def main() -> None:
    os.nice(NICENESS)
    with socket.socket(fileno=int(sys.argv[1])) as orders:
        try:
            prepare()
        except Exception as error:  # a package that is missing or broken, or a limit that is none
            orders.sendall(f"{type(error).__name__}: {error}".encode(errors="replace")[:FIRST_WORDS])
            return
        orders.sendall(READY)
        while True:
            job, descriptors, *_ = socket.recv_fds(orders, 1 << 16, 1)
            if not descriptors:
                return  # the parent is gone
            ended, alive = os.pipe()  # the child holds ``alive`` open until it ends
            child = os.fork()
            if child == 0:
                orders.close()
                os.close(ended)
                run_job(json.loads(job), descriptors[0])
            os.close(descriptors[0])
            os.close(alive)
            wait(child, ended, orders)


def prepare() -> None:
    """Import whatever children need, so that none of them has to."""
    # OpenCV must log FFmpeg's errors: only there it says that a conversion failed (see opencv_reader.ConversionLog).
    os.environ.pop("OPENCV_FFMPEG_LOGLEVEL", None)
    from PIL import Image

    import pipeline.sandbox.browser_copy
    import pipeline.sandbox.decode  # noqa: F401

    Image.init()  # Pillow's formats are modules too


def wait(child: int, ended: int, orders: socket.socket) -> None:
    """Until the child has ended and so closed its end of the pipe ``ended``. If the parent goes first, both end."""
    poll = select.poll()
    poll.register(ended, select.POLLIN)
    poll.register(orders, select.POLLRDHUP)
    if ended not in dict(poll.poll()):
        os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    os.close(ended)


def run_job(job: dict[str, Any], descriptor: int) -> None:
    """In the child: do one job and end, whatever happens."""
    try:
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)  # no child outlives the server
        limit_resources()
        from pipeline.sandbox import opencv_reader
        from pipeline.sandbox.browser_copy import copy
        from pipeline.sandbox.decode import decode
        from pipeline.sandbox.messages import PIPE_BYTES, MediaError, write_message

        opencv_reader.log = opencv_reader.ConversionLog()
        path, name = Path(job["path"]), job["name"]
        with BufferedWriter(FileIO(descriptor, "wb"), PIPE_BYTES) as pipe:
            try:
                if job["task"] == "copy":
                    write_message(pipe, copy(path, name))
                else:
                    for message in decode(path, job["max_steps"], name):
                        write_message(pipe, message)
            except MediaError as error:
                write_message(pipe, error)
    finally:
        os._exit(0)


def limit_resources() -> None:
    from pipeline.limits import DECODER_CPU_SECONDS, DECODER_MEGABYTES

    megabytes = DECODER_MEGABYTES * 10**6
    resource.setrlimit(resource.RLIMIT_DATA, (megabytes, megabytes))
    resource.setrlimit(resource.RLIMIT_CPU, (DECODER_CPU_SECONDS, DECODER_CPU_SECONDS))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))  # it has nothing to write
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


if __name__ == "__main__":
    main()
