"""The report as a person gets it: through the command, and looked at in a real browser."""

import json
import re
import shutil
from html.parser import HTMLParser

import keras
import numpy as np
import pytest
import soundfile
from matplotlib.image import imread
from typer.testing import CliRunner

import keras_mmdense.cli.report  # noqa: F401
from keras_mmdense.analysis.run_folders import read_runs
from keras_mmdense.cli.common import app
from keras_mmdense.configs import TABLES
from keras_mmdense.errors import InputError
from keras_mmdense.evaluation.protocols import METRICS
from keras_mmdense.evaluation.results_file import write_scores
from keras_mmdense.evaluation.scoring import SongScores
from keras_mmdense.pretrained.networks import NetworkSpec, save_network
from keras_mmdense.report.excerpts import encode, take_excerpts
from keras_mmdense.report.formatting import decibels
from keras_mmdense.report.html import render
from keras_mmdense.report.markdown import escape
from keras_mmdense.report.published import CERTAINTY, PUBLISHED
from keras_mmdense.report.report import collect
from keras_mmdense.separation.separator import Separator
from keras_mmdense.utils.palette import COLORS

SONGS = ("A", "Über <b>bold | *stars*", "y & <script>document.title='broken'")
STEMS = ("vocals", "drums", "bass", "other")
RATE = 44100


def song(name, base, stems=("vocals", "accompaniment"), **silent):
    frames = {
        stem: {metric: base + index + np.arange(3.0) for index, metric in enumerate(METRICS)}
        for stem in stems
    }
    for stem in silent:
        frames[stem] = {metric: np.full(3, np.nan) for metric in METRICS}
    return SongScores(name, RATE, 1.0, 1.0, frames, silent)


def write_run(folder, systems, rule="museval", **known):
    results = {
        system: [song(name, base + 2 * index) for index, name in enumerate(SONGS)]
        for system, base in systems.items()
    }
    write_scores(folder / "scores.json", results, rule, data=known)


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """A folder that `train` wrote, with scores inside, and one that `evaluate` wrote."""
    folder = tmp_path_factory.mktemp("runs")
    keras.utils.set_random_seed(0)
    network = NetworkSpec(TABLES["tiny"], ("vocals",))
    save_network(folder / "net", network, network.build())
    settings = {"training_seconds": 5400.0, "audio_seconds": 7200.0}
    (folder / "net" / "run.json").write_text(json.dumps(settings))
    curve = "epoch,audio_seconds,loss,val_loss\n1,3600,2,3\n2,7200,1,2\n"
    (folder / "net" / "curve.csv").write_text(curve)
    given = {"root": "my songs", "split": "valid"}
    write_run(folder / "net" / "scores", {str(folder / "net"): 3.0, "mixture": -4.0}, **given)
    write_run(folder / "other", {"another tool <i>": 5.25, "mixture": -4.0}, **given)
    return folder


