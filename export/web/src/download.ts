/** Stems as files: WAV in three formats, one or all in a zip, in bounded memory. */

import { makeZip } from "client-zip";
import type { Song, Source } from "./song";
import { encodeSamples, type Format, wavHeader } from "./wav";

const BLOCK = 1 << 18;

/** Writes a stem as a WAV file; in an integer format with the song's gain. */
export async function wavFile(song: Song, source: Source, format: Format): Promise<Blob> {
  const { rate, channels, samples } = song.info;
  const gain = format === "float32" ? 1 : song.gain;
  const parts: BlobPart[] = [wavHeader(rate, channels, samples, format)];
  for (let start = 0; start < samples; start += BLOCK) {
    const block = await source.read(start, Math.min(BLOCK, samples - start));
    if (gain !== 1) for (let i = 0; i < block.length; i++) block[i]! *= gain;
    parts.push(new Blob([encodeSamples(block, format)]));
  }
  const size = (samples * channels * (format === "int24" ? 3 : 1)) % 2;
  if (size) parts.push(new Uint8Array(1)); // chunks of an odd length are padded
  return new Blob(parts, { type: "audio/wav" });
}

/** Writes all sources as WAV files into one zip. */
export async function zipFile(song: Song, sources: Source[], format: Format): Promise<Blob> {
  async function* files() {
    for (const source of sources) {
      yield { name: `${song.name}/${source.name}.wav`, input: await wavFile(song, source, format) };
    }
  }
  const zip = await new Response(makeZip(files())).blob();
  return new Blob([zip], { type: "application/zip" });
}

/** Hands a file to the browser's downloads. */
export function save(file: Blob, name: string): void {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(file);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
}
