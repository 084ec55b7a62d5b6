import { type ChildProcess, spawn } from 'node:child_process';
import { chmodSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { main } from '../../support/paths.js';
import { waitFor } from '../../support/wait-for.js';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(path.join(os.tmpdir(), 'penstock-test-'));
  mkdirSync(path.join(folder, 'tmp'));
  mkdirSync(path.join(folder, 'bin'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

/** The demo as a process of its own, whose temporary folder is ours to look into. */
function startDemo(searchPath: string): {
  child: ChildProcess;
  text: () => string;
  end: Promise<number | null>;
} {
  const child = spawn(process.execPath, [main, 'demo'], {
    env: { PATH: searchPath, TMPDIR: path.join(folder, 'tmp') },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let text = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream?.on('data', (piece: Buffer) => {
      text += piece.toString();
    });
  }
  const end = new Promise<number | null>((resolve) => child.once('close', (code) => resolve(code)));
  return { child, text: () => text, end };
}

/** The processes whose environment speaks of our folder. */
function processesOf(mark: string): string[] {
  return readdirSync('/proc').filter((pid) => {
    if (!/^\d+$/.test(pid)) return false;
    try {
      return readFileSync(`/proc/${pid}/environ`, 'latin1').includes(mark);
    } catch {
      return false;
    }
  });
}

function fakeFfmpeg(script: string): void {
  const file = path.join(folder, 'bin', 'ffmpeg');
  writeFileSync(file, `#!/bin/sh\n${script}\n`);
  chmodSync(file, 0o755);
}

describe('penstock demo', () => {
  it('runs what it registers, says what it left out, and leaves nothing behind', async () => {
    const { text, end } = startDemo(path.join(folder, 'bin'));
    expect(await end, text()).toBe(0);
    expect(text()).toContain('201 Created');
    expect(text()).toContain("1: si quick foes mi wa in the old mill's etra bo\n");
    expect(text()).toMatch(/finish → FINISHED, exit code 0/);
    expect(text()).toContain('Skipped: there is no ffmpeg on the PATH');
    expect(text()).toContain('sort  FINISHED, joined to count by a pipe');
    expect(text()).toContain('      3 the\n');
    expect(text()).toContain('     JOB 4\n');
    expect(text()).toMatch(/ 2 jobs, \w+: it has run 2 jobs, which is its limit\n/);
    expect(readdirSync(path.join(folder, 'tmp'))).toEqual([]);
    await waitFor(() => processesOf(folder).length === 0, 'every process to be gone');
  });

  it('runs ffmpeg where it is installed', async (context) => {
    const searchPath = process.env.PATH ?? '';
    const installed = searchPath.split(':').some((each) => {
      try {
        return readdirSync(each).includes('ffmpeg');
      } catch {
        return false;
      }
    });
    if (!installed) context.skip('there is no ffmpeg here');
    const { text, end } = startDemo(searchPath);
    expect(await end, text()).toBe(0);
    expect(text()).toContain('bytes of MP3');
  });

  it('fails when an output is not what it should be', async () => {
    fakeFfmpeg('for last; do :; done; echo nonsense > "$last"');
    const { text, end } = startDemo(path.join(folder, 'bin'));
    expect(await end).toBe(1);
    expect(text()).toContain('The output of ffmpeg is not an MP3 file.');
    expect(readdirSync(path.join(folder, 'tmp'))).toEqual([]);
  });

  it('ends what it started when it is interrupted', async () => {
    fakeFfmpeg('exec /bin/sleep 1000');
    const { child, text, end } = startDemo(path.join(folder, 'bin'));
    await waitFor(() => processesOf('PENSTOCK_JOB_UUID').some((pid) => isSleep(pid)), 'the program to run');
    child.kill('SIGINT');
    expect(await end, text()).toBe(130);
    expect(readdirSync(path.join(folder, 'tmp'))).toEqual([]);
    await waitFor(() => processesOf(folder).length === 0, 'every process to be gone');
  });
});

function isSleep(pid: string): boolean {
  try {
    return (
      readFileSync(`/proc/${pid}/cmdline`, 'latin1') === '/bin/sleep\x001000\0' &&
      readFileSync(`/proc/${pid}/environ`, 'latin1').includes(folder)
    );
  } catch {
    return false;
  }
}
