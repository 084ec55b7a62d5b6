import os from 'node:os';
import type { Figure, Figures, Line, Row } from './row.js';

/** A row with the figures of both sides. */
export interface Measured {
  row: Row;
  lines: Line[];
  peer: Figures;
  ours: Figures;
}

/** One line of the result, for printing and for JSON. */
export interface Result {
  row: string;
  work: string;
  peer: string;
  peerFigure: number | null;
  ourFigure: number | null;
  unit: string;
  /** Our figure divided by the peer's. */
  ratio: number | null;
  toReach: string;
  reached: boolean | null;
  /** Why a figure is missing. */
  missing: string[];
}

const numberOf = (figure: Figure | undefined) => (typeof figure === 'number' ? figure : null);

function reasons(line: Line, measured: Measured): string[] {
  const sides = [
    { name: line.peer?.name, figure: line.peer && measured.peer[line.peer.figure] },
    { name: 'Penstock', figure: measured.ours[line.ours] },
  ];
  return sides.flatMap(({ name, figure }) =>
    typeof figure === 'object' ? [`${name}: ${figure.missing}`] : [],
  );
}

/** Compares both sides, line by line. */
export function results(all: Measured[]): Result[] {
  return all.flatMap((measured) =>
    measured.lines.map((line) => {
      const peer = line.peer ? numberOf(measured.peer[line.peer.figure]) : null;
      const ours = numberOf(measured.ours[line.ours]);
      return {
        row: measured.row.name,
        work: line.work,
        peer: line.peer?.name ?? '',
        peerFigure: peer,
        ourFigure: ours,
        unit: line.unit,
        ratio: peer !== null && ours !== null ? ours / peer : null,
        toReach: line.goal?.text ?? '',
        reached: ours === null ? null : (line.goal?.reached(ours, peer ?? undefined) ?? null),
        missing: reasons(line, measured),
      };
    }),
  );
}

/** More than three digits would not be reliable. */
function show(number: number | null, unit = ''): string {
  if (number === null) return '–';
  const digits = number >= 100 ? 0 : number >= 10 ? 1 : 2;
  const figure = number.toLocaleString('en', {
    minimumFractionDigits: digits,
    maximumFractionDigits: digits,
  });
  return unit ? `${figure} ${unit}` : figure;
}

const heads = ['row', 'work', 'peer', "peer's figure", 'Penstock', 'ratio', 'to reach', 'reached'];

function cells(result: Result): string[] {
  const reached = result.reached === null ? '–' : result.reached ? 'yes' : 'no';
  const peer = result.peer ? show(result.peerFigure, result.unit) : '';
  const ours = show(result.ourFigure, result.unit);
  const ratio = result.peer ? show(result.ratio) : '';
  return [
    result.row,
    result.work,
    result.peer || '–',
    peer,
    ours,
    ratio,
    result.toReach,
    result.toReach ? reached : '',
  ];
}

/** The table for a terminal: columns of equal width. */
export function asText(all: Result[]): string {
  const table = [heads, ...all.map(cells)];
  const widths = heads.map((_, column) => Math.max(...table.map((line) => (line[column] ?? '').length)));
  const right = new Set([3, 4, 5]);
  return table
    .map((line) =>
      line
        .map((cell, column) =>
          right.has(column) ? cell.padStart(widths[column] ?? 0) : cell.padEnd(widths[column] ?? 0),
        )
        .join('  ')
        .trimEnd(),
    )
    .join('\n');
}

/** The table for a document. */
export function asMarkdown(all: Result[]): string {
  const line = (values: string[]) => `| ${values.map((value) => value.replaceAll('|', '\\|')).join(' | ')} |`;
  return [
    line(heads),
    line(heads.map((_, i) => (i >= 3 && i <= 5 ? '---:' : '---'))),
    ...all.map((r) => line(cells(r))),
  ].join('\n');
}

/** The machine that the figures were measured on. */
export const machine = () => ({
  cores: os.availableParallelism(),
  processor: os.cpus()[0]?.model ?? '',
  memoryGiB: Math.round(os.totalmem() / 2 ** 30),
  system: `${os.type()} ${os.release()}`,
  node: process.version,
});
