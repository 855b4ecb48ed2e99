"""The page after updates, beside other pages, in strict browsers, and with impatient people."""

import base64
import re
import shutil

import pytest

# The cache of the version that `update` makes is the only one.
TAKEN_OVER = "caches.keys().then((x) => /^[^,]*abcdefabcdef$/.test(String(x)))"


def update(site):
    """Another version of the page: its service worker has another cache."""
    worker = site / "sw.js"
    text, count = re.subn(r'(["`])[0-9a-f]{12}\1', r"\1abcdefabcdef\1", worker.read_text())
    assert count == 1
    worker.write_text(text)


def test_an_updated_page_works_offline(chromium, serving, tiny_site, song, tmp_path):
    site = shutil.copytree(tiny_site, tmp_path / "site")
    with chromium(tmp_path / "profile") as page:
        with serving(site) as url:
            page.open(url)
            update(site)
            page.open(url)
            page.until(TAKEN_OVER)
        page.tab.context.set_offline(True)
        page.open(url)
        page.separate(song)


# Asks for what a page asks the service worker for when it opens.
KEEP = """async () => {
    const [old] = await caches.keys();
    const urls = (await (await caches.open(old)).keys()).map(({ url }) => url);
    const { port1, port2 } = new MessageChannel();
    const answer = new Promise((resolve) => (port1.onmessage = ({ data }) => resolve(data)));
    (await navigator.serviceWorker.ready).active.postMessage(urls, [port2]);
    return answer;
}"""


def test_an_update_that_still_loads_keeps_its_files(
    chromium, plain_host, tiny_site, song, tmp_path
):
    site = shutil.copytree(tiny_site, tmp_path / "site")
    with chromium(tmp_path / "profile") as page:
        with plain_host(site, {"/icon.svg": 5}) as url:
            page.open(url)
            update(site)
            page.open(url)
            page.until("caches.keys().then((x) => x.length == 2)")
            assert page.tab.evaluate(KEEP) == "kept"
            page.until(TAKEN_OVER)
        page.tab.context.set_offline(True)
        page.open(url)
        page.separate(song)


def test_a_page_whose_files_an_update_has_just_removed(chromium, serving, tiny_site, tmp_path):
    renamed = """async () => {
        const [name] = await caches.keys();
        const [old, other] = [await caches.open(name), await caches.open(name.slice(0, -1) + "x")];
        for (const request of await old.keys()) await other.put(request, await old.match(request));
        await caches.delete(name);
    }"""
    with chromium(tmp_path / "profile") as page:
        with serving(tiny_site) as url:
            page.open(url)
        page.tab.evaluate(renamed)
        page.tab.context.set_offline(True)
        page.tab.goto(url)
        page.until("document.querySelector('#model').textContent.includes('MB')")


def test_pages_of_one_host_keep_their_own_files(chromium, plain_host, tiny_site, song, tmp_path):
    for name in ("a", "b"):
        shutil.copytree(tiny_site, tmp_path / "host" / name)
    (model,) = (tmp_path / "host" / "b").glob("*.tflite")
    renamed = model.rename(model.with_name("model-000000000000.tflite"))
    (model.parent / "model.json").write_text(f'{{"model": "{renamed.name}"}}')
    update(tmp_path / "host" / "b")
    with chromium(tmp_path / "profile") as page:
        with plain_host(tmp_path / "host") as url:
            for name in ("a", "b"):
                page.open(f"{url}{name}/")
        page.tab.context.set_offline(True)
        for name in ("a", "b"):
            page.open(f"{url}{name}/")
            page.separate(song)


def test_redirects_work_with_the_service_worker(chromium, plain_host, tiny_site, tmp_path):
    with plain_host(tiny_site) as url, chromium(tmp_path / "profile") as page:
        for _ in range(2):
            page.open(f"{url}index.html")
        assert page.tab.url == url


def test_a_browser_that_blocks_site_data(chromium, serving, tiny_site, song, tmp_path):
    blocked = "Object.defineProperty(window, 'localStorage', {get() { throw new Error('no'); }})"
    with serving(tiny_site) as url, chromium(tmp_path / "profile") as page:
        page.tab.add_init_script(blocked)
        page.tab.goto(url)
        page.separate(song)


@pytest.mark.parametrize("times", [1, 99])
def test_a_browser_that_does_not_answer_for_its_files(
    chromium, serving, tiny_site, song, tmp_path, times
):
    site = shutil.copytree(tiny_site, tmp_path / "site")
    (worker,) = (site / "assets").glob("worker-*.js")
    silent = f"""{{
        const get = StorageManager.prototype.getDirectory;
        let calls = 0;
        StorageManager.prototype.getDirectory = function () {{
            return calls++ < {times} ? new Promise(() => {{}}) : get.call(this);
        }};
    }}"""
    worker.write_text(silent + worker.read_text())
    with serving(site) as url, chromium(tmp_path / "profile") as page:
        page.open(url)
        page.separate(song)
        assert page.tab.evaluate(page.SHELVES) == (1 if times == 1 else 0)


def test_play_works_again_after_it_failed(page, song):
    page.separate(song)
    page.tab.evaluate("""() => {
        const add = AudioWorklet.prototype.addModule;
        AudioWorklet.prototype.addModule = () => Promise.reject(new Error("no network"));
        window.mend = () => { AudioWorklet.prototype.addModule = add; };
    }""")
    page.tab.click("#play")
    page.tab.wait_for_selector("#error:not([hidden])")
    assert page.tab.get_attribute("#play", "aria-label") == "Play"
    page.tab.evaluate("window.mend()")
    page.tab.click("#play")
    page.until("document.querySelector('#seek').value > 0")


def test_the_song_dropped_last_is_opened(page, song, tmp_path):
    page.separate(song)
    page.tab.evaluate(
        """(text) => {
            const bytes = Uint8Array.from(atob(text), (x) => x.charCodeAt(0));
            for (const name of ["second.wav", "third.wav"]) {
                const event = new DragEvent("drop", {dataTransfer: new DataTransfer()});
                event.dataTransfer.items.add(new File([bytes], name));
                document.body.dispatchEvent(event);
            }
        }""",
        base64.b64encode(song.read_bytes()).decode(),
    )
    page.until("document.querySelector('#title').textContent === 'third'")
    page.tab.wait_for_selector("#zip:enabled")
    assert page.tab.inner_text("#title") == "third"


def test_screen_readers_hear_what_happens_and_focus_stays(page, song):
    tab = page.tab
    page.separate(song)
    tab.focus("#another")
    tab.evaluate("document.querySelector('#live').textContent = ''")
    page.choose(song)
    page.until("document.querySelector('#live').textContent === 'The song is separated.'")
    assert tab.evaluate("document.activeElement.id") == "play"
    page.choose(song)
    tab.wait_for_selector("#cancel")
    tab.focus("#cancel")
    tab.keyboard.press("Enter")
    page.until("document.querySelector('#live').textContent === 'Cancelled.'")
    assert tab.evaluate("document.querySelector('#live').checkVisibility()")
    assert tab.evaluate("document.activeElement.id") == "file"
