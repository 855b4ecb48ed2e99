/** The page: opens a song, has it separated, plays and saves its stems. */

import { decode } from "./decode";
import { byId, clock, sentence } from "./dom";
import { save, wavFile, zipFile } from "./download";
import type { EngineInfo } from "./engine";
import { plainWords } from "./errors";
import { loadModel, type Model } from "./model";
import { keepOffline } from "./offline";
import { Player } from "./player";
import { Estimate } from "./progress";
import { prepare, Separation } from "./separation";
import { sweep } from "./shelf";
import { Song, type Source } from "./song";
import { Tracks } from "./tracks";
import type { Format } from "./wav";
import { windowCount } from "./windows";

interface Session {
  song: Song;
  separation: Separation;
  player: Player;
  tracks: Tracks;
  estimate: Estimate;
}

let model: Promise<Model>;
let session: Session | null = null;
/** Counts the songs that were chosen: what belongs to an older one comes too late. */
let latest = 0;

async function start(): Promise<void> {
  connect();
  model = loadModel();
  const swept = sweep();
  try {
    const network = await model;
    prepare(network);
    const { card, url, file } = network;
    byId("stem-names").textContent = sentence(card.stems);
    byId("model").textContent =
      `${card.network.join(", ")} · ${(file.length / 1e6).toFixed(1)} MB · ${card.license}`;
    await swept;
    byId("offline").hidden = !(await keepOffline(url, () => latest > 0));
  } catch (error) {
    byId("model").textContent = "No network";
    showError(error);
  }
}

function connect(): void {
  const file = byId<HTMLInputElement>("file");
  file.addEventListener("change", () => {
    if (file.files?.[0]) void open(file.files[0]);
    file.value = "";
  });
  connectDrop();
  byId("another").addEventListener("click", () => file.click());
  byId("cancel").addEventListener("click", () => void close("Cancelled."));
  byId("play").addEventListener("click", togglePlay);
  byId("seek").addEventListener("input", (event) => {
    session?.player.seek((event.target as HTMLInputElement).valueAsNumber);
  });
  byId("karaoke").addEventListener("click", () =>
    session?.tracks.muteVocals(!session.tracks.withoutVocals),
  );
  byId("zip").addEventListener(
    "click",
    () => session && download("stems", session.song.stems, true),
  );
  byId("accompaniment").addEventListener("click", () => downloadOne(session?.song.accompaniment));
  byId("residual").addEventListener("click", () => downloadOne(session?.song.residual));
  document.addEventListener("keydown", (event) => {
    const inControl = (event.target as Element).closest("button, input, select, label");
    if (event.key === " " && session && !inControl) {
      event.preventDefault();
      togglePlay();
    }
  });
  setInterval(showStatus, 500);
}

function connectDrop(): void {
  const body = document.body;
  body.addEventListener("dragover", (event) => {
    event.preventDefault();
    body.classList.add("dragging");
  });
  body.addEventListener("dragleave", (event) => {
    if (!event.relatedTarget) body.classList.remove("dragging");
  });
  body.addEventListener("drop", (event) => {
    event.preventDefault();
    body.classList.remove("dragging");
    const file = event.dataTransfer?.files[0];
    if (file) void open(file);
  });
}

async function open(file: File): Promise<void> {
  const closing = close();
  const turn = latest;
  await closing;
  if (turn !== latest) return;
  showReading(true);
  try {
    const network = await model;
    const decoded = await decode(file, network.card.sampleRate);
    if (turn !== latest) return;
    showReading(false);
    const song = new Song(
      file.name.replace(/\.[^.]+$/, ""),
      decoded.file,
      decoded.info,
      network.card,
    );
    const player = new Player(song, showPosition);
    const tracks = new Tracks(song, {
      gain: (stem, gain) => {
        player.setGain(stem, gain);
        byId("karaoke").setAttribute("aria-pressed", String(session?.tracks.withoutVocals));
      },
      seek: (sample) => player.seek(sample),
      download: (stem) => downloadOne(song.stems[stem]),
    });
    const { window, delay } = network.card;
    const estimate = new Estimate(
      windowCount(song.info.samples + (delay % window), window),
      seconds(),
    );
    const separation = new Separation(decoded, network, {
      ready: showEngine,
      part: (part) => {
        song.add(part);
        estimate.step(seconds());
        void player.fill();
        tracks.showAvailable();
        showStatus();
        announce(estimate.fraction);
      },
      done: (peaks) => {
        song.finish(peaks);
        showDone(song);
      },
      failed: (error) => void close().then(() => showError(error)),
    });
    session = { song, separation, player, tracks, estimate };
    showSong(session, decoded.byBrowser);
  } catch (error) {
    if (turn === latest) showError(error);
  }
}

