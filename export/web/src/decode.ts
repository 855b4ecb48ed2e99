/** Any audio file that the browser decodes, as a WAV file at the network's rate. */

import { UserError } from "./errors";
import { encodeSamples, readSamples, readWavInfo, wavHeader, type WavInfo } from "./wav";

const BLOCK = 1 << 18;

/** A song ready to be separated. */
export interface Decoded {
  file: Blob;
  info: WavInfo;
  /** Whether the browser decoded it, and brought it to the network's rate where it had another. */
  byBrowser: boolean;
}

/**
 * Reads a song. A WAV file of integers or floats at `rate` is taken as it is, sample by sample;
 * everything else is decoded, and resampled where needed, by the browser.
 *
 * @throws UserError If it is not audio, or empty.
 */
export async function decode(file: File, rate: number): Promise<Decoded> {
  if (!file.size) throw new UserError(`“${file.name}” is empty.`);
  const info = await readWavInfo(file);
  if (info && !info.samples) throw new UserError(`“${file.name}” holds no samples.`);
  if (info?.rate === rate) return { file, info, byBrowser: false };
  const bytes = await (info ? await asFloats(file, info) : file).arrayBuffer();
  let audio: AudioBuffer;
  try {
    audio = await new OfflineAudioContext(1, 1, rate).decodeAudioData(bytes);
  } catch {
    throw new UserError(`“${file.name}” is not audio that this browser can read.`);
  }
  return { ...(await asWav(audio)), byBrowser: true };
}

async function asWav(audio: AudioBuffer): Promise<{ file: Blob; info: WavInfo }> {
  const { length, numberOfChannels: channels, sampleRate: rate } = audio;
  const header = wavHeader(rate, channels, length, "float32");
  const parts: BlobPart[] = [header];
  for (let start = 0; start < length; start += BLOCK) {
    const frames = Math.min(BLOCK, length - start);
    const block = new Float32Array(frames * channels);
    for (let c = 0; c < channels; c++) {
      const channel = audio.getChannelData(c);
      for (let n = 0; n < frames; n++) block[n * channels + c] = channel[start + n]!;
    }
    parts.push(new Blob([encodeSamples(block, "float32")]));
  }
  const info = {
    rate,
    channels,
    samples: length,
    bits: 32,
    float: true,
    offset: header.byteLength,
  };
  return { file: new Blob(parts), info };
}

/** A WAV file of floats: not every browser decodes 24 and 32 bits. */
async function asFloats(file: File, info: WavInfo): Promise<Blob> {
  const parts: BlobPart[] = [wavHeader(info.rate, info.channels, info.samples, "float32")];
  for (let start = 0; start < info.samples; start += BLOCK) {
    parts.push(new Blob([encodeSamples(await readSamples(file, info, start, BLOCK), "float32")]));
  }
  return new Blob(parts);
}
