"""The browser page, driven as a person does: stems, errors, playing, privacy, accessibility."""

import shutil
import sys
import zipfile

import numpy as np
import pytest
import soundfile

from keras_mmdense.exporting.web.export import export_web
from keras_mmdense.separation.separator import Separator

RATE = 44100
STEMS = ("vocals", "drums", "bass", "other")


@pytest.fixture(scope="module")
def expected(tiny_file, song):
    """What the Python interpreter makes of `song`."""
    return Separator.from_pretrained(tiny_file).separate(
        soundfile.read(song, dtype="float32")[0], RATE
    )


def stems_of(page, folder, format="float32"):
    """All stems that the page gives for download, by name: (samples, channels)."""
    page.tab.select_option("#format", format)
    with zipfile.ZipFile(page.download("#zip", folder)) as archive:
        assert archive.testzip() is None
        archive.extractall(folder)
        names = archive.namelist()
    found = {}
    for name in names:
        found[name.split("/")[1].removesuffix(".wav")] = read(folder / name)
    return found


def read(path):
    samples, rate = soundfile.read(path, dtype="float32", always_2d=True)
    assert rate == RATE
    return samples


def close_to(found, expected, mixture):
    """Within 1e-3 of a sample and -60 dB of the mixture, and of exactly its length."""
    assert found.shape == expected.shape
    difference = found - expected
    assert np.abs(difference).max() < 1e-3
    assert np.sqrt(np.mean(difference**2)) < 1e-3 * np.sqrt(np.mean(mixture**2))


def test_stems_equal_the_command(
    chromium, serving, built_page, stems_root, requests_of, tmp_path, monkeypatch
):
    """The network that comes with the package on twenty seconds of a real song."""
    from keras_mmdense.cli import main

    names = [stems_root / "Lithium" / f"{stem}.ogg" for stem in STEMS]
    span = {"start": 60 * RATE, "frames": 20 * RATE, "dtype": "float32"}
    mixture = np.sum([soundfile.read(name, **span)[0] for name in names], axis=0)
    song, log = tmp_path / "song.wav", tmp_path / "log.json"
    soundfile.write(song, mixture, RATE, subtype="FLOAT")
    site, command = tmp_path / "site", tmp_path / "command"
    for arguments in (
        ["export", "web", "mdensenet_cws_4stems", site],
        ["separate", song, "-o", command, "--residual", "--engine", "tensorflow"],
    ):
        monkeypatch.setattr(sys, "argv", ["keras-mmdense", *map(str, arguments)])
        with pytest.raises(SystemExit) as end:
            main()
        assert not end.value.code
    with (
        serving(site) as url,
        chromium(tmp_path / "profile", flags=[f"--log-net-log={log}"]) as page,
    ):
        page.open(url)
        assert page.tab.evaluate("crossOriginIsolated")
        page.separate(song)
        stems = stems_of(page, tmp_path)
        residual = read(page.download("#residual", tmp_path))
        accompaniment = read(page.download("#accompaniment", tmp_path))
    assert set(stems) == set(STEMS)
    for name, stem in {**stems, "residual": residual}.items():
        close_to(stem, read(command / "song" / f"{name}.wav"), mixture)
    np.testing.assert_allclose(sum(stems.values()) + residual, mixture, atol=1e-6)
    np.testing.assert_allclose(accompaniment + stems["vocals"], mixture, atol=1e-6)
    # What the browser asks for by itself, such as updates, has no origin.
    asked = {address for origin, address in requests_of(log) if url.startswith(str(origin))}
    assert any(address.endswith(".tflite") for address in asked)
    assert any(address.endswith(".wasm") for address in asked)
    assert [x for x in asked if not x.startswith((url, f"blob:{url}"))] == []


