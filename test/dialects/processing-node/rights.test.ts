import { execFileSync } from 'node:child_process';
import { chmodSync, chownSync, mkdirSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { type Node, startNode } from '../../support/node-home.js';

const isRoot = process.getuid?.() === 0;
const uidOf = (name: string) => Number(execFileSync('id', ['-u', name]).toString());

describe.skipIf(!isRoot)(
  `the rights of root${isRoot ? '' : ' (skipped: it takes root)'} are not those of a script’s user`,
  () => {
    let node: Node;
    beforeAll(async () => {
      node = await startNode({}, { timeout: 5, serveruser: 'nobody' });
      writeFileSync(place('secret'), 'root’s own', { mode: 0o600 });
    });
    afterAll(async () => {
      await node.end();
    });
    afterEach(async () => {
      expect((await node.put('pnsconf', { input: {} })).status).toBe(200);
      for (const name of ['init', 'config', 'run', 'clean'] as const) node.script(name, 'true');
    });
    const place = (name: string) => path.join(node.aside, name);
    const set = (input: object) => node.put('pnsconf', { input });
    const config = () => path.join(node.home, 'configPTS');

    describe('when its text is asked for', () => {
      const put: [string, (file: string) => void, RegExp][] = [
        ['a link to a file of root’s', (file) => symlinkSync(place('secret'), file), /Permission denied/],
        [
          'a file of root’s',
          (file) => writeFileSync(file, 'root’s own', { mode: 0o600 }),
          /Permission denied/,
        ],
        ['nothing', () => {}, /No such file/],
        ['a folder', (file) => mkdirSync(file), /is not a regular file/],
        ['a named pipe', (file) => execFileSync('mkfifo', [file]), /is not a regular file/],
        ['a device', (file) => symlinkSync('/dev/zero', file), /is not a regular file/],
        ['what is too large', (file) => writeFileSync(file, Buffer.alloc(2 ** 24 + 1)), /too large/],
      ];
      test.each(put)('%s', async (_, prepare, why) => {
        rmSync(config(), { recursive: true, force: true });
        prepare(config());
        const { status, json, text } = await node.get('config');
        rmSync(config(), { recursive: true, force: true });
        expect([status, json.result]).toEqual([200, -1]);
        expect(json.message).toMatch(why);
        expect(json.message).toContain(config());
        expect(text).not.toContain('own');
      });

      test('what that user may read', async () => {
        const text = `#!/bin/sh\n# é ${'x'.repeat(300_000)}\n`;
        node.script('config', text);
        expect((await node.get('config')).json.result).toBe(text);
        rmSync(config());
        symlinkSync('runPTS', config());
        expect((await node.get('config')).json.result).toBe('#!/bin/sh\ntrue\n');
        await set({ ptsuser: 'root' });
        rmSync(config());
        symlinkSync(place('secret'), config());
        expect((await node.get('config')).json.result).toBe('root’s own');
      });
    });

    test.each([
      ['may not be executed', 0o744, '#!/bin/sh\n'],
      ['may not be read', 0o711, '#!/bin/sh\n'],
      ['is for an interpreter that may not be executed', 0o755, '#!INTERPRETER\n'],
    ])('a script that %s by that user cannot be started', async (_, mode, text) => {
      writeFileSync(place('interpreter'), '#!/bin/sh\n');
      chmodSync(place('interpreter'), 0o744);
      writeFileSync(config(), text.replace('INTERPRETER', place('interpreter')));
      chmodSync(config(), mode);
      const { json } = await node.put('config');
      const message = `exec: ${config()} cannot be executed by 'nobody'`;
      expect(json).toMatchObject({ result: -1, message: { returncode: -1 } });
      expect(Object.keys(json.message)).toEqual(['returncode', 'message']);
      expect(json.message.message).toContain(message);
      await set({ ptsuser: 'root' });
      expect((await node.put('config')).json.result).toBe(0);
    });

    describe('a folder of somebody else’s', () => {
      const daemon = uidOf('daemon');
      const make = (mode: number, ...files: string[]) => {
        const folder = place('theirs');
        rmSync(folder, { recursive: true, force: true });
        mkdirSync(folder);
        chmodSync(folder, mode);
        for (const file of files) writeFileSync(path.join(folder, file), '');
        chownSync(folder, daemon, daemon);
        return folder;
      };

      test.each(['inputdir', 'outputdir'])('with things in it stays theirs: %s', async (key) => {
        const folder = make(0o755, 'precious');
        await set({ paths: { [key]: folder } });
        for (const { status, json } of [await node.put('init'), await node.post('run')]) {
          expect([status, json.error]).toEqual([401, 'Unauthorized. Authentication needed to modify.']);
          expect(json.message).toMatch(
            /cannot give the folder .* to 'nobody' \(serveruser\): it is not empty/,
          );
          expect(json.message).toContain(folder);
        }
        expect(statSync(folder).uid).toBe(daemon);
      });

      test('in which serveruser may write is used, and stays theirs', async () => {
        for (const files of [[], ['precious']]) {
          const folder = make(0o1777, ...files);
          await set({ paths: { outputdir: folder } });
          node.script('run', 'echo x >"$OUTPUTDIR/result"');
          expect((await node.post('run')).json.result).toEqual({ result: 'x\n' });
          expect(statSync(folder).uid).toBe(daemon);
        }
      });

      test('with nothing in it is given to serveruser', async () => {
        const folder = make(0o755);
        await set({ paths: { inputdir: folder } });
        expect((await node.put('init')).json.result).toBe(0);
        expect(statSync(folder).uid).toBe(uidOf('nobody'));
      });
    });
  },
);
