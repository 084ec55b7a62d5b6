import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { afterEach, expect, test } from 'vitest';
import { lives, readProcess } from '../../../src/drivers/processes/processes.js';
import { signalChild, signalProcess } from '../../../src/drivers/processes/signal.js';

const children: ChildProcess[] = [];
afterEach(() => {
  for (const child of children.splice(0)) child.kill('SIGKILL');
});

/** A program in a process group of its own, which it leads. */
async function leader() {
  const child = spawn('sleep', ['1000'], { detached: true, stdio: 'ignore' });
  children.push(child);
  await once(child, 'spawn');
  const found = readProcess(child.pid ?? 0);
  if (found === undefined) throw new Error('the program is not there');
  return { child, ...found };
}

/** Harmless to whoever would get it, should it be sent all the same. */
const harmless = 'SIGCONT';

test('a process is signalled that is who it was', async () => {
  const { child, pid, startTime } = await leader();
  const ended = once(child, 'exit');
  expect(signalProcess({ pid, startTime }, 'SIGTERM')).toBe(true);
  expect(await ended).toEqual([null, 'SIGTERM']);
  expect(signalProcess({ pid, startTime }, 'SIGTERM')).toBe(false);
});

test('a pid that belongs to another process by now is left alone', async () => {
  const { pid, startTime } = await leader();
  for (const other of [startTime - 1, startTime + 1, 0, Number.NaN]) {
    expect(signalProcess({ pid, startTime: other }, 'SIGKILL')).toBe(false);
  }
  expect(lives(pid, startTime)).toBe(true);
});

test.each([
  ['every process of the user', () => -1],
  ['our own group', () => 0],
  ['init', () => 1],
  ['another group', (pid: number) => -pid],
  ['nobody', () => Number.NaN],
  ['half a process', (pid: number) => pid + 0.5],
  ['everybody', () => Number.NEGATIVE_INFINITY],
  ['ourselves', () => process.pid],
])('%s cannot be named', async (_name, of) => {
  const { pid, startTime } = await leader();
  for (const start of [
    startTime,
    0,
    readProcess(1)?.startTime ?? 0,
    readProcess(process.pid)?.startTime ?? 0,
  ]) {
    expect(signalProcess({ pid: of(pid), startTime: start }, harmless)).toBe(false);
  }
});

test('a child is signalled until it has ended, and one that never started is not', async () => {
  const { child } = await leader();
  const ended = once(child, 'exit');
  expect(signalChild(child, 'SIGKILL')).toBe(true);
  await ended;
  expect(signalChild(child, 'SIGKILL')).toBe(false);
  const never = spawn('/no/such/program', { stdio: 'ignore' });
  await once(never, 'error');
  expect(signalChild(never, harmless)).toBe(false);
});
