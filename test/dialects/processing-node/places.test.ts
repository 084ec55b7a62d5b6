import { mkdirSync, readFileSync, readlinkSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { type Node, startNode } from '../../support/node-home.js';

let node: Node;
beforeAll(async () => {
  node = await startNode({}, { timeout: 5 });
});
afterAll(async () => {
  await node.end();
});
afterEach(async () => {
  expect((await node.put('pnsconf', { input: {} })).status).toBe(200);
});
const place = (name: string) => path.join(node.home, name);
const set = async (input: object) => {
  expect((await node.put('pnsconf', { input })).json.message).toBe('');
};

test.each([
  'inputdir',
  'outputdir',
  'pnshome',
])('%s where no folder can be made: 401, and the node is free', async (key) => {
  await node.put('pnsconf', { input: { paths: { [key]: '/proc/x' } } });
  for (const answer of [await node.put('init'), await node.post('run')]) {
    expect([answer.status, answer.json.message]).toEqual([
      401,
      '401 Unauthorized: Cannot create the folder /proc/x: ENOENT.',
    ]);
  }
  expect(await node.busy()).toBe(false);
  await node.put('pnsconf', { input: {} });
});

test('a slash too many is not told to scripts, and is in nobody’s way', async () => {
  await set({ paths: { pnshome: `/${node.home}/`, inputdir: `${node.home}//input/` } });
  node.script('config', 'echo "$PWD $INPUTDIR $OUTPUTDIR"');
  const { message } = (await node.put('config')).json;
  expect(message).toMatchObject({
    command: `['${place('configPTS')}', '']`,
    stdout: `${node.home} ${place('input')} ${place('output')}\n`,
  });
  for (const name of ['init', 'config', 'run', 'clean'])
    writeFileSync(place(`${name}PTS.ori`), '#!/bin/sh\n');
  expect((await node.put('inittest')).json).toMatchObject({ result: 0, message: { returncode: 0 } });
  expect(readlinkSync(place('configPTS'))).toBe('configPTS.ori');
  for (const name of ['init', 'config', 'run', 'clean'] as const) node.script(name, 'true');
});

describe('a script that is named', () => {
  test('by a relative path is in the home, for all that is done with it', async () => {
    mkdirSync(place('scripts'), { recursive: true });
    writeFileSync(place('scripts/mine'), '#!/bin/sh\necho mine "$@"\n', { mode: 0o755 });
    await set({ scripts: { config: ['scripts/mine', 'x'], init: ['./initPTS'], clean: ['../clean'] } });
    expect((await node.put('config')).json.message).toMatchObject({
      command: `['${place('scripts/mine')}', 'x']`,
      stdout: 'mine x\n',
    });
    expect((await node.get('config')).json.result).toContain('echo mine');
    expect((await node.get('init')).json.result).toContain('#!/bin/sh');
    expect((await node.put('init')).json.result).toBe(0);
    const outside = path.join(path.dirname(node.home), 'clean');
    expect((await node.get('clean')).json.message).toContain(outside);
    expect((await node.remove('clean')).json.message.message).toContain(outside);
    expect((await node.put('inittest')).json.message).toContain(`${place('scripts/mine')} is not in`);
  });

  test('without a slash is a program on PATH, also where its text is asked for', async () => {
    writeFileSync(place('ldd'), 'not this one');
    await set({ scripts: { config: ['ldd', '--version'], init: ['no-such-tool'] } });
    expect((await node.put('config')).json.result).toBe(0);
    expect((await node.get('config')).json.result).toBe(readFileSync('/usr/bin/ldd', 'utf8'));
    for (const { json } of [await node.get('init'), await node.put('init')]) {
      expect(json.result).toBe(-1);
      expect(JSON.stringify(json.message)).toContain("there is no program 'no-such-tool'");
    }
    rmSync(place('ldd'));
  });
});

test.each(['inittest', 'testinit'])('%s keeps a link of the user’s as well', async (command) => {
  for (const name of ['init', 'config', 'run', 'clean']) {
    writeFileSync(place(`${name}PTS.ori`), '#!/bin/sh\n', { mode: 0o755 });
    rmSync(place(`${name}PTS`), { force: true });
    rmSync(place(`${name}PTS.save`), { force: true });
    symlinkSync(`my-${name}.sh`, place(`${name}PTS`));
  }
  for (const _ of [1, 2]) {
    expect((await node.put(command)).json.result).toBe(0);
    expect(readlinkSync(place('runPTS'))).toBe('runPTS.ori');
    expect(readlinkSync(place('runPTS.save'))).toBe('my-run.sh');
    expect(() => readlinkSync(place('runPTS.save.1'))).toThrow();
  }
});
