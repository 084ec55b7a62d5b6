import { execFileSync } from 'node:child_process';
import {
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import path from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { type Node, startNode } from '../../support/node-home.js';

let node: Node;
beforeAll(async () => {
  node = await startNode({}, { timeout: 20 });
});
afterAll(async () => {
  await node.end();
});
const place = (name: string) => path.join(node.home, name);
beforeEach(() => {
  for (const name of ['input', 'output']) {
    rmSync(place(name), { recursive: true, force: true });
    mkdirSync(place(name));
  }
});
const ran = () => path.join(node.aside, 'ran');
const copy = 'cp -r input/. output/';
/** The input as it is written, since not every object can be said in JavaScript. */
const run = (input: string) => node.post('run', undefined, { body: `{"input": ${input}}` });

describe('the names of input files', () => {
  test.each([
    '..',
    '.',
    '',
    '/',
    '/etc/passwd',
    'a/b',
    '../a',
    'a\\b',
    'a\0b',
    '\0',
    'a\nb',
    '\x7f',
    'x'.repeat(256),
    'ж'.repeat(128),
    '\ud800',
  ])('%j is refused, and nothing is written or run', async (name) => {
    node.script('run', `echo >${ran()}`);
    rmSync(ran(), { force: true });
    const bad = JSON.stringify(name);
    for (const input of [
      `{"good": "x", ${bad}: "x"}`,
      `{"meta": {}, "_sets": {"good": {"data": "x"}, ${bad}: {"data": "x"}}}`,
    ]) {
      const { status, json } = await run(input);
      expect([status, json.error]).toEqual([400, 'Bad request.']);
      expect(json.message).toContain('cannot be a file name');
    }
    expect(readdirSync(place('input'))).toEqual([]);
    expect(existsSync(ran())).toBe(false);
  });

  test.each([
    '__proto__',
    'constructor',
    'toString',
    'ж 日本 🚀',
    'e\u0301',
    '...',
    '-rf',
    '$(id)',
    '`id`',
    ' ',
    'a b',
    '*',
    '~',
    '%2e%2e',
    '"',
    "'",
    '10',
    'x'.repeat(255),
  ])('%j goes in and out as it is', async (name) => {
    node.script('run', copy);
    const said = `{${JSON.stringify(name)}:"its content"}`;
    const { json, text } = await run(said);
    expect(json.message).toMatchObject({ stdout: '', stderr: '', returncode: 0 });
    expect(text).toContain(`"result": ${said}, `);
    expect(readdirSync(place('input'))).toEqual([name]);
  });

  test('what was there is kept as .old, also where both come', async () => {
    node.script('run', 'true');
    for (const content of ['1', '2', '3']) await run(`{"a": "${content}"}`);
    const inputs = () =>
      Object.fromEntries(
        readdirSync(place('input')).map((name) => [name, readFileSync(place(`input/${name}`), 'utf8')]),
      );
    expect(inputs()).toEqual({ a: '3', 'a.old': '2' });
    await run('{"a.old": "5", "a": "4"}');
    expect(inputs()).toMatchObject({ a: '4', 'a.old': '5' });
    expect(Object.values(inputs())).toContain('3');
  });

  test('3,000 go in and out', async () => {
    node.script('run', 'cp input/* output/');
    const input = Object.fromEntries(Array.from({ length: 3000 }, (_, n) => [`f${n}`, `content of ${n}`]));
    const { json } = await node.post('run', { input, timeout: 60 }, { deadline: 90_000 });
    expect(json.message.returncode).toBe(0);
    expect(json.result).toEqual(input);
    expect(await node.busy()).toBe(false);
  });
});

describe('what is no plain file', () => {
  const make = {
    'a symbolic link': (file: string) => symlinkSync(path.join(node.aside, 'secret'), file),
    'a symbolic link to nothing': (file: string) => symlinkSync(path.join(node.aside, 'nothing'), file),
    'a folder': (file: string) => mkdirSync(file),
    'a named pipe': (file: string) => execFileSync('mkfifo', [file]),
    'a device': (file: string) => execFileSync('mknod', [file, 'c', '1', '3']),
  };
  beforeAll(() => {
    writeFileSync(path.join(node.aside, 'secret'), 'the secret');
  });

  test.each(
    Object.entries(make),
  )('under the name of an input file is not written to: %s', async (what, put) => {
    node.script('run', `echo >${ran()}`);
    rmSync(ran(), { force: true });
    for (const name of ['a', 'a.old']) {
      for (const other of readdirSync(place('input'))) rmSync(place(`input/${other}`), { recursive: true });
      if (name === 'a.old') writeFileSync(place('input/a'), 'before');
      try {
        put(place(`input/${name}`));
      } catch (error) {
        // A container may not make devices.
        if (what !== 'a device') throw error;
        return;
      }
      const { json } = await run('{"a": "x", "b": "x"}');
      expect(json).toMatchObject({ result: -1, message: { returncode: -1 } });
      expect(json.message.message).toContain(
        `${name} in ${place('input')} is ${what.replace(' to nothing', '')}`,
      );
      expect(lstatSync(place(`input/${name}`)).isFile()).toBe(false);
      expect(existsSync(place('input/b'))).toBe(false);
    }
    expect(existsSync(ran())).toBe(false);
    expect(readFileSync(path.join(node.aside, 'secret'), 'utf8')).toBe('the secret');
    expect(existsSync(path.join(node.aside, 'nothing'))).toBe(false);
  });

  const odd = `echo x >output/plain; ln -s ${'$'}1 output/link; ln -s /etc output/folder-link; mkfifo output/pipe
    mkdir output/folder; echo y >output/folder/y
    perl -MIO::Socket::UNIX -e 'IO::Socket::UNIX->new(Local => "output/socket", Listen => 1) or die'`;

  test('in the output folder is passed over', async () => {
    node.script('run', odd.replaceAll('$1', path.join(node.aside, 'secret')));
    const { json, text } = await run('{}');
    expect(json.result).toEqual({ plain: 'x\n' });
    expect(text).not.toContain('the secret');
    expect(readdirSync(place('output')).sort()).toEqual([
      'folder',
      'folder-link',
      'link',
      'pipe',
      'plain',
      'socket',
    ]);
    const listed = await node.get('output');
    expect(listed.json.result).toEqual({ [place('output/plain')]: 'x\n' });
  });

  test.each([
    'link',
    'pipe',
    'socket',
    'folder',
  ])('and is one of the output files that are asked for: %s', async (name) => {
    node.script('run', odd.replaceAll('$1', path.join(node.aside, 'secret')));
    await node.put('pnsconf', { input: { paths: { outputfiles: ['plain', name] } } });
    const { json, text } = await run('{}');
    await node.put('pnsconf', { input: {} });
    expect([json.result, typeof json.message]).toEqual([-1, 'string']);
    expect(json.message).toContain(`${name} in ${place('output')} is`);
    expect(text).not.toContain('the secret');
  });
});

describe('a folder that is another by the end of the script', () => {
  test('the output folder is a link to /etc: nothing of that is told', async () => {
    node.script('run', 'rmdir output; ln -s /etc output; touch /etc/hostname');
    const { json, text } = await run('{"a": "x"}');
    expect(json).toMatchObject({ result: -1, message: expect.stringContaining('symbolic link') });
    expect(text).not.toContain('root:');
    const view = await node.get('output');
    expect(view.json.result).toBe(-1);
    expect(view.json.message).toContain('symbolic link');
    const next = await run('{}');
    expect([next.status, next.json.error]).toEqual([401, 'Unauthorized. Authentication needed to modify.']);
    expect(lstatSync('/etc').uid).toBe(0);
  });

  test('the input folder is a link: the run ends well, and the next one is refused', async () => {
    const elsewhere = mkdtempSync(path.join(node.aside, 'elsewhere-'));
    node.script('run', `rm -r input; ln -s ${elsewhere} input; echo x >output/x`);
    expect((await run('{"a": "x"}')).json.result).toEqual({ x: 'x\n' });
    const { status, json } = await run('{"a": "x"}');
    expect([status, json.message]).toEqual([401, expect.stringContaining('symbolic link')]);
    expect((await node.put('init')).status).toBe(401);
    expect(readdirSync(elsewhere)).toEqual([]);
  });
});

describe.each(['inittest', 'testinit'])('%s', (command) => {
  const names = ['init', 'config', 'run', 'clean'] as const;
  const kinds = () =>
    names.map((name) => {
      const file = place(`${name}PTS`);
      return lstatSync(file).isSymbolicLink() ? readlinkSync(file) : 'file';
    });
  const done = names.map((name) => `${name}PTS.ori`);
  beforeEach(() => {
    for (const name of readdirSync(node.home)) rmSync(place(name), { recursive: true });
    for (const name of names) {
      node.script(name, `echo own ${name}`);
      writeFileSync(place(`${name}PTS.ori`), '#!/bin/sh\necho original\n', { mode: 0o755 });
    }
  });

  test('links the originals, keeps what was there, and may be asked for twice', async () => {
    expect((await node.put(command)).json.result).toBe(0);
    expect(kinds()).toEqual(done);
    for (const name of names) expect(readFileSync(place(`${name}PTS.save`), 'utf8')).toContain(`own ${name}`);
    expect((await node.put('config')).json.message.stdout).toBe('original\n');
    expect((await node.put(command)).json.result).toBe(0);
    expect(kinds()).toEqual(done);
    expect(readFileSync(place('runPTS.save'), 'utf8')).toContain('own run');
  });

  test('never writes over what was kept before', async () => {
    writeFileSync(place('runPTS.save'), 'precious');
    expect((await node.put(command)).json.result).toBe(0);
    expect(readFileSync(place('runPTS.save'), 'utf8')).toBe('precious');
    const kept = readdirSync(node.home).filter((name) => name.startsWith('runPTS.save'));
    expect(kept.map((name) => readFileSync(place(name), 'utf8')).join()).toContain('own run');
  });

  test('does nothing if one original is missing, or is a link', async () => {
    rmSync(place('cleanPTS.ori'));
    for (const prepare of [() => {}, () => symlinkSync('/bin/true', place('cleanPTS.ori'))]) {
      prepare();
      const { status, json } = await node.put(command);
      expect([status, json.result]).toEqual([200, -1]);
      expect(json.message).toContain(place('cleanPTS.ori'));
      expect(kinds()).toEqual(['file', 'file', 'file', 'file']);
    }
  });

  test.each([
    '/bin/true',
    'ASIDE/cleanPTS',
    'HOME/../aside/cleanPTS',
    'HOME/sub/cleanPTS',
  ])('replaces no script outside the home: %s', async (script) => {
    const file = script.replace('ASIDE', node.aside).replace('HOME', node.home);
    mkdirSync(place('sub'));
    for (const name of ['cleanPTS', 'cleanPTS.ori']) {
      for (const folder of [node.aside, place('sub')]) writeFileSync(path.join(folder, name), name);
    }
    await node.put('pnsconf', { input: { scripts: { clean: [file] } } });
    const { json } = await node.put(command);
    await node.put('pnsconf', { input: {} });
    const message = expect.stringContaining(path.normalize(file));
    expect(json).toMatchObject({ result: -1, message });
    expect(kinds()).toEqual(['file', 'file', 'file', 'file']);
    expect(readFileSync(path.join(node.aside, 'cleanPTS'), 'utf8')).toBe('cleanPTS');
    expect(lstatSync('/bin/true').isFile()).toBe(true);
  });

  test('with folders that cannot be made is told with -1, and does nothing', async () => {
    writeFileSync(place('input'), '');
    const { status, json } = await node.put(command);
    expect([status, json.result, json.message]).toEqual([200, -1, `${place('input')} is not a folder.`]);
    expect(kinds()).toEqual(['file', 'file', 'file', 'file']);
  });
});
