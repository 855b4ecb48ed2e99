/** Small helpers around the document. */

/** The element of an id that index.html holds. */
export function byId<T extends HTMLElement>(id: string): T {
  const found = document.getElementById(id);
  if (!found) throw new Error(`no element #${id}`);
  return found as T;
}

/** Seconds as "3:07" or "1:02:07". */
export function clock(seconds: number): string {
  const whole = Math.floor(seconds);
  const two = (value: number) => String(value).padStart(2, "0");
  const [hours, minutes] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60];
  return hours ? `${hours}:${two(minutes)}:${two(whole % 60)}` : `${minutes}:${two(whole % 60)}`;
}

/** Seconds that something will still take, in words. */
export function timeLeft(seconds: number): string {
  if (seconds < 10) return "a few seconds left";
  if (seconds < 55) return `about ${Math.round(seconds / 5) * 5} seconds left`;
  const minutes = Math.max(1, Math.round(seconds / 60));
  return `about ${minutes} ${minutes === 1 ? "minute" : "minutes"} left`;
}

/** Distance in seconds of the labels of a time line that is `width` pixels wide. */
export function tickStep(seconds: number, width: number): number {
  const most = Math.max(1, Math.floor(width / 80));
  const steps = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 1200];
  return steps.find((step) => seconds / step <= most) ?? 3600;
}

/** A name with a capital: "vocals" to "Vocals". */
export function capital(name: string): string {
  return name.charAt(0).toUpperCase() + name.slice(1);
}

/** Names joined as in a sentence: "a, b and c". */
export function sentence(names: string[]): string {
  return names.length < 2 ? names.join("") : `${names.slice(0, -1).join(", ")} and ${names.at(-1)}`;
}