@pytest.fixture(scope="module")
def page(runs, real_stems):
    """The path of a page made by the command from both runs and a song of three seconds."""
    for name in SONGS:
        folder = runs / "songs" / name
        folder.mkdir(parents=True)
        for stem in STEMS:
            soundfile.write(folder / f"{stem}.wav", real_stems[stem][-3 * RATE :], RATE)
    arguments = ["report", str(runs / "net"), str(runs / "other"), "-o", str(runs / "page.html")]
    arguments += ["--root", str(runs / "songs")]
    result = CliRunner().invoke(app, arguments, catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return runs / "page.html"


def invoke(*arguments):
    return CliRunner().invoke(app, ["report", *map(str, arguments)], catch_exceptions=False)


def test_a_markdown_file_that_is_no_report_is_kept(runs):
    readme = runs / "README.md"
    readme.write_text("# A project\n")
    with pytest.raises(InputError, match=r"README\.md: would be replaced, but is not a report"):
        invoke(runs / "net", "-o", runs / "README.html")
    assert readme.read_text() == "# A project\n" and not (runs / "README.html").exists()


class Links(HTMLParser):
    """All that a page refers to."""

    def __init__(self, text):
        super().__init__()
        self.found, self.tags = [], set()
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.tags.add(tag)
        names = ("src", "href", "srcset", "data", "poster", "action")
        self.found += [value for name, value in attributes if name in names]


def test_the_page_refers_to_nothing_but_itself(page):
    links = Links(page.read_text())
    assert all(link.startswith(("data:", "#")) for link in links.found)
    assert not links.tags & {"script", "link", "iframe", "object", "b", "i"}
    assert not re.search(r"url\(|@import", page.read_text())


def test_scores_of_the_same_songs_stand_in_one_group_and_oracles_once(runs):
    contents = collect(*read_runs([runs / "net", runs / "other"]))
    (group,) = contents.groups
    assert group.data == "my songs, valid" and group.songs == tuple(sorted(SONGS))
    assert list(group.systems) == [str(runs / "net"), "mixture", "another tool <i>"]
    summary = group.summary()
    assert summary[str(runs / "net")]["vocals"]["SDR"] == 3.0 + 2 + 1
    assert group.song_values("vocals")["mixture"][SONGS[2]] == -4 + 4 + 1
    (network,) = contents.networks
    assert (network.parameters, network.training.seconds) == (4702, 5400)


def test_other_rules_and_other_scores_stay_apart(runs, tmp_path):
    write_run(tmp_path / "windows", {"mixture": -4.0}, "dsd100")
    write_run(tmp_path / "better", {"mixture": 1.0})
    folders = [runs / "other", tmp_path / "windows", tmp_path / "better"]
    groups = collect(*read_runs(folders)).groups
    assert [group.rule.name for group in groups] == ["museval", "dsd100"]
    assert f"mixture ({tmp_path / 'better'})" in groups[0].systems
    text = render(collect(*read_runs(folders[1:2])))
    assert "BSSEval v3" in text and "No players" in text


def test_silent_stems_are_named(tmp_path):
    results = {"net": [song("loud", 1.0), song("quiet", 1.0, vocals="reference")]}
    write_scores(tmp_path / "scores.json", results)
    text = render(collect(*read_runs([tmp_path])))
    row = re.search(r"<tr><td>quiet (.*?)</tr>", text, re.S)[1]
    assert "true stem silent" in row and "<td>–</td>" in row
    assert "true stem silent" not in re.search(r"<tr><td>loud(.*?)</tr>", text, re.S)[1]


def test_published_rows_are_named_with_data_rule_and_certainty(page):
    text = page.read_text()
    for table in PUBLISHED:
        assert f"Published: {table.data}" in text
        for row in table.rows:
            assert row.certainty in CERTAINTY and row.system in text
    assert "Scores are comparable only on the same data" in text
    assert all(words in text.replace("&#39;", "'") for words in CERTAINTY.values())


def test_markdown_beside_the_page_holds_the_same_numbers(page):
    text = page.with_suffix(".md").read_text()
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in text.splitlines()]
    assert ["another tool \\<i\\>", "vocals", "8.25", "9.25", "10.25", "11.25", "3", "0"] in rows
    names = [row[0] for row in rows if row]
    assert escape(SONGS[2]) in names and "4,702" in text and "1.5 h" in text
    assert escape("a|b\n`c`") == "a\\|b \\`c\\`"
    assert "Scores are comparable only on the same data" in text


def test_numbers_read_well():
    assert [decibels(x) for x in (1.234, -0.5, float("nan"), None, 187.07, float("-inf"))] == [
        *("1.23", "−0.50", "–", "–", ">100", "−∞")
    ]


@pytest.mark.parametrize(("rate", "kind"), [(44100, "audio/mpeg"), (96000, "audio/flac")])
def test_sounds_are_encoded_whole(rate, kind, tmp_path):
    time = np.arange(rate) / rate
    tone = 0.5 * np.stack([np.sin(880 * np.pi * time)] * 2, 1)
    given, content = encode(tone, rate)
    assert given == kind
    (tmp_path / "sound").write_bytes(content)
    sound, found = soundfile.read(tmp_path / "sound")
    assert found == rate and len(sound) == pytest.approx(rate, abs=3000)
    assert np.abs(np.fft.rfft(sound[:, 0])).argmax() * rate / len(sound) == pytest.approx(
        440, abs=1
    )


