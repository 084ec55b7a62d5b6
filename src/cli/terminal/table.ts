import { stringify } from 'yaml';
import { type CliIo, harmless, tell } from './io.js';

export interface Column<T> {
  title: string;
  value: (row: T) => unknown;
  /** Right-aligned, for numbers. */
  right?: boolean;
}

/** Rows under headings, aligned, two spaces apart. Empty if there are no rows. */
export function renderTable<T>(rows: readonly T[], columns: readonly Column<T>[]): string {
  if (rows.length === 0) return '';
  const cells = rows.map((row) => columns.map((column) => cellText(column.value(row))));
  const titles = columns.map((column) => column.title);
  const lines = [titles, ...cells];
  const widths = columns.map((_, index) => Math.max(...lines.map((line) => length(line[index] ?? ''))));
  return lines
    .map((line) =>
      line
        .map((text, index) => pad(text, widths[index] ?? 0, columns[index]?.right === true))
        .join('  ')
        .trimEnd(),
    )
    .join('\n');
}

/** Says on a terminal that a list, newest first, was cut off. */
export function tellMore(io: CliIo, shown: number, total: number): void {
  if (total > shown && io.stderr.isTTY === true) {
    tell(io, `The newest ${shown} of ${total}. To see more, use --limit.`);
  }
}

/** One value as a cell: on one line and harmless. A missing value is a dash. */
export function cellText(value: unknown): string {
  if (value === null || value === undefined || value === '') return '-';
  return harmless(typeof value === 'object' ? JSON.stringify(value) : String(value));
}

/** A whole object for a person to read, as YAML, which is plain and escapes what could harm a terminal. */
export function renderObject(value: unknown): string {
  return stringify(value, { lineWidth: 0 }).trimEnd();
}

function pad(text: string, width: number, right: boolean): string {
  const space = ' '.repeat(Math.max(0, width - length(text)));
  return right ? space + text : text + space;
}

/** Counts characters, not UTF-16 units: an emoji is not two columns wide. */
function length(text: string): number {
  return [...text].length;
}
