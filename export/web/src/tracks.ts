/** The rows of the stems: waveform, mute, solo, volume, download. */

import { byId, capital, clock, tickStep } from "./dom";
import { peak } from "./levels";
import type { Song } from "./song";
import { drawOutline } from "./waveform";

export interface TracksListener {
  gain(stem: number, gain: number): void;
  seek(sample: number): void;
  download(stem: number): void;
}

interface Row {
  element: HTMLElement;
  canvas: HTMLCanvasElement;
  mute: HTMLButtonElement;
  solo: HTMLButtonElement;
  download: HTMLButtonElement;
  volume: HTMLInputElement;
}

const KNOWN = ["vocals", "drums", "bass", "other", "accompaniment"];

/** What a stem is heard with: muted and not soloed stems are silent. */
export function gains(rows: { mute: boolean; solo: boolean; volume: number }[]): number[] {
  const soloed = rows.some((row) => row.solo);
  return rows.map((row) => (row.mute || (soloed && !row.solo) ? 0 : row.volume ** 2));
}

export class Tracks {
  private readonly rows: Row[];
  private readonly list = byId<HTMLUListElement>("tracks");
  private readonly resized = new ResizeObserver(() => this.draw());
  private readonly scheme = matchMedia("(prefers-color-scheme: dark)");
  private readonly redraw = () => this.draw();

  constructor(
    private readonly song: Song,
    private readonly listener: TracksListener,
  ) {
    this.list.replaceChildren();
    this.rows = song.stems.map((stem, i) => this.addRow(stem.name, i));
    this.resized.observe(this.list);
    this.scheme.addEventListener("change", this.redraw);
  }

  close(): void {
    this.resized.disconnect();
    this.scheme.removeEventListener("change", this.redraw);
    this.list.replaceChildren();
  }

  /** Draws waveforms and time line. */
  draw(): void {
    const { stems } = this.song;
    const loudest = Math.max(0.05, ...stems.map((stem) => peak(stem.outline)));
    this.rows.forEach(({ canvas }, i) => {
      const { outline, outlined } = stems[i]!;
      drawOutline(canvas, outline, outlined, loudest);
    });
    this.drawTicks();
  }

  /** Moves the playhead. */
  moveTo(sample: number): void {
    this.list.style.setProperty("--position", String(sample / this.song.info.samples));
  }

  /** Shows how far stems are separated. */
  showAvailable(): void {
    this.list.style.setProperty(
      "--available",
      String(this.song.available / this.song.info.samples),
    );
    this.rows.forEach((row) => (row.download.disabled = !this.song.complete));
    this.draw();
  }

  /** Whether only the vocals are muted. */
  get withoutVocals(): boolean {
    return this.rows.every((row, i) => {
      const vocals = this.song.stems[i]!.name === "vocals";
      return pressed(row.mute) === vocals && !pressed(row.solo);
    });
  }

  /** Mutes the vocals alone, or nothing. */
  muteVocals(mute: boolean): void {
    this.rows.forEach((row, i) => {
      press(row.mute, mute && this.song.stems[i]!.name === "vocals");
      press(row.solo, false);
    });
    this.changed();
  }

  private changed(): void {
    const states = this.rows.map((row) => ({
      mute: pressed(row.mute),
      solo: pressed(row.solo),
      volume: row.volume.valueAsNumber,
    }));
    gains(states).forEach((gain, i) => {
      this.rows[i]!.element.classList.toggle("silent", gain === 0);
      this.listener.gain(i, gain);
    });
  }

  private addRow(name: string, index: number): Row {
    const template = byId<HTMLTemplateElement>("track").content.cloneNode(true) as DocumentFragment;
    const find = <T extends Element>(selector: string) => template.querySelector<T>(selector)!;
    const row: Row = {
      element: find("li"),
      canvas: find("canvas"),
      mute: find(".mute"),
      solo: find(".solo"),
      download: find(".download"),
      volume: find(".volume"),
    };
    row.element.dataset.stem = KNOWN.includes(name) ? name : `number-${index % 4}`;
    find(".stem").textContent = capital(name);
    row.canvas.setAttribute("aria-label", `Waveform of ${name}`);
    row.volume.setAttribute("aria-label", `Volume of ${name}`);
    for (const [button, label] of [
      [row.mute, `Mute ${name}`],
      [row.solo, `Solo ${name}`],
      [row.download, `Download ${name}`],
    ] as const) {
      button.setAttribute("aria-label", label);
      button.title = label;
    }
    for (const button of [row.mute, row.solo]) {
      button.addEventListener("click", () => {
        press(button, !pressed(button));
        this.changed();
      });
    }
    row.volume.addEventListener("input", () => this.changed());
    row.download.addEventListener("click", () => this.listener.download(index));
    this.seekWith(find<HTMLElement>(".wave"));
    this.list.append(template);
    return row;
  }

  private seekWith(wave: HTMLElement): void {
    const seek = (event: PointerEvent) => {
      const { left, width } = wave.getBoundingClientRect();
      this.listener.seek(((event.clientX - left) / width) * this.song.info.samples);
    };
    wave.addEventListener("pointerdown", (event) => {
      wave.setPointerCapture(event.pointerId);
      seek(event);
    });
    wave.addEventListener("pointermove", (event) => {
      if (wave.hasPointerCapture(event.pointerId)) seek(event);
    });
  }

  private drawTicks(): void {
    const ticks = byId("ticks");
    const step = tickStep(this.song.seconds, ticks.clientWidth);
    const labels: HTMLElement[] = [];
    for (let time = 0; time < this.song.seconds; time += step) {
      const label = document.createElement("span");
      label.textContent = clock(time);
      label.style.setProperty("left", `${(100 * time) / this.song.seconds}%`);
      labels.push(label);
    }
    ticks.replaceChildren(...labels);
  }
}

function pressed(button: HTMLButtonElement): boolean {
  return button.getAttribute("aria-pressed") === "true";
}

function press(button: HTMLButtonElement, on: boolean): void {
  button.setAttribute("aria-pressed", String(on));
}
