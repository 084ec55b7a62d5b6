import { Presets, SingleBar } from 'cli-progress';
import type { CliIo } from './io.js';

/** Shows the progress of a transfer. */
interface Bar {
  update(bytes: number): void;
  stop(): void;
}

const silent: Bar = { update: () => {}, stop: () => {} };

/** A bar on standard error if that is a terminal and the size is known, otherwise nothing. */
export function transferBar(io: CliIo, label: string, size: number | undefined): Bar {
  // A small transfer is over before anyone sees the bar.
  if (io.stderr.isTTY !== true || size === undefined || size < 1024 * 1024) return silent;
  const bar = new SingleBar(
    {
      stream: io.stderr as NodeJS.WritableStream,
      format: `${label} {bar} {percentage}% | {done} of {all} | {eta_formatted} left`,
      hideCursor: true,
      clearOnComplete: true,
      stopOnComplete: false,
      etaBuffer: 50,
    },
    Presets.shades_classic,
  );
  const all = bytesText(size);
  bar.start(size, 0, { done: bytesText(0), all });
  return {
    update: (bytes) => bar.update(Math.min(bytes, size), { done: bytesText(bytes), all }),
    stop: () => bar.stop(),
  };
}

/** A line that shows what is being waited for and for how long. It appears only after a moment. */
export class WaitLine {
  readonly #io: CliIo;
  readonly #since = Date.now();
  readonly #timer: NodeJS.Timeout | undefined;
  #text: string;
  #turn = 0;
  #shown = false;

  constructor(io: CliIo, text: string) {
    this.#io = io;
    this.#text = text;
    if (io.stderr.isTTY === true) this.#timer = setInterval(() => this.#draw(), 100).unref();
  }

  set text(text: string) {
    this.#text = text;
  }

  /** Erases the line, so that something else can be written. */
  clear(): void {
    if (this.#shown) this.#io.stderr.write('\r\x1b[K');
    this.#shown = false;
  }

  stop(): void {
    clearInterval(this.#timer);
    this.clear();
  }

  #draw(): void {
    const waited = Date.now() - this.#since;
    if (waited < 700) return;
    const line = `${'⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏'[this.#turn++ % 10]} ${this.#text}, ${durationText(waited)}`;
    // A line that wraps could not be erased again.
    this.#io.stderr.write(`\r${line.slice(0, (this.#io.stderr.columns || 80) - 1)}\x1b[K`);
    this.#shown = true;
  }
}

/** 1536 → 1.5 KiB. */
function bytesText(bytes: number): string {
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];
  let unit = 0;
  let value = bytes;
  while (value >= 1024 && unit < units.length - 1) {
    value /= 1024;
    unit += 1;
  }
  return `${unit === 0 ? value : value.toFixed(1)} ${units[unit]}`;
}

/** 83000 → 1:23. */
function durationText(milliseconds: number): string {
  const seconds = Math.floor(milliseconds / 1000);
  if (seconds < 60) return `${seconds} s`;
  const two = (value: number) => String(value).padStart(2, '0');
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return `${minutes}:${two(seconds % 60)}`;
  return `${Math.floor(minutes / 60)}:${two(minutes % 60)}:${two(seconds % 60)}`;
}
