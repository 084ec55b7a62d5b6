import { stringify } from 'yaml';
import { type CliIo, harmless, tell } from './io.js';

export interface Column<T> {
  title: string;
  value: (row: T) => unknown;
  /** Numbers stand at the right. */
  right?: boolean;
}

/** Rows under headings, aligned, two spaces apart; nothing at all when there are no rows. */
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

/** Says on a terminal that a list, the newest first, goes on. */
export function tellMore(io: CliIo, shown: number, total: number): void {
  if (total > shown && io.stderr.isTTY === true) {
    tell(io, `The newest ${shown} of ${total}; more with --limit.`);
  }
}

/** One value in a cell: on one line and harmless; what is not there is a dash. */
export function cellText(value: unknown): string {
  if (value === null || value === undefined || value === '') return '-';
  return harmless(typeof value === 'object' ? JSON.stringify(value) : String(value));
}

/** A whole object for a person to read. YAML, because it is plain and escapes what could harm a terminal. */
export function renderObject(value: unknown): string {
  return stringify(value, { lineWidth: 0 }).trimEnd();
}

function pad(text: string, width: number, right: boolean): string {
  const space = ' '.repeat(Math.max(0, width - length(text)));
  return right ? space + text : text + space;
}

/** Characters, not UTF-16 units: an emoji is not two columns of text. */
function length(text: string): number {
  return [...text].length;
}
