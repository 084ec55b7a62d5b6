import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { memoryStream } from '../../../src/drivers/streams/memory.js';
import type { Delivery } from '../../../src/drivers/streams/stream.js';
import { program } from '../../support/programs.js';
import { waitFor } from '../../support/wait-for.js';

const folder = mkdtempSync(path.join(os.tmpdir(), 'penstock-memory-crash-'));
afterAll(() => rmSync(folder, { recursive: true }));
const filler = program('fill-stream.mjs');

interface Told {
  confirmed: Set<number>;
  given: Set<number>;
  settled: Set<number>;
}

/** Lets the program run until it has settled so many, and kills it as it stands. */
async function fillAndKill(file: string, from: number, enough: number): Promise<Told> {
  const log = `${file}.${from}.log`;
  writeFileSync(log, '');
  const child = spawn(process.execPath, [filler, file, String(from), log], { stdio: 'inherit' });
  const exited = new Promise((resolve) => child.once('close', resolve));
  const out = () => readFileSync(log, 'utf8');
  await waitFor(
    () => child.exitCode !== null || out().split('\na').length > enough,
    `${enough} settled messages`,
    40_000,
  );
  child.kill('SIGKILL');
  await exited;
  const lines = out().split('\n').slice(0, -1);
  const those = (mark: string) =>
    new Set(lines.filter((line) => line.startsWith(mark)).map((line) => Number(line.slice(1))));
  return { confirmed: those('c'), given: those('g'), settled: those('a') };
}

test('killed in the middle, again and again: nothing confirmed is lost, and what comes again says so', async () => {
  const file = path.join(folder, 'streams.sqlite');
  const rounds: Told[] = [];
  for (let round = 0; round < 3; round += 1) rounds.push(await fillAndKill(file, round * 1_000_000, 1500));
  const all = (what: keyof Told) => new Set(rounds.flatMap((told) => [...told[what]]));
  const [confirmed, given, settled] = [all('confirmed'), all('given'), all('settled')];

  const stream = memoryStream({
    file,
    settings: () => ({ durable: true, maxMessages: 1_000_000 }),
    maxBytes: 2 ** 30,
  });
  const came: Delivery[] = [];
  const counts = await stream.counts('s', 'q');
  await stream.subscribe('s', {
    queue: 'q',
    prefetch: 1_000_000,
    onMessage: (delivery) => void came.push(delivery),
  });
  await waitFor(() => came.length === counts?.ready, 'everything that is left');
  await stream.close();
  const ids = came.map(({ id }) => Number(id));
  expect(new Set(ids).size).toBe(ids.length);
  const left = new Set(ids);
  // Confirmed and never settled: still there.
  expect([...confirmed].filter((id) => !settled.has(id) && !left.has(id))).toEqual([]);
  // Given out before: says so. Settling may have come too late for the disk, being given out never does.
  expect(came.filter(({ id, redelivered }) => given.has(Number(id)) && !redelivered)).toEqual([]);
  // In order, but for those that were published at once, whose order is that of the calls anyway.
  expect(ids).toEqual([...ids].sort((one, other) => one - other));
  for (const { id, body, headers } of came) {
    expect(headers).toEqual({ id });
    expect(Buffer.from(body).equals(Buffer.alloc(Number(id) % 3000, id))).toBe(true);
  }
});
