"""A copy that browsers can play, for clips that they cannot; made after the answer is shown."""

from __future__ import annotations

from streamlit.delta_generator import DeltaGenerator

from pipeline.media.reader import browser_copy
from pipeline.sandbox.messages import MediaError
from views.hosting.job_log import job
from views.hosting.job_queue import QueueFullError
from views.hosting.uploads import private_file
from views.session.resources import job_queue
from views.session.visit import Visit

MIME = "video/mp4"
AUTOMATIC_SECONDS = 90  # clips up to this duration are copied without being asked to


def known_copy(visit: Visit) -> bytes | None:
    """The copy of the visit's clip, if it was made; the visit keeps only the last one."""
    file, (digest, copy) = visit.clip_file(), visit.browser_copy
    return copy if file and digest == file.digest else None


def offer_browser_copy(visit: Visit, seconds: float, screen: DeltaGenerator, note: DeltaGenerator) -> None:
    """Make the copy of a clip of so many seconds, once in a visit, and play it in place of the frames on ``screen``. A
    long clip is copied only when the visitor asks for it, because the page waits for it."""
    file = visit.clip_file()
    if file is None or visit.browser_copy[0] == file.digest:
        return
    wanted = (
        note.button("Make a copy that can be played", icon=":material/movie:") if seconds > AUTOMATIC_SECONDS else True
    )
    if not wanted:
        return

    def on_wait(before: int = 0) -> None:
        note.caption("Browsers cannot play this kind of file: a copy that they can play is being made …")

    try:
        with job_queue().turn(on_wait), private_file(file.data) as path, job(len(file.data)) as noted:
            noted.stage("copy")
            copy = browser_copy(path, file.name, on_wait)
    except QueueFullError:
        note.empty()
        return  # the frames stay on the screen; another run may find a place in the queue
    except MediaError:
        copy = None
    visit.browser_copy = file.digest, copy
    note.empty()
    if copy:
        screen.video(copy, format=MIME, muted=True)
