"""The browser page, asserted: python benchmarks/web.py [--song clip.wav] [--minutes 10].

Separates the same twenty seconds with the page, the Python TFLite interpreter and the command, each
in a process of its own with as many threads, then a long song and a cancelled one in the page. The
page makes the network ready before a song is chosen; the interpreter's time has it in it.
Prints, and fails where it does not hold:
- the page takes at most 2.5 times as long as the interpreter
- the page's process stays under 1.5 GB of memory on a song of ten minutes
- two seconds after cancelling, the page's process computes no more; five after, memory is free

Needs the built page (export/web), chromium on the PATH and playwright. Speeds count only on a
machine that does nothing else; the load is printed.
"""

import argparse
import contextlib
import datetime
import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
import soundfile

RATE = 44100
FLAGS = (
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync"),
    *("--disable-background-networking", "--disable-component-update"),
)
INTERPRETER = """
import sys, time
from keras_mmdense.separation.separator import Separator
import ai_edge_litert.interpreter, soundfile
start = time.monotonic()
Separator.from_pretrained(sys.argv[1]).separate(*soundfile.read(sys.argv[2], dtype="float32"))
print("measured", time.monotonic() - start)
"""
COMMAND = "from keras_mmdense.cli import main; main()"
# Playwright itself looks twice a second.
NOTE_END = """() => {
  const zip = document.querySelector("#zip"), error = document.querySelector("#error");
  const start = performance.now();
  let begun = false;
  window.ended = new Promise((resolve) => {
    const observer = new MutationObserver(() => {
      begun ||= zip.disabled;
      if (error.hidden && (zip.disabled || !begun)) return;
      observer.disconnect();
      resolve((performance.now() - start) / 1000);
    });
    observer.observe(document.body, { subtree: true, attributes: true });
  });
}"""


def page_processes():
    """Chromium's page processes below this one."""
    parents = {}
    for status in Path("/proc").glob("[0-9]*/status"):
        with contextlib.suppress(OSError):
            text = status.read_text()
            parents[int(status.parent.name)] = int(text.split("PPid:")[1].split()[0])

    def inside(process):
        while process and process != os.getpid():
            process = parents.get(process)
        return process == os.getpid()

    for process in filter(inside, list(parents)):
        folder = Path(f"/proc/{process}")
        with contextlib.suppress(OSError):
            if b"--type=renderer" in (folder / "cmdline").read_bytes():
                yield folder


def memory(field):
    """Megabytes of the largest page process: VmRSS, or VmHWM for its peak."""
    found = [(folder / "status").read_text() for folder in page_processes()]
    return max(int(status.split(f"{field}:")[1].split()[0]) / 1e3 for status in found)


def processor_seconds():
    """Processor time that all page processes have used."""
    found = [(folder / "stat").read_text().split(") ")[1].split() for folder in page_processes()]
    return sum(int(user) + int(system) for *_, user, system in (stat[:13] for stat in found)) / (
        os.sysconf("SC_CLK_TCK")
    )


class Browser:
    """The exported page in a fresh Chromium."""

    def __init__(self, playwright, site, folder):
        from keras_mmdense.exporting.web.server import open_server

        self.server = open_server(site, 0)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.context = playwright.chromium.launch_persistent_context(
            tempfile.mkdtemp(dir=folder), executable_path=shutil.which("chromium"), args=[*FLAGS]
        )
        self.tab = self.context.pages[0]
        self.tab.goto(f"http://127.0.0.1:{self.server.server_address[1]}/")
        self.tab.wait_for_selector("#offline:not([hidden])")

    def separate(self, song):
        """Seconds from choosing a song to its last stem."""
        self.tab.evaluate(NOTE_END)
        self.tab.set_input_files("#file", str(song))
        seconds = self.tab.evaluate("ended")
        assert not self.tab.is_visible("#error"), self.tab.inner_text("#error")
        return seconds

    def cancel(self, song):
        """Cancels a song: processor seconds from the second to the third second after."""
        self.tab.set_input_files("#file", str(song))
        while not self.tab.evaluate("document.querySelector('#progress').value"):
            self.tab.wait_for_timeout(100)
        assert self.tab.workers
        self.tab.click("#cancel")
        self.tab.wait_for_timeout(2000)
        before = processor_seconds()
        self.tab.wait_for_timeout(1000)
        return processor_seconds() - before

    def close(self):
        self.context.close()
        self.server.shutdown()
        self.server.server_close()


