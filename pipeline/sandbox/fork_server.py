"""The fork server: it imports what decoding needs, and forks a child for each file (see media/decoder_process.py).

    python -m pipeline.sandbox.fork_server SOCKET

Through the socket come jobs, each with the pipe that its child shall write to and, unless it is a folder, the opened
file. The first thing that the server sends is READY and the guards that this system lacks, or a sentence why it cannot
start. It ends, with its child, when the other end of the socket is closed. Linux only.
"""

from __future__ import annotations

import ctypes
import json
import os
import select
import signal
import socket
import sys
from pathlib import Path
from typing import Any

from pipeline.sandbox.child import NICENESS, do_job, first_words, prepare
from pipeline.sandbox.opened_file import OpenedFile

PR_SET_PDEATHSIG = 1  # <linux/prctl.h>


def main() -> None:
    os.nice(NICENESS)
    with socket.socket(fileno=int(sys.argv[1])) as orders:
        words, is_ready = first_words(prepare)
        orders.sendall(words)
        while is_ready:
            job, descriptors, *_ = socket.recv_fds(orders, 1 << 16, 2)
            if not descriptors:
                return  # the parent is gone
            ended, alive = os.pipe()  # the child holds ``alive`` open until it ends
            child = os.fork()
            if child == 0:
                run_job(json.loads(job), descriptors, alive)
            for descriptor in (*descriptors, alive):
                os.close(descriptor)
            wait(child, ended, orders)


def wait(child: int, ended: int, orders: socket.socket) -> None:
    """Until the child has ended and so closed its end of the pipe ``ended``. If the parent goes first, both end."""
    poll = select.poll()
    poll.register(ended, select.POLLIN)
    poll.register(orders, select.POLLRDHUP)
    if ended not in dict(poll.poll()):
        os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    os.close(ended)


def run_job(job: dict[str, Any], descriptors: list[int], alive: int) -> None:
    """In the child: do one job and end, whatever happens."""
    try:
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)  # no child outlives the server
        pipe, *files = descriptors
        do_job(job, OpenedFile(files[0]) if files else Path(job["path"]), pipe, alive)
    finally:
        os._exit(0)


if __name__ == "__main__":
    main()
