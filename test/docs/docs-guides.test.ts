import { spawnSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { paste, shellBlocks } from '../support/pages.js';
import { root } from '../support/paths.js';
import { ask } from '../support/raw.js';
import { startServer, type TestServer } from '../support/server.js';

let server: TestServer;
beforeEach(async () => {
  server = await startServer();
});
afterEach(() => server.remove());

test('docs/definitions.md: every command works when it is pasted', async () => {
  const { stdout, stderr } = await paste(server, shellBlocks('definitions.md').join('\n'));
  expect(stderr).toBe('2 of 2 passed, 0 failed.\n');
  // The first run, and then what would run.
  expect(stdout).toMatch(/^2\n\{/);
  expect(stdout).toMatch(/"argv": ?\["-l"\]/);
  expect(stdout).toMatch(/"passed": ?2/);
  expect(stdout).toMatch(/PASS {2}takes every x\nPASS {2}accepts no input\n/m);
  expect(stdout).toMatch(/^ +1 a\n +2 b$/m);
  expect(stdout).toContain('"properties":{"input":{"type":"string","format":"binary"');
  const { objects } = (await ask(server, '/api/process_definition/?order_by=id')).json;
  expect(objects).toMatchObject([
    { name: 'count-words', revision: 2 },
    { name: 'strip-x', revision: 1 },
    { name: 'count-each', revision: 1 },
  ]);
});

test('docs/inputs.md: every command works when it is pasted, and the mistakes are those that the page shows', async () => {
  const { stdout, stderr, folder } = await paste(server, shellBlocks('inputs.md').join('\n'));
  expect(stderr).toBe('');
  expect(readdirSync(folder)).toEqual([]);
  // By curl, by penstock, as text, as Base64, from a form, from an earlier job, and as the body.
  const header = '==> standard input <==\n';
  const ran = `one\ntwo\none\ntwo\nred\nred\n${header}one\ntwo\n${header}one\ntwo\n${header}one\ntwo\n`;
  expect(stdout.slice(0, ran.length)).toBe(ran);
  expect(stdout).toContain('lines=VALUE\n      Lines\n      integer, 1 to 1000; default 10.');
  const page = readFileSync(path.join(root, 'docs/inputs.md'), 'utf8');
  const [, refused, example] = [...page.matchAll(/```json\n([\s\S]*?)```/g)].map(([, block]) =>
    JSON.parse(block ?? ''),
  );
  expect(JSON.parse(/^\{"detail".*?"type": "[^"]*"\}/m.exec(stdout)?.[0] ?? '')).toMatchObject(refused);
  expect(stdout).toMatch(/"value": 12\b.*12$/s);
  const body = { definition: example };
  expect(await ask(server, '/api/process_definition/', { method: 'POST', json: body })).toMatchObject({
    status: 201,
  });
});

test('docs/adapters.md: every command works when it is pasted, and gives what the page says', async ({
  skip,
}) => {
  for (const program of ['ffmpeg', 'gzip']) {
    if (spawnSync(program, ['-h']).error !== undefined) skip(`there is no ${program} here`);
  }
  const { stdout, stderr } = await paste(server, shellBlocks('adapters.md').join('\n'));
  expect(stderr).toBe('');
  expect(stdout).toMatch(/^apple\npear\n/);
  const size = Number(/(\d+) \S+ +\S+ \S+ \S+sample\.mp3$/m.exec(stdout)?.[1]);
  expect(size).toBeGreaterThan(1000);
  const page = readFileSync(path.join(root, 'docs/adapters.md'), 'utf8');
  const shown = JSON.parse(/^ *(\{"count\.txt".*)$/m.exec(page)?.[1] ?? '');
  const made = JSON.parse(/^\{"count\.txt".*$/m.exec(stdout)?.[0] ?? '');
  const zipped = expect.stringMatching(/^H4sI/);
  expect(made).toEqual({ ...shown, 'sorted.txt.gz': { base64: zipped } });
});

test('docs/users.md: every command works when it is pasted', async () => {
  const { stdout, stderr } = await paste(server, shellBlocks('users.md').join('\n'));
  expect(stderr).toMatch(/^Added the user bob\.\nChanged the password of bob\.\nThis is token 1\./);
  expect(stdout).toMatch(/^ +\d+ {2}bob +user +yes/m);
  expect(stdout).toMatch(/^username: bob$/m);
  expect(stdout).toMatch(/^ +1 {2}nightly-job/m);
  expect(stdout).not.toMatch(/password of|another password/);
  const { objects } = (await ask(server, '/api/user/?order_by=id')).json;
  expect(objects).toMatchObject([
    { username: 'root' },
    { username: 'bob', role: 'user', active: true },
    { username: 'carol', role: 'admin', active: false },
  ]);
  expect((await ask(server, '/api/token/')).json.objects).toEqual([]);
  const bob = { username: 'bob', password: 'another password' };
  expect((await server.fetch('/api/job/', { as: bob })).status).toBe(200);
});
