"""Containers, codecs and file suffixes that are let in."""

from __future__ import annotations

PHOTO_FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "TIFF", "AVIF")
PHOTO_SUFFIXES = frozenset({".jpg", ".preview_jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff", ".avif"})
CONTAINERS = "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,asf,flv,mpeg,mpegvideo,mpegts,ogg,rm,swf,gif"  # FFmpeg's names
CODECS = frozenset(  # four letters each, as containers name them
    "h264 avc1 hevc hvc1 hev1 vp80 vp90 vp08 vp09 av01 mp4v fmp4 xvid divx dx50 div3 mp42 mp43 mpg1 mpg2 mpeg h263 "
    "s263 flv1 vp6f wmv1 wmv2 wmv3 wvc1 theo rv10 rv20 rv30 rv40 mjpg mjpa jpeg apch apcn apcs apco ap4h dvsd "
    "gif".split()
)


VIDEO_SUFFIXES = frozenset(
    f".{suffix}"
    for suffix in "mp4 mov m4v webm mkv avi wmv asf flv f4v mpg mpeg m1v m2v ts vob 3gp 3g2 ogv rm swf gif".split()
)