@pytest.fixture(scope="module")
def separator(runs):
    return Separator(runs / "net")


class Song:
    sample_rate = RATE

    def __init__(self, name, stems):
        self.name, self.stems = name, lambda: stems


def test_an_excerpt_sounds_as_in_the_whole_song(separator, real_stems):
    """It lies where the vocals are, is equal to that part of the song, and the rest is summed."""
    quiet = {stem: np.concatenate([x, x]) for stem, x in real_stems.items()}
    quiet["vocals"] = quiet["vocals"].copy()
    quiet["vocals"][: 14 * RATE] = 0
    (excerpt,) = take_excerpts([Song("long", quiet)], separator, 3, 2.0)
    assert excerpt.start >= 14 and excerpt.seconds == 2
    start = round(excerpt.start * RATE)
    mixture = sum(quiet.values())
    whole = separator.separate(mixture, RATE)
    assert set(excerpt.estimates) == {"vocals", "accompaniment"}
    for stem, estimate in excerpt.estimates.items():
        np.testing.assert_allclose(estimate, whole[stem][start:][: 2 * RATE], atol=1e-4)
    rest = (mixture - quiet["vocals"])[start:][: 2 * RATE]
    np.testing.assert_allclose(excerpt.references["accompaniment"], rest, atol=1e-5)
    loud = max(np.abs(x).max() for x in (excerpt.mixture, *excerpt.estimates.values()))
    assert excerpt.gain <= 1 and loud * excerpt.gain <= 1 + 1e-6


def test_excerpts_span_worst_to_best(separator, real_stems):
    short = {stem: x[:4096] for stem, x in real_stems.items()}
    songs = [Song(name, short) for name in "abcde"]
    scored = {"a": 3.0, "b": 9.0, "c": float("nan"), "d": 1.0, "e": 5.0}
    names = [e.song for e in take_excerpts(songs, separator, 3, 1.0, scored)]
    assert names[0] == "d" and names[2] == "b" and names[1] in ("a", "e")


def test_bad_input_is_told_in_one_line(runs, tmp_path):
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "scores.json").write_text("{")
    out = ("-o", tmp_path / "out" / "page.html")
    for arguments, words in (
        ((tmp_path / "nothing", *out), "nothing: expected scores.json"),
        ((tmp_path / "broken", *out), "scores.json: not JSON"),
        ((runs / "other", "-o", tmp_path / "page.pdf"), "ends in .html"),
        ((runs / "other", *out, "--model", "x"), "--root"),
        ((runs / "net", *out, "--root", tmp_path / "none"), "none: no such folder"),
    ):
        with pytest.raises(InputError, match=words) as caught:
            invoke(*arguments)
        assert "\n" not in str(caught.value)
    assert not (tmp_path / "out").exists() and not (tmp_path / "page.pdf").exists()


# From here on in a browser.

GEOMETRY = """nodes => nodes.map(node => {
    const box = node.getBoundingClientRect();
    return {left: box.left, top: box.top + scrollY, width: box.width, height: box.height,
            natural: node.naturalWidth, duration: node.duration, text: node.innerText};
})"""

SOUNDS_KNOWN = """() => Promise.all([...document.querySelectorAll("audio")].map(sound =>
    sound.readyState > 0 || new Promise(done => sound.onloadedmetadata = () => done(true))))"""
MADE_FOR_THE_SCHEME = """plots => plots.map(plot =>
    plot.currentSrc === plot.previousElementSibling.srcset && plot.currentSrc !== plot.src)"""
PLAY = """() => new Promise(done => {
    const sound = document.querySelector("audio");
    sound.muted = true;
    sound.ontimeupdate = () => sound.currentTime > 0.1 && done(sound.currentTime);
    sound.play();
})"""


@pytest.fixture(scope="module")
def browser(playwright):
    names = ("chromium", "chromium-browser", "google-chrome")
    program = next(filter(None, map(shutil.which, names)), None)
    if program is None:
        pytest.skip("needs chromium: apt-get install chromium")
    options = ["--no-sandbox", "--host-resolver-rules=MAP * ~NOTFOUND"]
    browser = playwright.chromium.launch(executable_path=program, args=options)
    yield browser
    browser.close()


