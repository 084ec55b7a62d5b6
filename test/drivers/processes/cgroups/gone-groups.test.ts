import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { existsSync, mkdirSync, rmdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { afterEach, describe, expect, test } from 'vitest';
import { openControlGroups } from '../../../../src/drivers/processes/cgroups/cgroup.js';
import { openGoneGroups } from '../../../../src/drivers/processes/cgroups/gone-groups.js';
import { waitFor } from '../../../support/wait-for.js';

const [base] = openControlGroups('penstock-test-gone').bases;
const name = () => `penstock-${randomBytes(8).toString('hex')}`;

const closing: (() => unknown)[] = [];
afterEach(() => {
  for (const close of closing.splice(0).reverse()) close();
});

describe.skipIf(base === undefined)(
  base === undefined ? 'groups of others (skipped: no control groups can be made here)' : 'groups of others',
  () => {
    const make = (...names: string[]) => {
      const folder = path.join(base ?? '', ...names);
      mkdirSync(folder);
      closing.push(() => existsSync(folder) && rmdirSync(folder));
      return folder;
    };

    test('that nobody uses any more are removed; used ones, our own, and those of other programs stay', async () => {
      const gone = name();
      const [parent, empty] = [make(`${gone}-runners`), make(`${gone}-runners`, 'a')];
      const jobs = make(gone);
      const used = [name(), 'runner'] as const;
      const kept = [make(used[0]), make(...used)];
      const child = spawn('/bin/sleep', ['1000'], { stdio: 'ignore' });
      const ended = new Promise((resolve) => child.once('exit', resolve));
      writeFileSync(path.join(kept[1] ?? '', 'cgroup.procs'), String(child.pid));
      const ours = name();
      kept.push(make(ours), make('penstock-of-somebody'), make('another-program'));

      const looking = openGoneGroups([base ?? ''], [ours], 50);
      closing.push(() => looking.close());
      await waitFor(
        () => ![parent, empty, jobs].some(existsSync),
        'the groups of the one that is gone to be removed',
      );
      expect(kept.filter((folder) => !existsSync(folder))).toEqual([]);

      child.kill('SIGKILL');
      await ended;
      await waitFor(() => !existsSync(kept[0] ?? ''), 'those of the other, once its last process has ended');
      expect(kept.slice(2).filter((folder) => !existsSync(folder))).toEqual([]);
    });
  },
);
