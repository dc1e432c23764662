"""The fork server: it imports what decoding needs, and forks a child for each file (see media/decoder_process.py).

    python -m pipeline.sandbox.fork_server SOCKET

Through the socket come jobs, each with the pipe that its child shall write to.
"""

from __future__ import annotations

import json
import os
import resource
import socket
import sys
from pathlib import Path
from typing import IO, Any

from PIL import Image

from pipeline.limits import DECODER_CPU_SECONDS, DECODER_MEGABYTES
from pipeline.sandbox.decode import decode
from pipeline.sandbox.messages import PIPE_BYTES, ClipEnd, ClipInfo, Frame, MediaError, write_message

NICENESS = 10  # the CNN goes first: its threads wait for each other, and one that a decoder holds up holds up all


def main() -> None:
    os.nice(NICENESS)
    Image.init()  # Pillow's formats are modules too: no child shall have to import them
    with socket.socket(fileno=int(sys.argv[1])) as orders:
        while True:
            job, descriptors, *_ = socket.recv_fds(orders, 1 << 16, 1)
            if not descriptors:
                return  # the parent is gone
            pid = os.fork()
            if pid == 0:
                orders.close()
                _child(json.loads(job), descriptors[0])
            os.close(descriptors[0])
            os.waitpid(pid, 0)


def _child(job: dict[str, Any], descriptor: int) -> None:
    """Do one job and end, whatever happens."""
    try:
        megabytes = DECODER_MEGABYTES * 10**6
        resource.setrlimit(resource.RLIMIT_DATA, (megabytes, megabytes))
        resource.setrlimit(resource.RLIMIT_CPU, (DECODER_CPU_SECONDS, DECODER_CPU_SECONDS))
        resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))  # it has nothing to write
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        with os.fdopen(descriptor, "wb", PIPE_BYTES) as pipe:
            try:
                _copy(job, pipe) if job["task"] == "copy" else _frames(job, pipe)
            except MediaError as error:
                write_message(pipe, {"error": str(error)})
    finally:
        os._exit(0)


def _frames(job: dict[str, Any], pipe: IO[bytes]) -> None:
    for message in decode(Path(job["path"]), job["max_steps"], job["name"]):
        match message:
            case ClipInfo(kind, width, height, mime, claimed):
                write_message(pipe, {"opened": [kind, width, height, mime, claimed]})
            case Frame(index, time, image, later, jpeg):
                write_message(pipe, {"frame": [index, time, image.shape[:2], later is not None, len(jpeg)]})
                for picture in (image, later):
                    if picture is not None:
                        pipe.write(picture.data)
                pipe.write(jpeg)
            case ClipEnd(duration, times):
                write_message(pipe, {"ended": [duration, times]})
        pipe.flush()


def _copy(job: dict[str, Any], pipe: IO[bytes]) -> None:
    from pipeline.sandbox.browser_copy import copy

    data = copy(Path(job["path"]), job["name"])
    write_message(pipe, {"copy": len(data)})
    pipe.write(data)


if __name__ == "__main__":
    main()
