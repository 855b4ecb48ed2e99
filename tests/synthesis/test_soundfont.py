"""Songs played by a SoundFont: pitch, time, order and what is refused."""

import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile
from typer.testing import CliRunner

from keras_mmdense.cli import app
from keras_mmdense.errors import InputError
from keras_mmdense.synthesis.songs import synthesize
from keras_mmdense.synthesis.songwriting import Hit, Note
from keras_mmdense.synthesis.soundfont import _Player

RATE = 44100
SOUNDFONT = Path("/usr/share/sounds/sf2/TimGM6mb.sf2")


@pytest.fixture(scope="module")
def soundfont():
    pytest.importorskip("fluidsynth", reason="needs pip install pyfluidsynth and FluidSynth")
    if not SOUNDFONT.is_file():
        pytest.skip("needs apt install timgm6mb-soundfont")
    return SOUNDFONT


def test_stems_have_the_length_and_no_vocals(soundfont):
    stems = synthesize(4, 8.3, RATE, soundfont)
    assert list(stems) == ["drums", "bass", "other"]
    for sound in (*stems.values(), sum(stems.values())):
        assert sound.shape == (round(8.3 * RATE), 2) and sound.dtype == np.float32
        assert sound.any() and np.abs(sound).max() <= 0.9


def test_equal_seeds_give_equal_bytes(soundfont):
    one, again, other = (synthesize(seed, 3, RATE, soundfont) for seed in (1, 1, 2))
    assert all(one[stem].tobytes() == again[stem].tobytes() for stem in one)
    assert any(one[stem].tobytes() != other[stem].tobytes() for stem in one)


@pytest.mark.parametrize("pitch", [40, 57, 69])
def test_a_note_has_its_pitch_and_its_time(soundfont, pitch):
    player = _Player(soundfont, 2 * RATE, RATE)
    sound = player.notes([Note(0.5, 1.0, pitch, 0.9)], (19,), np.random.default_rng(0), pan=0.0)
    assert np.abs(sound[:, : RATE // 2]).max() < 1e-3 < np.abs(sound[:, RATE // 2 :]).max()
    spectrum = np.abs(np.fft.rfft(sound[0, int(0.7 * RATE) : int(1.4 * RATE)], 4 * RATE))
    fundamental = 440 * 2 ** ((pitch - 69) / 12)
    near = spectrum[int(4 * fundamental * 0.94) : int(4 * fundamental * 1.06)]
    found = (int(4 * fundamental * 0.94) + near.argmax()) / 4
    assert found == pytest.approx(fundamental, rel=0.01)
    assert near.max() > 0.05 * spectrum.max()


def test_strokes_sound_when_they_are_hit(soundfont):
    hits = [Hit(0.3, "snare", 0.9), Hit(1.1, "kick", 0.9)]
    sound = _Player(soundfont, 2 * RATE, RATE).drums(hits, np.random.default_rng(0))
    level = np.abs(sound).max(axis=0).reshape(-1, RATE // 20).max(axis=1)
    assert level[:6].max() < 1e-3
    assert level[6] > 0.01 and level[22] > 4 * level[21]


def test_songs_are_written_without_vocals(soundfont, tmp_path):
    arguments = ["synth", str(tmp_path / "a"), "--tracks", "1", "--seconds", "3"]
    result = CliRunner().invoke(app, [*arguments, "--soundfont", str(soundfont)])
    assert result.exit_code == 0, result.output
    (song,) = (tmp_path / "a" / "train").iterdir()
    files = {path.stem: soundfile.read(path)[0] for path in song.iterdir()}
    assert set(files) == {"mixture", "drums", "bass", "other"}
    mixture = files.pop("mixture")
    np.testing.assert_allclose(mixture, sum(files.values()), atol=1e-9)


@pytest.mark.parametrize("content", [b"", b"RIFF" + bytes(100), b"# A page\n" * 50])
def test_other_files_are_refused_in_one_line(soundfont, tmp_path, capfd, content):
    path = tmp_path / "a.sf2"
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"a\.sf2: not a SoundFont that FluidSynth can load"):
        synthesize(0, 3, RATE, path)
    assert capfd.readouterr() == ("", "")
    result = CliRunner().invoke(app, ["synth", str(tmp_path / "x"), "--soundfont", str(path)])
    assert result.exit_code and isinstance(result.exception, InputError)
    assert not (tmp_path / "x").exists()


def test_a_missing_file_is_named(soundfont, tmp_path):
    with pytest.raises(InputError, match=r"none\.sf2: no such file"):
        synthesize(0, 3, RATE, tmp_path / "none.sf2")


def test_a_missing_library_is_named(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "fluidsynth", None)
    with pytest.raises(InputError, match="SoundFonts need FluidSynth"):
        synthesize(0, 3, RATE, tmp_path / "a.sf2")
