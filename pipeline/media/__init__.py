"""Files become clips: the frames of a video, a photo or a folder of images, with their times."""

from pipeline.media.clip import Clip, ClipStream
from pipeline.media.reader import MAX_STEPS, open_clip, read_clip
from pipeline.sandbox.messages import Frame, MediaError

__all__ = ["MAX_STEPS", "Clip", "ClipStream", "Frame", "MediaError", "open_clip", "read_clip"]