def test_formats(page, tiny_file, real_mixture, tmp_path):
    """Integers round, and share one gain where one of them would clip."""
    song = tmp_path / "loud.wav"
    soundfile.write(song, 4 * real_mixture[:100_000], RATE, subtype="FLOAT")
    mixture = read(song)
    expected = Separator.from_pretrained(tiny_file).separate(mixture, RATE)
    rest = [mixture - expected["vocals"], mixture - sum(expected.values())]
    peak = max(np.abs(x).max() for x in [*expected.values(), *rest])
    assert peak > 1
    page.separate(song)
    for format, subtype, step in [
        ("int16", "PCM_16", 2**-16),
        ("int24", "PCM_24", 2**-24),
        ("float32", "FLOAT", 0),
    ]:
        gain = 1 if format == "float32" else 0.999 / peak
        stems = stems_of(page, tmp_path, format)
        for name, stem in stems.items():
            np.testing.assert_allclose(stem, expected[name] * gain, atol=1e-3 + step)
        one = page.download('[aria-label="Download drums"]', tmp_path)
        assert soundfile.info(one).subtype == subtype
        np.testing.assert_array_equal(read(one), stems["drums"])
    decibels = 20 * np.log10(peak / 0.999)
    assert f"{decibels:.2f} dB quieter" in page.tab.inner_text("#download-note")


@pytest.mark.parametrize(
    "channels, subtype", [(1, "PCM_16"), (2, "PCM_32"), (3, "FLOAT"), (2, "DOUBLE")]
)
def test_any_wav(page, real_mixture, tiny_file, tmp_path, channels, subtype):
    waveform = np.concatenate([real_mixture, real_mixture[::-1, :1]], axis=1)[:60_000, :channels]
    path = tmp_path / "song.wav"
    soundfile.write(path, waveform, RATE, subtype=subtype)
    page.separate(path)
    stems = stems_of(page, tmp_path)
    expected = Separator.from_pretrained(tiny_file).separate(read(path), RATE)
    for name in STEMS:
        close_to(stems[name], expected[name], waveform)


@pytest.mark.parametrize(
    "sources, options",
    [
        (("vocals",), {"quantize": "float16"}),
        pytest.param(STEMS, {"quantize": "dynamic"}, marks=pytest.mark.slow),
        pytest.param(STEMS, {"quantize": "int8"}, marks=pytest.mark.slow),
    ],
)
def test_any_network(
    chromium, serving, built_page, save_tiny, real_mixture, song, tmp_path, sources, options
):
    from keras_mmdense.exporting.tflite.export import export_tflite

    if options.get("quantize") == "int8":
        options = {**options, "calibration": [real_mixture]}
    file = tmp_path / "network.tflite"
    export_tflite([save_tiny(tmp_path / "tiny", sources)], file, seconds=1, **options)
    export_web([file], tmp_path / "site")
    expected = Separator.from_pretrained(file).separate(read(song), RATE)
    with serving(tmp_path / "site") as url, chromium(tmp_path / "profile") as page:
        page.open(url)
        page.separate(song)
        stems = stems_of(page, tmp_path)
    assert list(stems) == list(expected)
    for name, stem in stems.items():
        close_to(stem, expected[name], read(song))


def test_compressed_music_and_other_rates(page, real_mixture, tmp_path):
    """The browser decodes, at the network's rate; the stems and the residual add up to that."""
    for name, rate in (("song.flac", RATE), ("other.wav", 48000)):
        path = tmp_path / name
        soundfile.write(path, np.clip(real_mixture[:96_000], -1, 1), rate, subtype="PCM_24")
        page.separate(path)
        assert "decoded at this rate by the browser" in page.tab.inner_text("#facts")
        stems = stems_of(page, tmp_path)
        assert len(stems["vocals"]) == pytest.approx(96_000 * RATE / rate, abs=1)
        mixture = sum(stems.values()) + read(page.download("#residual", tmp_path))
        if rate == RATE:
            np.testing.assert_allclose(mixture, read(path), atol=2e-6)


def test_a_second_song_gives_the_same_as_alone(page, song, expected, real_mixture, tmp_path):
    other = tmp_path / "other.wav"
    soundfile.write(other, real_mixture[-100_000:], RATE, subtype="FLOAT")
    page.separate(other)
    page.separate(song)
    assert page.tab.inner_text("#title") == "Lithium"
    for name, stem in stems_of(page, tmp_path).items():
        close_to(stem, expected[name], read(song))
    assert page.tab.evaluate(page.SHELVES) == 1


def test_cancel_ends_the_worker_and_removes_its_stems(page, real_mixture, song, tmp_path):
    long = tmp_path / "long.wav"
    soundfile.write(long, np.tile(real_mixture, (30, 1)), RATE, subtype="FLOAT")
    page.begin(long)
    assert len(page.tab.workers) > 0
    page.tab.click("#cancel")
    page.tab.wait_for_selector("#open:not([hidden])")
    page.until(page.SHELVES.replace("return names.length", "return !names.length"))
    for _ in range(1200):
        if page.tab.workers:
            page.tab.wait_for_timeout(50)
    assert not page.tab.workers
    page.separate(song)


