/** How far a separation is, and how long it will still take. */

import { timeLeft } from "./dom";

export class Estimate {
  private readonly ends: number[] = [];
  private done = 0;

  /**
   * @param windows Windows in all.
   * @param start Time of the start in seconds.
   */
  constructor(
    private readonly windows: number,
    private readonly start: number,
  ) {}

  /** Notes that a window is done at a time. */
  step(time: number): void {
    this.ends.push(time);
    this.done += 1;
  }

  get fraction(): number {
    return this.done / this.windows;
  }

  /** Seconds left; null before the first window. The first one includes loading. */
  left(time: number): number | null {
    if (!this.done) return null;
    const recent = this.ends.slice(-6);
    const each =
      recent.length > 1
        ? (recent.at(-1)! - recent[0]!) / (recent.length - 1)
        : recent[0]! - this.start;
    return Math.max(0, each * (this.windows - this.done) - (time - recent.at(-1)!));
  }

  /** In words. */
  text(time: number): string {
    const left = this.left(time);
    if (left === null) return "Starting the network…";
    return `${Math.round(100 * this.fraction)}% separated, ${timeLeft(left)}`;
  }
}
