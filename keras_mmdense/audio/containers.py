"""Containers of audio files: chunks, pages, headers."""

import mmap
import os
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from keras_mmdense.errors import InputError

MAX_CHUNKS = 1000
# Sizes that ffmpeg and SoX write if they cannot return to the header.
STREAMED = (0xFFFFFFFF, 0x7FFFF000)
MP3_RATES = (44100, 48000, 32000)
MP3_KBITS = (  # of MPEG 2 and of MPEG 1
    (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
    (0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
)


def chunks(file: BinaryIO) -> Iterator[tuple[bytes, int, int]]:
    """Iterate over the chunks of a WAV, RF64, W64 or AIFF file up to its samples.

    Args:
        file: The file, open for reading.

    Yields:
        Name of each chunk, and position and size of its content in bytes; nothing for other
        files.
    """
    file.seek(0)
    kind = file.read(4)
    if kind not in (b"RIFF", b"RF64", b"RIFX", b"FORM", b"riff"):
        return
    wide = kind == b"riff"
    number = struct.Struct("<Q" if wide else ">I" if kind in (b"RIFX", b"FORM") else "<I")
    position, header, samples = (40, 24, None) if wide else (12, 8, None)
    for _ in range(MAX_CHUNKS):
        file.seek(position)
        head = file.read(header)
        if len(head) < header:
            return
        name, size = head[:4], number.unpack(head[-number.size :])[0] - (header if wide else 0)
        if size < 0:
            return
        if name == b"ds64":
            samples = int.from_bytes(file.read(16)[8:], "little")
        elif name == b"data" and kind == b"RF64" and size == STREAMED[0] and samples:
            size = samples
        yield name, position + header, size
        if name in (b"data", b"SSND"):
            return
        position += header + size + -size % (8 if wide else 2)


def check_whole(path: str | Path) -> None:
    """Check that a WAV, RF64, W64, AIFF or Ogg file is complete.

    libsndfile reads a truncated file as a shorter one.

    Args:
        path: A file of any format.

    Raises:
        InputError: If the file is truncated.
    """
    with open(path, "rb") as file:
        there = os.fstat(file.fileno()).st_size
        for name, start, size in chunks(file):
            if name in (b"data", b"SSND") and size not in STREAMED and start + size > there:
                raise InputError(
                    f"{path}: the file ends early: expected {size} bytes of samples, "
                    f"found {max(0, there - start)}"
                )
        file.seek(0)
        if file.read(4) == b"OggS" and not _ogg_ends(file, there):
            raise InputError(f"{path}: the file ends early: its last Ogg page is missing")


def _ogg_ends(file: BinaryIO, there: int) -> bool:
    """Return whether the last page is complete and marked as the end of a stream."""
    position, ended = 0, False
    while True:
        file.seek(position)
        head = file.read(27)
        if len(head) < 27 or not head.startswith(b"OggS"):
            return ended
        sizes = file.read(head[26])
        position += 27 + len(sizes) + sum(sizes)
        ended = bool(head[5] & 4) and position <= there


def mp3_tells_length(path: str | Path) -> bool:
    """Return whether an MP3 file starts with a frame that contains the number of frames.

    Without it, libsndfile guesses the length from the first frames.
    """
    with open(path, "rb") as file:
        file.seek(_id3_size(file.read(10)))
        data = file.read(1 << 14)
    for first in range(len(data) - 200):
        if data[first] == 0xFF and data[first + 1] >= 0xE2:
            newest, mono = data[first + 1] & 0x18 == 0x18, data[first + 3] >> 6 == 3
            side = first + 4 + ((17 if mono else 32) if newest else (9 if mono else 17))
            if data[side : side + 4] in (b"Xing", b"Info"):
                return bool(data[side + 7] & 1)
            return data[first + 36 : first + 40] == b"VBRI"
    return False


def mp3_is_whole(path: str | Path) -> bool:
    """Return whether the last frame of an MP3 file is complete.

    A truncation between two frames cannot be detected if the file does not contain the number of
    frames.
    """
    with open(path, "rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        position = _id3_size(data[:10])
        while (position := data.find(b"\xff", position)) >= 0:
            if _mp3_frame(data[position : position + 4]):
                break
            position += 1
        while 0 <= position < len(data):
            head = data[position : position + 4]
            if len(head) < 4:
                return not head.startswith(b"\xff")
            size = _mp3_frame(head)
            if not size:  # a tag at the end
                return True
            position += size
        return position == len(data)


def _id3_size(head: bytes) -> int:
    if not head.startswith(b"ID3"):
        return 0
    size = 0
    for byte in head[6:]:
        size = size << 7 | byte & 127
    return size + 10


def _mp3_frame(head: bytes) -> int:
    """Return the size in bytes of the layer III frame that starts with a header; 0 if none does."""
    if len(head) < 4 or head[0] != 0xFF or head[1] & 0xE6 != 0xE2:
        return 0
    newest, version = head[1] & 0x18 == 0x18, head[1] >> 3 & 3
    rate, bits = head[2] >> 2 & 3, head[2] >> 4
    if version == 1 or rate == 3 or not 0 < bits < 15:
        return 0
    hertz = MP3_RATES[rate] >> {3: 0, 2: 1, 0: 2}[version]
    return (144 if newest else 72) * MP3_KBITS[newest][bits] * 1000 // hertz + (head[2] >> 1 & 1)


def drop_time(path: str | Path) -> None:
    """Clear the time in a float WAV file's PEAK chunk, so that equal samples are equal bytes."""
    with open(path, "r+b") as file:
        for name, start, _ in chunks(file):
            if name == b"PEAK":
                file.seek(start + 4)
                file.write(bytes(4))
                return