def test_stems_play_while_others_are_still_separated(page, real_mixture, tmp_path):
    long = tmp_path / "long.wav"
    soundfile.write(long, np.tile(real_mixture, (10, 1)), RATE, subtype="FLOAT")
    page.begin(long)
    page.tab.click("#play")
    page.until("document.querySelector('#seek').value > 22050")
    assert page.tab.is_visible("#working")
    page.tab.click("#play")
    stopped = page.tab.input_value("#seek")
    page.tab.wait_for_timeout(300)
    assert page.tab.input_value("#seek") == stopped


def test_keyboard_and_mixing(page, song):
    tab = page.tab
    page.separate(song)
    tab.keyboard.press("Tab")
    tab.evaluate("document.activeElement.blur()")
    tab.keyboard.press("Space")
    page.until("document.querySelector('#seek').value > 0")
    tab.keyboard.press("Space")
    assert tab.get_attribute("#play", "aria-label") == "Play"
    tab.focus("#seek")
    tab.keyboard.press("End")
    assert tab.get_attribute("#seek", "aria-valuetext") == "0:04 of 0:04"
    tab.click("#karaoke")
    assert tab.get_attribute('[aria-label="Mute vocals"]', "aria-pressed") == "true"
    assert tab.get_attribute('[aria-label="Mute drums"]', "aria-pressed") == "false"
    tab.click('[aria-label="Solo bass"]')
    assert tab.get_attribute("#karaoke", "aria-pressed") == "false"
    assert tab.locator(".track.silent").count() == 3


def test_works_offline_after_one_load(chromium, serving, tiny_site, song, expected, tmp_path):
    with chromium(tmp_path / "profile") as page:
        with serving(tiny_site) as url:
            page.open(url)
        page.tab.context.set_offline(True)
        page.open(url)
        page.separate(song)
        for name, stem in stems_of(page, tmp_path).items():
            close_to(stem, expected[name], read(song))


def test_isolated_also_where_the_host_sets_no_headers(
    chromium, plain_host, tiny_site, song, tmp_path
):
    with plain_host(tiny_site) as url, chromium(tmp_path / "profile") as page:
        page.open(url)
        page.until("crossOriginIsolated")
        page.separate(song)


def test_errors_in_plain_words(page, song, real_mixture, tmp_path):
    text = tmp_path / "text.wav"
    text.write_text("This is no music.\n" * 100)
    assert page.error(text) == "“text.wav” is not audio that this browser can read."
    empty = tmp_path / "empty.wav"
    empty.touch()
    assert page.error(empty) == "“empty.wav” is empty."
    short = tmp_path / "short.wav"
    short.write_bytes(song.read_bytes()[:100_000])
    assert page.error(short) == "This WAV file ends early before its end."
    broken = real_mixture[:100_000].copy()
    broken[70_000, 1] = np.nan
    soundfile.write(tmp_path / "nan.wav", broken, RATE, subtype="FLOAT")
    assert page.error(tmp_path / "nan.wav") == "Sample 70000 of this song is not a finite number."
    page.separate(song)


def test_a_damaged_model_is_named(chromium, serving, tiny_site, tmp_path):
    site = shutil.copytree(tiny_site, tmp_path / "site")
    (model,) = site.glob("*.tflite")
    model.write_bytes(model.read_bytes()[:20_000])
    with serving(site) as url, chromium(tmp_path / "profile") as page:
        tab = page.tab
        tab.goto(url)
        tab.wait_for_selector("#error:not([hidden])")
        assert tab.inner_text("#error") == "The model file is damaged. Export the page again."


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_accessible(page, song, axe, scheme):
    page.tab.emulate_media(color_scheme=scheme)
    for width in (360, 768, 1440):
        page.tab.set_viewport_size({"width": width, "height": 900})
        for state in ("empty", "separated"):
            if state == "separated" and page.tab.is_visible("#open"):
                page.separate(song)
            found = page.tab.evaluate(axe + "; axe.run()")
            serious = [v for v in found["violations"] if v["impact"] in ("serious", "critical")]
            assert serious == [], [(v["id"], [n["html"] for n in v["nodes"]]) for v in serious]
        assert page.tab.evaluate("document.documentElement.scrollWidth") <= width
