"""The exported page, served as `keras-mmdense serve` does, in headless Chromium."""

import contextlib
import functools
import http.server
import json
import shutil
import threading
import time
from pathlib import Path
from types import MappingProxyType

import keras
import pytest
import soundfile

from keras_mmdense.configs import TABLES
from keras_mmdense.exporting.web.export import BUILD, PAGE, export_web
from keras_mmdense.exporting.web.server import open_server
from keras_mmdense.pretrained import networks
from keras_mmdense.stems import STEMS

AXE = PAGE.parent / "node_modules" / "axe-core" / "axe.min.js"
FLAGS = (
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync"),
    *("--disable-background-networking", "--disable-component-update"),
)


class Page:
    """The page as a person uses it.

    Attributes:
        SHELVES: JavaScript that counts the songs whose stems are kept on disk.
        tab: Playwright's page.
    """

    SHELVES = """async () => {
        const folder = await (await navigator.storage.getDirectory()).getDirectoryHandle("stems");
        const names = [];
        for await (const name of folder.keys()) names.push(name);
        return names.length;
    }"""

    def __init__(self, context):
        self.tab = context.pages[0]

    def open(self, url):
        """Loads the page and waits until it works offline."""
        self.tab.goto(url)
        self.tab.wait_for_selector("#offline:not([hidden])", timeout=60_000)

    def until(self, expression):
        """Waits until JavaScript gives what is true; the page's policy forbids Playwright's way."""
        for _ in range(1200):
            if self.tab.evaluate(expression):
                return
            self.tab.wait_for_timeout(50)
        raise AssertionError(f"not within a minute: {expression}")

    def choose(self, song):
        self.tab.set_input_files("#file", str(song))

    def begin(self, song):
        """Has the separation of a song begin."""
        self.choose(song)
        self.tab.wait_for_selector("#working")  # Until then the progress is another song's.
        self.until("document.querySelector('#progress').value > 0")

    def separate(self, song):
        """Has a song separated to its end."""
        self.choose(song)
        self.tab.wait_for_selector("#zip:enabled, #error:not([hidden])", timeout=240_000)
        assert not self.tab.is_visible("#error"), self.tab.inner_text("#error")

    def error(self, song):
        """The error that a file leads to."""
        self.choose(song)
        self.tab.wait_for_selector("#error:not([hidden])", timeout=60_000)
        return self.tab.inner_text("#error")

    def download(self, selector, folder):
        """Clicks what downloads and gives the file."""
        with self.tab.expect_download() as waiting:
            self.tab.click(selector)
        path = Path(folder) / waiting.value.suggested_filename
        waiting.value.save_as(path)
        return path


@pytest.fixture(scope="session")
def built_page():
    if not (PAGE / "index.html").is_file():
        pytest.skip(f"the page is not built: {BUILD}")
    return PAGE


@pytest.fixture(scope="session")
def chromium(playwright):
    """Starts a browser: (profile folder, flags) -> context manager of a `Page`."""
    path = shutil.which("chromium")
    if path is None:
        pytest.skip("no chromium on the PATH")

    @contextlib.contextmanager
    def start(profile, flags=()):
        context = playwright.chromium.launch_persistent_context(
            str(profile), executable_path=path, args=[*FLAGS, *flags]
        )
        with contextlib.closing(context):
            yield Page(context)

    return start


@contextlib.contextmanager
def running(server):
    """Runs a server in a thread and gives its address."""
    with server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()
        thread.join()


@pytest.fixture(scope="session")
def serving():
    """Serves a folder: folder -> context manager of its address."""
    return lambda folder: running(open_server(folder, 0))


class PlainHandler(http.server.SimpleHTTPRequestHandler):
    """A host without headers, which takes index.html for a folder, as some do."""

    def __init__(self, *args, delays, **kwargs):
        self.delays = delays
        super().__init__(*args, **kwargs)

    def do_GET(self):
        time.sleep(self.delays.get(self.path, 0))
        if not self.path.endswith("/index.html"):
            return super().do_GET()
        self.send_response(308)
        self.send_header("Location", self.path.removesuffix("index.html"))
        self.send_header("Content-Length", "0")
        return self.end_headers()

    def log_message(self, *_):
        pass


@pytest.fixture(scope="session")
def plain_host():
    """Serves a folder without the page's headers: (folder, seconds by path) -> as `serving`."""

    def start(folder, delays=MappingProxyType({})):
        handler = functools.partial(PlainHandler, directory=str(folder), delays=delays)
        return running(http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler))

    return start


@pytest.fixture(scope="session")
def save_tiny():
    """Writes a small network with random weights: (folder, sources) -> folder."""

    def save(folder, sources):
        keras.utils.set_random_seed(0)
        network = networks.NetworkSpec(TABLES["tiny"], sources)
        networks.save_network(folder, network, network.build())
        return folder

    return save


@pytest.fixture(scope="session")
def tiny_file(save_tiny, tmp_path_factory):
    """A small network of four stems as a TFLite file, in windows of about a second."""
    from keras_mmdense.exporting.tflite.export import export_tflite

    folder = tmp_path_factory.mktemp("tiny")
    export_tflite([save_tiny(folder / "tiny", STEMS)], folder / "tiny.tflite", seconds=1)
    return folder / "tiny.tflite"


@pytest.fixture(scope="session")
def tiny_site(built_page, tiny_file, tmp_path_factory):
    """A page with the small network."""
    out = tmp_path_factory.mktemp("site") / "tiny"
    assert export_web([tiny_file], out)
    return out


@pytest.fixture(scope="module")
def page(chromium, serving, tiny_site, tmp_path_factory):
    """The page with the small network, opened once for all tests of a module."""
    with serving(tiny_site) as url, chromium(tmp_path_factory.mktemp("profile")) as page:
        page.open(url)
        yield page


@pytest.fixture(scope="session")
def axe():
    """The script of axe-core."""
    return AXE.read_text()


@pytest.fixture(scope="session")
def requests_of():
    """Reads what pages requested from a browser's --log-net-log file: pairs (origin, address)."""

    def read(path):
        log = json.loads(path.read_text())
        kinds = {code: name for name, code in log["constants"]["logEventTypes"].items()}
        started = [
            event["params"]
            for event in log["events"]
            if kinds[event["type"]] == "URL_REQUEST_START_JOB" and "url" in event.get("params", {})
        ]
        return [(request.get("initiator"), request["url"]) for request in started]

    return read


@pytest.fixture(scope="session")
def song(tmp_path_factory, real_mixture):
    """Some seconds of real music as a 24-bit WAV file, no whole number of windows."""
    path = tmp_path_factory.mktemp("music") / "Lithium.wav"
    soundfile.write(path, real_mixture[:200_001], 44100, subtype="PCM_24")
    return path
