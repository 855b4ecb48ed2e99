/** Where stems are kept: files of this origin, out of memory; Blobs where a browser has no files. */

const FOLDER = "stems";

/** Keeps the stems of one song. */
export class Shelf {
  private constructor(private readonly folder: FileSystemDirectoryHandle | null) {}

  /** Whether stems are kept on disk. */
  get onDisk(): boolean {
    return this.folder !== null;
  }

  /** Opens the shelf of a song; for workers. */
  static async open(song: string): Promise<Shelf> {
    const attempts: Promise<FileSystemDirectoryHandle | null>[] = [];
    while (attempts.length < 5) {
      attempts.push(openFolder(song, `probe-${attempts.length}`));
      const folder = await Promise.race([...attempts, silence(2)]);
      if (folder !== "silence") return new Shelf(folder);
    }
    return new Shelf(null);
  }

  /** Keeps samples under a name that is used once. */
  async keep(name: string, samples: Float32Array<ArrayBuffer>): Promise<Blob> {
    if (!this.folder) return new Blob([samples]);
    const file = await this.folder.getFileHandle(name, { create: true });
    const handle = await file.createSyncAccessHandle();
    try {
      const bytes = new Uint8Array(samples.buffer, samples.byteOffset, samples.byteLength);
      if (handle.write(bytes) !== bytes.length)
        throw new DOMException("disk full", "QuotaExceededError");
    } finally {
      handle.close();
    }
    return file.getFile();
  }
}

/** Opens a song's folder, or gives null where there are no files, as in some private windows. */
async function openFolder(song: string, name: string): Promise<FileSystemDirectoryHandle | null> {
  try {
    const folder = await (await root()).getDirectoryHandle(song, { create: true });
    const probe = await folder.getFileHandle(name, { create: true });
    (await probe.createSyncAccessHandle()).close();
    return folder;
  } catch {
    return null;
  }
}

/** Waits for an answer that Chromium, under load, sometimes never gives to a page just reloaded. */
function silence(seconds: number): Promise<"silence"> {
  return new Promise((resolve) => setTimeout(() => resolve("silence"), 1000 * seconds));
}

/** Holds a song's name so that no other tab sweeps its stems away; gives a function to let go. */
export function hold(song: string): () => void {
  let release = () => {};
  const held = new Promise<void>((resolve) => (release = resolve));
  void navigator.locks.request(`${FOLDER}/${song}`, () => held);
  return release;
}

/** Removes a song's stems. The files of a worker that was just stopped stay locked for a moment. */
export async function discard(song: string, attempts = 10): Promise<void> {
  try {
    await (await root()).removeEntry(song, { recursive: true });
  } catch (error) {
    if ((error as DOMException).name !== "NoModificationAllowedError" || !attempts) return;
    await new Promise((resolve) => setTimeout(resolve, 100));
    await discard(song, attempts - 1);
  }
}

/** Removes the stems that closed tabs left behind. */
export async function sweep(): Promise<void> {
  try {
    const songs: string[] = [];
    for await (const song of (await root()).keys()) songs.push(song);
    // After the songs: whatever is begun from here on is not among them.
    const { held } = await navigator.locks.query();
    const names = new Set(held?.map((lock) => lock.name));
    for (const song of songs) if (!names.has(`${FOLDER}/${song}`)) await discard(song);
  } catch {
    // No files in this browser: nothing to sweep.
  }
}

async function root(): Promise<FileSystemDirectoryHandle> {
  return (await navigator.storage.getDirectory()).getDirectoryHandle(FOLDER, { create: true });
}
