import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { describe, test } from 'vitest';
import { thisMachine } from '../../../src/drivers/hosts/this-machine.js';
import { hostConformance } from '../../conformance/host.js';

if (process.getuid?.() === 0) {
  hostConformance('this machine', async () => {
    const disk = mkdtempSync(path.join(os.tmpdir(), 'penstock-disk-'));
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=8m', 'penstock-test', disk]);
    return {
      host: thisMachine(),
      disk,
      close: async () => {
        execFileSync('umount', ['--lazy', disk]);
        rmSync(disk, { recursive: true });
      },
    };
  });
} else {
  describe.skip('host this machine (skipped: only root can make a small disk)', () =>
    test('is skipped', () => {}));
}