def in_python(code, *arguments):
    """Run code in a separate process; return its output and seconds."""
    start = time.monotonic()
    command = [sys.executable, "-c", code, *map(str, arguments)]
    run = subprocess.run(command, capture_output=True, text=True, check=True)
    return run.stdout, time.monotonic() - start


def speeds(playwright, file, clip, folder):
    """Seconds of page, interpreter and command; the median of five rounds, taken in turns."""
    rounds = []
    for number in range(5):
        output, _ = in_python(INTERPRETER, file, clip)
        _, command = in_python(COMMAND, "separate", clip, "-o", folder / f"stems{number}")
        browser = Browser(playwright, folder / "site", folder)
        browser.tab.wait_for_timeout(3000)
        page = browser.separate(clip)
        engine = browser.tab.get_attribute("#model", "data-engine")
        browser.close()
        rounds.append((page, float(output.split("measured")[1]), command))
    print(f"the page uses {engine}", flush=True)
    return [statistics.median(seconds) for seconds in zip(*rounds, strict=True)]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--song", type=Path, help="a clip at 44.1 kHz; else synthesized")
    parser.add_argument("--minutes", type=int, default=10, help="length of the long song")
    options = parser.parse_args()
    from playwright.sync_api import sync_playwright

    from keras_mmdense.exporting.tflite.export import export_tflite
    from keras_mmdense.exporting.web.export import BUILD, export_web
    from keras_mmdense.pretrained.catalog import DEFAULT
    from keras_mmdense.synthesis.songs import synthesize

    machine = platform.processor() or platform.machine()
    load = os.getloadavg()[0]
    print(f"{machine}, {os.cpu_count()} cores, load {load:.1f}, {datetime.date.today()}")
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        folder = Path(folder)
        clip, long, file = folder / "clip.wav", folder / "long.wav", folder / "stems.tflite"
        music = sum(synthesize(1, 20).values())
        if options.song:
            music, rate = soundfile.read(options.song, frames=20 * RATE, dtype="float32")
            assert rate == RATE, f"{options.song} is at {rate} Hz"
        soundfile.write(clip, music, RATE, subtype="FLOAT")
        soundfile.write(long, np.tile(music, (3 * options.minutes, 1)), RATE, subtype="PCM_16")
        export_tflite([DEFAULT], file, steps=True)
        assert export_web([file], folder / "site"), f"the page is not built: {BUILD}"
        page, interpreter, command = speeds(playwright, file, clip, folder)
        for name, seconds in (("page", page), ("interpreter", interpreter), ("command", command)):
            note = " (with the start of Python)" if name == "command" else ""
            print(f"{name:12} {seconds:6.1f} s, {20 / seconds:5.2f} x real time{note}")
        print(f"the page takes {page / interpreter:.2f} of the interpreter's time")
        browser = Browser(playwright, folder / "site", folder)
        idle = memory("VmRSS")
        used = browser.cancel(long)
        browser.tab.wait_for_timeout(2000)
        assert not browser.tab.workers
        most, left = memory("VmHWM"), memory("VmRSS")
        print(f"in the third second after cancelling {used:.2f} s of processor time", flush=True)
        print(f"memory {idle:.0f} MB, at most {most:.0f}, after cancelling {left:.0f}", flush=True)
        seconds = browser.separate(long)
        peak = memory("VmHWM")
        print(f"{options.minutes} minutes in {seconds:.0f} s, peak {peak:.0f} MB")
        browser.close()
        assert page <= 2.5 * interpreter
        assert used < 0.1
        assert left < idle + 0.2 * (most - idle)
        assert peak < 1500


if __name__ == "__main__":
    main()