@pytest.fixture(scope="module")
def look(browser, page, tmp_path_factory):
    """Opens the page in a scheme and a width: (boxes by selector, screenshot, the open page)."""

    def open_page(scheme, width):
        context = browser.new_context(
            offline=True, color_scheme=scheme, viewport={"width": width, "height": 900}
        )
        view, trouble = context.new_page(), []
        view.on("console", lambda message: trouble.append(message.text))
        view.on("requestfailed", lambda request: trouble.append(request.url[:80]))
        view.on("request", lambda request: trouble.append(request.url) if _foreign(request) else 0)
        view.goto(page.as_uri())
        view.evaluate(SOUNDS_KNOWN)
        path = tmp_path_factory.mktemp("look") / "shot.png"
        view.screenshot(path=path, full_page=True)
        assert trouble == []
        return lambda which: view.eval_on_selector_all(which, GEOMETRY), imread(path), view

    return open_page


def _foreign(request):
    return not request.url.startswith(("file:", "data:"))


def crop(image, box):
    top, left = round(box["top"]), round(box["left"])
    return image[top : top + round(box["height"]), left : left + round(box["width"]), :3]


def share_near(image, color, tolerance=0.08):
    rgb = np.array([int(color[i : i + 2], 16) / 255 for i in (1, 3, 5)])
    return (np.abs(image - rgb).max(-1) < tolerance).mean()


def test_a_browser_shows_tables_plots_and_players(look):
    boxes, image, view = look("light", 1280)
    assert view.title() == "Separation report"
    assert [box["text"] for box in boxes(".excerpt h3")] == [SONGS[1]]
    tables = boxes("table")
    # Overview, two stems with a table of scores and one of songs each, the excerpt's, networks.
    assert len(tables) == 1 + 2 * 2 + 1 + 1
    assert "8.25" in tables[0]["text"] and SONGS[1] in tables[2]["text"]
    for table in tables:
        ink = crop(image, table).mean(-1)
        assert table["width"] > 250 and 0.01 < (ink < 0.6).mean() < 0.4
    plots = boxes("img.plot")
    assert len(plots) == 2 + 1
    for plot in plots:
        assert plot["natural"] > 300 and plot["width"] > 300 and plot["height"] > 80
        assert all(share_near(crop(image, plot), color) > 0.001 for color in COLORS[:2])
    pictures, players = boxes("figure img"), boxes("audio")
    assert len(pictures) == len(players) == 1 + 2 * 2
    for picture, player in zip(pictures, players, strict=True):
        assert picture["natural"] == 720 and crop(image, picture).std() > 0.05
        assert player["duration"] == pytest.approx(3, abs=0.1)
        assert player["height"] >= 30 and player["width"] == pytest.approx(picture["width"], abs=2)
        assert player["top"] >= picture["top"] + picture["height"]
        assert crop(image, player).std() > 0.03


def test_a_browser_plays_the_sound(look):
    _, _, view = look("light", 800)
    assert 0.1 < view.evaluate(PLAY) <= 3.1


def test_a_dark_scheme_is_dark_and_can_be_read(look):
    boxes, image, view = look("dark", 1280)
    assert image[2, 2, :3].max() < 0.15
    for table in boxes("table"):
        assert 0.01 < (crop(image, table).mean(-1) > 0.5).mean() < 0.4
    assert all(view.eval_on_selector_all("img.plot", MADE_FOR_THE_SCHEME))
    for plot in boxes("img.plot"):
        assert (crop(image, plot).mean(-1) > 0.6).mean() > 0.003


def test_a_phone_shows_all_in_one_column(look):
    boxes, _, view = look("light", 390)
    assert view.evaluate("document.documentElement.scrollWidth") == 390
    cards = boxes(".card")
    assert len({round(card["left"]) for card in cards}) == 1
    for box in (*cards, *boxes("img"), *boxes("audio"), *boxes("h1, h2, h3, p")):
        assert box["left"] >= 0 and box["left"] + box["width"] <= 390
