"""Which files are read: formats of photos, containers and codecs of videos, and the suffixes of both."""

from __future__ import annotations

PHOTO_FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "TIFF", "AVIF", "HEIF")  # Pillow's names
ANIMATED_FORMATS = frozenset({"WEBP", "PNG", "AVIF"})  # which Pillow reads as clips if they hold several pictures
PHOTO_SUFFIXES = frozenset(
    f".{suffix}"
    for suffix in "jpg jpeg jpe jfif png apng webp bmp dib tif tiff avif avifs heic heif hif heics heifs".split()
)
VIDEO_SUFFIXES = frozenset(
    f".{suffix}"
    for suffix in (
        "mp4 m4v mp4v mov qt webm mkv mk3d avi divx wmv asf flv f4v mpg mpeg mpe m1v m2v m2p ts tsv m2t m2ts mts mod "
        "tod vob dv dif 3gp 3g2 ogv ogm ogg ogx rm rmvb swf gif"
    ).split()
)

# FFmpeg's names. Both FFmpegs, OpenCV's and PyAV's, may open nothing else: no playlist, no list of other files.
CONTAINERS = "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,asf,flv,mpeg,mpegvideo,mpegts,ogg,rm,swf,gif,dv"
CODECS = frozenset(  # FFmpeg's names of decoders
    "h264 hevc vp8 vp9 av1 libdav1d mpeg4 msmpeg4 msmpeg4v1 msmpeg4v2 mpeg1video mpeg2video h263 h263i h263p flv vp6f "
    "wmv1 wmv2 wmv3 vc1 theora rv10 rv20 rv30 rv40 mjpeg mjpegb prores dvvideo gif".split()
)
STILL_BRANDS = frozenset(  # of files that hold photos in a video's container (ISO 23008-12, AV1 Image File Format)
    {b"heic", b"heix", b"heim", b"heis", b"mif1", b"mif2", b"avif"}
)
