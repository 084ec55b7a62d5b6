import { once } from 'node:events';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { built, type Installed, install } from '../../server.js';

describe.skipIf(!built)(`logs by penstock${built ? '' : ' (skipped: it is not built)'}`, () => {
  let installed: Installed;
  beforeAll(async () => {
    installed = await install();
  });
  afterAll(() => installed.stop());
  async function bytesOf(...args: string[]): Promise<string> {
    const child = installed.start(['job', 'logs', ...args]);
    const pieces: Buffer[] = [];
    child.stdout?.on('data', (piece: Buffer) => pieces.push(piece));
    const [code] = await once(child, 'close');
    expect(code).toBe(0);
    return Buffer.concat(pieces).toString('latin1');
  }

  it('prints the same bytes, followed or not', async () => {
    const script = String.raw`for n in 1 2; do printf "\r $n of 2"; sleep 0.2; done; printf "\r\n\377\000\303"; sleep 0.2; printf "\251\n\r"`;
    await installed.good(
      ['definition', 'add', '-', '--name', 'bar'],
      JSON.stringify({ exec: '/bin/sh', argv: ['-c', script] }),
    );
    const uuid = (await installed.good(['run', 'bar', '--no-input', '--no-wait'])).stdout.trim();
    const followed = await bytesOf('--follow', uuid);
    expect(followed).toBe('\r 1 of 2\r 2 of 2\r\n\u00ff\0\u00c3\u00a9\n\r');
    expect(await bytesOf(uuid)).toBe(followed);
  });
});