/** Ends the song that is open, if any, and frees what it holds. */
async function close(message = ""): Promise<void> {
  latest += 1;
  const old = session;
  session = null;
  showReading(false);
  byId("open").hidden = byId("promises").hidden = false;
  passFocus("song", "file");
  byId("error").hidden = byId("song").hidden = true;
  if (old) {
    old.tracks.close();
    await Promise.all([old.player.close(), old.separation.discard()]);
  }
  if (message) say(message);
}

function togglePlay(): void {
  const player = session?.player;
  if (player?.playing) player.pause();
  else player?.play().catch((error) => player === session?.player && showError(error));
}

function downloadOne(source: Source | null | undefined): void {
  if (source) void download(source.name, [source], false);
}

async function download(name: string, sources: Source[], zip: boolean): Promise<void> {
  if (!session) return;
  const { song } = session;
  const format = byId<HTMLSelectElement>("format").value as Format;
  say(`Preparing ${name}…`);
  try {
    const file = zip
      ? await zipFile(song, sources, format)
      : await wavFile(song, sources[0]!, format);
    if (session?.song !== song) return;
    save(file, `${song.name} - ${name}.${zip ? "zip" : "wav"}`);
    say(`${name} saved.`);
  } catch (error) {
    if (session?.song === song) showError(error);
  }
}

function showSong({ song, tracks }: Session, byBrowser: boolean): void {
  const { rate, channels, samples } = song.info;
  const layout = channels === 1 ? "mono" : channels === 2 ? "stereo" : `${channels} channels`;
  const note = byBrowser ? ", decoded at this rate by the browser" : "";
  byId("title").textContent = song.name;
  byId("facts").textContent = `${clock(song.seconds)} · ${rate / 1000} kHz${note} · ${layout}`;
  byId("length").textContent = clock(song.seconds);
  byId<HTMLInputElement>("seek").max = String(samples);
  byId("song").hidden = byId("working").hidden = false;
  passFocus("open", "play");
  byId("open").hidden = byId("promises").hidden = true;
  byId("karaoke").hidden =
    !song.stems.some((stem) => stem.name === "vocals") || song.stems.length < 2;
  byId("karaoke").setAttribute("aria-pressed", "false");
  byId("accompaniment").hidden = !song.accompaniment;
  byId("download-note").textContent = "Ready when the whole song is separated.";
  setDownloads(false);
  tracks.showAvailable();
  showPosition();
  showStatus();
  say("Separating.");
}

function showDone(song: Song): void {
  const decibels = 20 * Math.log10(song.gain);
  byId("download-note").textContent = decibels
    ? `In 16 and 24 bits, all files are ${(-decibels).toFixed(2)} dB quieter, so that none clips.`
    : "The stems and the residual add up to the song.";
  setDownloads(true);
  passFocus("working", "zip");
  byId("working").hidden = true;
  say("The song is separated.");
}

/** Keeps the focus of a keyboard in the page: to be called before what may hold it is hidden. */
function passFocus(from: string, to: string): void {
  if (byId(from).contains(document.activeElement)) byId(to).focus();
}

function setDownloads(ready: boolean): void {
  for (const id of ["zip", "accompaniment", "residual"])
    byId<HTMLButtonElement>(id).disabled = !ready;
}

function showStatus(): void {
  if (!session || session.song.complete) return;
  byId("status").textContent = session.estimate.text(seconds());
  byId<HTMLProgressElement>("progress").value = session.estimate.fraction;
}

function showEngine({ accelerator, threads }: EngineInfo): void {
  const where =
    accelerator === "webgpu"
      ? "graphics processor"
      : `${threads} ${threads === 1 ? "thread" : "threads"}`;
  byId("model").dataset.engine = where;
  byId("facts").append(` · ${where}`);
}

function showPosition(): void {
  if (!session) return;
  const { player, song, tracks } = session;
  const now = clock(player.position / song.info.rate);
  const seek = byId<HTMLInputElement>("seek");
  seek.value = String(player.position);
  seek.setAttribute("aria-valuetext", `${now} of ${clock(song.seconds)}`);
  byId("now").textContent = now;
  byId("play").setAttribute("aria-label", player.playing ? "Pause" : "Play");
  byId("play").classList.toggle("playing", player.playing);
  byId("waiting").hidden = !player.playing || song.complete || player.position < song.available;
  tracks.moveTo(player.position);
}

/** Tells a screen reader every quarter. */
function announce(fraction: number): void {
  const quarter = Math.floor(4 * fraction) * 25;
  if (quarter && quarter < 100) say(`${quarter}% separated`);
}

function say(text: string): void {
  byId("live").textContent = text;
}

function showReading(reading: boolean): void {
  byId("open-title").textContent = reading ? "Reading the song…" : "Drop a song here";
  byId("open").setAttribute("aria-busy", String(reading));
  if (reading) say("Reading the song…");
}

function showError(error: unknown): void {
  showReading(false);
  const notice = byId("error");
  notice.textContent = plainWords(error);
  notice.hidden = false;
}

function seconds(): number {
  return performance.now() / 1000;
}

void start();
