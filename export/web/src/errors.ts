/** What a person can mend: its message is shown as it is. */
export class UserError extends Error {
  override name = "UserError";
}

/** Words for an error of any kind. */
export function plainWords(error: unknown): string {
  if (error instanceof UserError) return error.message;
  const text = error instanceof Error ? `${error.name}: ${error.message}` : String(error);
  if (
    /out of memory|memory access out of bounds|allocation failed|\bOOM\b|NotReadable/i.test(text)
  ) {
    return "This song is too long for this device's memory. Close other tabs, or try a shorter song.";
  }
  if (/QuotaExceeded/.test(text)) {
    return "There is not enough free space on this device to keep the stems of this song.";
  }
  return `Something went wrong while separating: ${text}`;
}
