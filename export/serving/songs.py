"""Shared code of the clients: model card, songs in windows, retries, stems on disk."""

import argparse
import json
import random
import sys
import time
from contextlib import ExitStack
from pathlib import Path

import numpy as np
import soundfile

CARD_HELP = "assets.extra/card.json of the exported model"
ATTEMPTS = 5
FIRST_WAIT = 0.5


class RequestError(Exception):
    """Raised for invalid input: a file, or a request that the server rejected."""


def read_card(path):
    """Read the model card: stems, sample_rate, channels, window and context, in samples."""
    try:
        card = json.loads(Path(path).read_text())
        missing = {"stems", "sample_rate", "channels", "window", "context"} - set(card)
    except (OSError, ValueError, TypeError) as error:
        raise RequestError(f"{path}: not a model card: {error}") from error
    if missing:
        raise RequestError(f"{path}: not a model card: {', '.join(sorted(missing))} missing")
    return card


def separate_song(path, folder, card, request):
    """Separate a song in windows and write its stems.

    Window i keeps samples [i * window, (i + 1) * window) and sees `context` samples more on either
    side, zeros outside the song; so the stems join without seams. The files appear when the song
    is done.

    Args:
        path: The song, in a format that soundfile reads.
        folder: Folder to write `<stem>.wav` to, 32-bit float.
        card: The model card.
        request: From a window (context + window + context, channels) to stems by name, (window,
            channels).

    Returns:
        The files.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    partial = {name: folder / f".{name}.partial.wav" for name in card["stems"]}
    try:
        with _open(path, card) as song, ExitStack() as stack:
            form = (song.samplerate, song.channels, "FLOAT")
            files = {
                name: stack.enter_context(soundfile.SoundFile(file, "w", *form))
                for name, file in partial.items()
            }
            for done, window in _windows(song, card):
                stems = request(window)
                for name, file in files.items():
                    file.write(stems[name][: done - file.tell()])
                _progress(Path(path).name, done, song.frames)
        return [file.replace(folder / f"{name}.wav") for name, file in partial.items()]
    finally:
        for file in partial.values():
            file.unlink(missing_ok=True)


def retrying(call, transient, sleep=time.sleep):
    """Call until it succeeds, with increasing delays after transient errors.

    Args:
        call: The request.
        transient: From an exception to whether another attempt may succeed.
        sleep: Waits a number of seconds.

    Returns:
        What the call gives.
    """
    for attempt in range(ATTEMPTS):
        try:
            return call()
        except Exception as error:
            if attempt == ATTEMPTS - 1 or not transient(error):
                raise
            # Random, so that many clients do not come back all at once.
            sleep(FIRST_WAIT * 2**attempt * random.uniform(0.5, 1))


def main(description, client, server):
    """Run a client from the command line and print errors in one line.

    Args:
        description: What it does and an example, for --help.
        client: Class to make of server, model and card; its `separate` takes windows.
        server: Where it looks for the server unless told.
    """
    raw = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=description, formatter_class=raw)
    parser.add_argument("song", help="audio file that soundfile reads")
    parser.add_argument("-o", "--output", required=True, help="folder for the stems")
    parser.add_argument("--card", required=True, help=CARD_HELP)
    parser.add_argument("--server", default=server, help="by default %(default)s")
    parser.add_argument("--model", default="mmdense", help="name of the model on the server")
    arguments = parser.parse_args()
    try:
        card = read_card(arguments.card)
        separate = client(arguments.server, arguments.model, card).separate
        for file in separate_song(arguments.song, arguments.output, card, separate):
            print(file)
    except (RequestError, OSError, soundfile.SoundFileError) as error:
        sys.exit(f"error: {error}")


def _open(path, card):
    try:
        song = soundfile.SoundFile(path)
    except soundfile.LibsndfileError as error:
        raise RequestError(f"{path}: cannot be read: {error.error_string}") from error
    rate, channels = card["sample_rate"], card["channels"]
    if song.samplerate != rate:
        raise RequestError(
            f"{path}: has a rate of {song.samplerate} Hz, the model works at {rate} Hz; "
            f"convert it first: ffmpeg -i in.wav -ar {rate} out.wav"
        )
    if song.channels not in (1, channels):
        raise RequestError(f"{path}: has {song.channels} channels, the model takes {channels}")
    if not song.frames:
        raise RequestError(f"{path}: holds no samples")
    return song


def _windows(song, card):
    """Yield the samples kept so far and a window, (context + window + context, channels)."""
    window, context = card["window"], card["context"]
    for start in range(0, song.frames, window):
        first, last = max(0, start - context), min(song.frames, start + window + context)
        try:
            song.seek(first)
            block = song.read(last - first, dtype="float32", always_2d=True)
        except soundfile.LibsndfileError as error:
            raise RequestError(f"{song.name}: cannot be read: {error.error_string}") from error
        if len(block) < last - first:
            found = f"{first + len(block)} of {song.frames} samples"
            raise RequestError(f"{song.name}: ends early, after {found}")
        before, after = first - (start - context), start + window + context - last
        yield min(song.frames, start + window), np.pad(block, ((before, after), (0, 0)))


def _progress(name, done, total):
    if sys.stderr.isatty():
        bar = "#" * (30 * done // total)
        end = "\n" if done == total else ""
        print(f"\r{name} [{bar:<30}] {100 * done // total:3d} %", end=end, file=sys.stderr)
