import { createHash, randomBytes } from 'node:crypto';
import {
  appendFileSync,
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Host } from '../../src/drivers/hosts/host.js';
import { alive } from '../support/programs.js';
import { waitFor } from '../support/wait-for.js';

/** What a driver's tests bring. The host's files are seen here under the same paths. */
interface HostStage {
  host: Host;
  /** A folder of the host's, on a disk of a few MiB. */
  disk: string;
  close(): Promise<void>;
}

/** What every host must do. */
export function hostConformance(name: string, open: () => Promise<HostStage>): void {
  describe(`host ${name}`, () => {
    const folder = mkdtempSync(path.join(os.tmpdir(), 'penstock-host-'));
    const here = (file: string) => path.join(folder, file);
    const there = (file: string) => path.join(folder, 'there', file);
    let stage: HostStage;
    let host: Host;
    beforeAll(async () => {
      for (const each of ['', 'left']) mkdirSync(there(each));
      // The host may be another user.
      for (const each of [folder, there(''), there('left')]) chmodSync(each, 0o777);
      stage = await open();
      host = stage.host;
    });
    afterAll(async () => {
      await host.close();
      await stage.close();
      rmSync(folder, { recursive: true, force: true });
    });
    const made = (size: number) => {
      const file = here(randomBytes(4).toString('hex'));
      writeFileSync(file, randomBytes(size));
      return file;
    };
    const hash = (file: string) => createHash('sha256').update(readFileSync(file)).digest('hex');

    test('is not heard any more when it says more than anybody asked for', async () => {
      const pid = there('chatterer');
      const endless = host.run(`echo $$ >${pid}; exec cat /dev/zero`);
      await expect(endless).rejects.toMatchObject({ name: 'HostError', problem: 'unreachable', begun: true });
      await waitFor(() => !alive(Number(readFileSync(pid, 'utf8'))), 'the end of what said it');
    });

    test('gives no more of a file than it may have here', async () => {
      writeFileSync(there('hole'), 'beginning');
      truncateSync(there('hole'), 2 ** 43);
      expect(await host.get(there('hole'), here('hole'), { most: 100_001 })).toBe(100_001);
      expect(await host.get(there('hole'), here('hole'), { most: 100_001 })).toBe(100_001);
      expect(statSync(here('hole')).size).toBe(100_001);
    });

    test('runs a script with arguments and input, and tells how it ended', async () => {
      const args = ['', ' two words ', "it's $HOME", '*', 'a\nb', 'ä'];
      const script = 'printf "<%s>" "$@"; cat; echo wrong >&2; exit 7';
      const { noise: _, ...said } = await host.run(script, { args, input: 'input\n' });
      expect(said).toEqual({
        code: 7,
        signal: null,
        stdout: `${args.map((word) => `<${word}>`).join('')}input\n`,
        stderr: 'wrong\n',
      });
      expect(await host.run('kill -TERM $$')).toMatchObject({ code: null, signal: 'SIGTERM' });
      expect(await host.run('cat')).toMatchObject({ code: 0, stdout: '' });
    });

    test('runs many at a time, and lets the urgent go first', async () => {
      const scripts = Array.from({ length: 40 }, (_, n) =>
        host.run('sleep 0.2; echo "$1"', { args: [`${n}`] }),
      );
      let ended = 0;
      for (const each of scripts) void each.then(() => (ended += 1));
      expect((await host.run('echo now', { urgent: true })).stdout).toBe('now\n');
      expect(ended).toBeLessThan(scripts.length);
      const said = await Promise.all(scripts);
      expect(said.map(({ stdout }) => stdout)).toEqual(scripts.map((_, n) => `${n}\n`));
    });

    test('gives up a script that takes too long, or is not wanted any more', async () => {
      const late = host.run('sleep 1000', { timeout: 100 });
      await expect(late).rejects.toMatchObject({ name: 'HostError', problem: 'unreachable', begun: true });
      const control = new AbortController();
      const pid = here('pid');
      const run = host.run('echo $$ >"$1"; exec sleep 1000', { args: [pid], signal: control.signal });
      const ended = expect(run).rejects.toThrow('not wanted');
      await waitFor(() => existsSync(pid) && readFileSync(pid, 'utf8').trim(), 'the script to run');
      control.abort(new Error('not wanted'));
      await ended;
      await waitFor(() => alive(Number(readFileSync(pid, 'utf8'))) === undefined, 'its end there');
      await expect(host.run('echo', { signal: control.signal })).rejects.toThrow('not wanted');
    });

    test('what a script leaves in the background goes on', async () => {
      const file = here('later');
      const script = '(sleep 0.3; echo "$1" >"$1") </dev/null >/dev/null 2>&1 & echo begun';
      expect((await host.run(script, { args: [file] })).stdout).toBe('begun\n');
      await waitFor(() => existsSync(file) && readFileSync(file, 'utf8') === `${file}\n`, 'its word');
    });

    test.each([
      0, 1, 131_072, 131_073, 5_000_003,
    ])('puts a file of %i bytes there, and gets it', async (size) => {
      const file = made(size);
      const to = there(`new folder/${size}`);
      const told: number[] = [];
      await host.put(file, to, { mode: 0o640, progress: (done, total) => told.push(done / (total || 1)) });
      expect(hash(to)).toBe(hash(file));
      expect(statSync(to).mode & 0o777).toBe(0o640);
      expect(told.at(-1)).toBe(size === 0 ? told.at(-1) : 1);
      expect(told).toEqual([...told].sort((a, b) => a - b));
      // Over one that is there.
      const second = made(size);
      await host.put(second, to);
      expect(hash(to)).toBe(hash(second));
      const back = here(`back ${size}`);
      expect(await host.get(to, back)).toBe(size);
      expect(hash(back)).toBe(hash(second));
      expect(readdirSync(there('new folder')).filter((each) => each.endsWith('part'))).toEqual([]);
    });

    test('what a crash left of a file that was on its way goes, and what may still be under way stays', async () => {
      const [old, fresh, other] = [
        '.name.0123456789ab.part',
        '.name.0123456789ac.part',
        '.another.0123456789ab.part',
      ];
      const yesterday = new Date(Date.now() - 3 * 86_400_000);
      for (const each of [old, fresh, other]) writeFileSync(there(`left/${each}`), 'half');
      for (const each of [old, other]) utimesSync(there(`left/${each}`), yesterday, yesterday);
      await host.put(made(1000), there('left/name'));
      expect(readdirSync(there('left')).sort()).toEqual([other, fresh, 'name'].sort());
    });

    test('gets what a file has more than before', async () => {
      const log = there('log');
      const copy = here('log');
      writeFileSync(log, 'one\n');
      expect(await host.get(log, copy)).toBe(4);
      expect(await host.get(log, copy)).toBe(4);
      appendFileSync(log, 'two\n');
      expect(await host.get(log, copy)).toBe(8);
      writeFileSync(log, '');
      expect(await host.get(log, copy)).toBe(8);
      expect(readFileSync(copy, 'utf8')).toBe('one\ntwo\n');
    });

    test('a transfer that was given up goes on later', async () => {
      const file = made(30_000_000);
      for (const way of ['put', 'get'] as const) {
        const control = new AbortController();
        const to = way === 'put' ? there('cut') : here('cut');
        const transfer = host[way](way === 'put' ? file : there('cut'), to, {
          signal: control.signal,
          progress: (done) => done > 10_000_000 && control.abort(new Error('given up')),
        });
        await expect(transfer).rejects.toThrow('given up');
        if (way === 'put') expect(existsSync(to)).toBe(false);
        await host[way](way === 'put' ? file : there('cut'), to);
        expect(hash(to)).toBe(hash(file));
      }
    });

    test('two that get one file at once do not harm it', async () => {
      const file = made(3_000_000);
      const to = here('twice');
      await Promise.all([host.get(file, to), host.get(file, to)]);
      expect(hash(to)).toBe(hash(file));
    });

    test('tells what is not there, and a disk that is full', async () => {
      const missing = { name: 'HostError', problem: 'missing' };
      await expect(host.get(there('nothing'), here('nothing'))).rejects.toMatchObject(missing);
      await expect(host.put(made(10), '/dev/null/x')).rejects.toMatchObject(missing);
      await expect(host.put(made(1_000_000), '/dev/null/x')).rejects.toMatchObject(missing);
      const full = { name: 'HostError', problem: 'full' };
      const big = made(20_000_000);
      await expect(host.put(big, path.join(stage.disk, 'big'))).rejects.toMatchObject(full);
      expect(readdirSync(stage.disk)).toEqual([]);
      await host.put(made(1_000_000), path.join(stage.disk, 'fits'));
      await host.run('cat /dev/zero >"$1"', { args: [path.join(stage.disk, 'filler')] });
      await expect(host.put(made(100_000), path.join(stage.disk, 'small'))).rejects.toMatchObject(full);
      expect(readdirSync(stage.disk).sort()).toEqual(['filler', 'fits']);
    });

    test('refuses everything once it is closed', async () => {
      const other = await open();
      await other.host.run(':');
      await other.host.close();
      await expect((async () => other.host.run(':'))()).rejects.toMatchObject({ problem: 'unreachable' });
      await other.close();
    });
  });
}
