import { execFileSync, spawn } from 'node:child_process';
import { chmodSync, chownSync, mkdirSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { stringify } from 'yaml';
import { listProcesses } from '../../../src/drivers/processes/processes.js';
import { type Node, nodeLogin, startNode } from '../../support/node-home.js';
import { atPace } from '../../support/pace.js';
import { main } from '../../support/paths.js';
import { alive, linesOf } from '../../support/programs.js';
import { basic } from '../../support/server.js';
import { waitFor } from '../../support/wait-for.js';

const isRoot = process.getuid?.() === 0;
const passwd = (name: string) => {
  const [, , uid, gid, , home = ''] = execFileSync('getent', ['passwd', name]).toString().trim().split(':');
  return { uid: Number(uid), gid: Number(gid), home };
};
/** The variables and words that a script wrote, one a line: `NAME=value`. */
const said = (text: string) =>
  Object.fromEntries(
    text
      .trimEnd()
      .split('\n')
      .map((line) => [line.slice(0, line.indexOf('=')), line.slice(line.indexOf('=') + 1)]),
  );

describe.skipIf(!isRoot)(
  `scripts as another user${isRoot ? '' : ' (skipped: only root may switch users)'}`,
  () => {
    const nobody = passwd('nobody');
    let node: Node;
    beforeAll(async () => {
      node = await startNode({}, { timeout: 5, serveruser: 'nobody' });
    });
    afterAll(async () => {
      await node.end();
    });
    afterEach(async () => {
      expect((await node.put('pnsconf', { input: {} })).status).toBe(200);
      for (const name of ['init', 'config', 'run', 'clean'] as const) node.script(name, 'true');
    });
    const set = async (input: object) => {
      expect((await node.put('pnsconf', { input })).json).toMatchObject({ result: input, message: '' });
    };
    const tell =
      'echo id=$(id -un); echo uid=$(id -u)/$(id -ru); echo gid=$(id -g)/$(id -rg); echo groups=$(id -G); echo cwd=$(pwd -P); env';

    test('are that user in every way, and have nothing of the server', async () => {
      for (const name of ['init', 'config', 'run', 'clean'] as const) node.script(name, tell);
      const answers = [
        await node.put('init'),
        await node.put('config'),
        await node.post('run'),
        await node.remove('clean'),
      ];
      const groups = execFileSync('id', ['-G', 'nobody']).toString().trim();
      for (const { json } of answers) {
        expect(json.message).toMatchObject({ returncode: 0, stderr: '' });
        expect(said(json.message.stdout)).toMatchObject({
          id: 'nobody',
          uid: `${nobody.uid}/${nobody.uid}`,
          gid: `${nobody.gid}/${nobody.gid}`,
          groups,
          cwd: node.home,
          HOME: nobody.home,
          LOGNAME: 'nobody',
          USER: 'nobody',
          PWD: node.home,
        });
        expect(json.message.stdout).not.toContain('PENSTOCK_ADMIN');
      }
    });

    test('have no capability and no descriptor of the server', async () => {
      node.script('config', 'grep -E "^Cap(Eff|Prm)" /proc/self/status; ls -l /proc/self/fd');
      const { stdout } = (await node.put('config')).json.message;
      expect(stdout).toMatch(/CapPrm:\s0+\nCapEff:\s0+\n/);
      const targets = [...stdout.matchAll(/\d+ -> (.*)/g)].map(([, target]) => target);
      expect(targets).toContain('/dev/null');
      const theirs = targets.filter((one) => one.startsWith('socket:') || one.startsWith(node.server.data));
      expect(theirs.map((one) => path.basename(one)).sort()).toEqual(['stderr', 'stdout']);
    });

    test('read the input and write the output; the folders are of serveruser, with mode 0775', async () => {
      for (const name of ['input', 'output'])
        rmSync(path.join(node.home, name), { recursive: true, force: true });
      node.script('run', 'cat input/a >output/b && echo more >>input/a && mkdir output/folder');
      const { json } = await node.post('run', { input: { a: 'given' } });
      expect(json).toMatchObject({ result: { b: 'given' }, message: { stderr: '', returncode: 0 } });
      for (const name of ['input', 'output']) {
        const { uid, gid, mode } = statSync(path.join(node.home, name));
        expect([name, uid, gid, mode & 0o7777]).toEqual([name, nobody.uid, nobody.gid, 0o775]);
      }
      const { uid, gid, mode } = statSync(path.join(node.home, 'input/a'));
      expect([uid, gid, mode & 0o777]).toEqual([nobody.uid, nobody.gid, 0o664]);
    });

    test('share the folders by their group, where ptsuser is another than serveruser', async ({ skip }) => {
      const all = execFileSync('getent', ['passwd']).toString().trim().split('\n');
      const owner = (mate: boolean) => {
        const fits = (line: string) => {
          const [name, , uid, gid] = line.split(':');
          return name !== 'nobody' && uid !== '0' && (Number(gid) === nobody.gid) === mate;
        };
        return all.find(fits)?.split(':')[0] ?? skip('no such users here');
      };
      node.script('run', 'cat input/a; echo x >output/b');
      for (const name of ['input', 'output'])
        rmSync(path.join(node.home, name), { recursive: true, force: true });
      const run = async (serveruser: string) => {
        await set({ serveruser, ptsuser: 'nobody' });
        const { json } = await node.post('run', { input: { a: 'given' } });
        for (const name of ['input', 'output']) {
          const { uid, mode } = statSync(path.join(node.home, name));
          expect([uid, mode & 0o777]).toEqual([passwd(serveruser).uid, 0o775]);
        }
        expect(json.message.stdout).toBe('given');
        // With things in them they would not change hands.
        for (const name of ['input', 'output']) rmSync(path.join(node.home, name), { recursive: true });
        return json;
      };
      expect((await run(owner(true))).result).toEqual({ b: 'x\n' });
      // Without a common group they are not his to write to, and that is said.
      const { result, message } = await run(owner(false));
      expect(result).toBe(2);
      expect(message.stderr).toMatch(/[Pp]ermission denied/);
    });

    test('are ended by their time, daemons and all', async () => {
      const log = path.join(node.aside, 'daemons');
      node.script(
        'config',
        `(setsid sh -c 'trap "" TERM; echo $$ >>${log}; sleep 100000; true' &); echo x; sleep 100000`,
      );
      const begun = Date.now();
      const { json } = await node.put('config', { timeout: 1 });
      expect(json).toMatchObject({ result: -9, message: { stdout: 'x\n', returncode: -9 } });
      expect(Date.now() - begun).toBeLessThan(atPace(2000));
      const [pid] = linesOf(log);
      expect(alive(Number(pid))).toBeUndefined();
      const theirs = listProcesses().filter((one) => {
        try {
          return statSync(`/proc/${one.pid}`).uid === nobody.uid && alive(one.pid) && one.name === 'sleep';
        } catch {
          return false;
        }
      });
      expect(theirs).toEqual([]);
    });

    test('whom this machine does not have: -1 from everything that runs a script, and nothing is run', async () => {
      await set({ serveruser: 'nobody', ptsuser: 'no-such-user' });
      const answers = [
        await node.put('init'),
        await node.put('config'),
        await node.post('run'),
        await node.post('testrun', { input: { meta: {}, _sets: { theName: { data: 'x' } } } }),
        await node.remove('clean'),
      ];
      const message = { returncode: -1, message: "This machine has no user 'no-such-user'." };
      for (const { status, json } of answers)
        expect([status, json.result, json.message]).toEqual([200, -1, message]);
      expect((await node.post('sleep/0')).json.result).toBe(0);
      expect(await node.busy()).toBe(false);
    });

    test('with a serveruser whom it does not have: 401 where folders are made, and nowhere else', async () => {
      await set({ serveruser: 'no-such-user', ptsuser: 'nobody' });
      const product = { input: { meta: {}, _sets: { theName: { data: 'x' } } } };
      const answers = [await node.put('init'), await node.post('run'), await node.post('testrun', product)];
      for (const { status, json } of answers) {
        expect([status, json.error]).toEqual([401, 'Unauthorized. Authentication needed to modify.']);
        expect(json.message).toBe("401 Unauthorized: This machine has no user 'no-such-user'.");
        expect(json.timestamp).toBeTypeOf('number');
      }
      const others = [
        await node.put('config'),
        await node.put('inittest'),
        await node.post('echo'),
        await node.post('calc'),
        await node.post('testcalc', product),
        await node.post('sleep/0'),
        await node.remove('clean'),
        await node.get('input'),
        await node.get('pnsconfig'),
      ];
      expect(others.map(({ status }) => status)).toEqual(others.map(() => 200));
    });

    test('with a home that is a file: 401 where folders are made, and nowhere else', async () => {
      const home = path.join(node.aside, 'a-file');
      writeFileSync(home, '');
      await set({ paths: { pnshome: home } });
      const product = { input: { meta: {}, _sets: { theName: { data: 'x' } } } };
      const answers = [await node.put('init'), await node.post('run'), await node.post('testrun', product)];
      for (const { status, json } of answers) {
        expect([status, json.error]).toEqual([401, 'Unauthorized. Authentication needed to modify.']);
        expect(json.message).toBe(`401 Unauthorized: ${home} is not a folder.`);
      }
      const others = [await node.put('config'), await node.put('testinit'), await node.remove('clean')];
      for (const { status, json } of others) expect([status, json.result]).toEqual([200, -1]);
      for (const view of ['input', 'output', 'init', 'pnsconfig']) {
        expect((await node.get(view)).status).toBe(200);
      }
    });
  },
);

describe.skipIf(!isRoot)(
  `a server that is not root${isRoot ? '' : ' (skipped: only root can start one as somebody else)'}`,
  () => {
    const nobody = passwd('nobody');
    let place: string;
    let url = '';
    let child: ReturnType<typeof spawn>;
    beforeAll(async () => {
      place = mkdtempSync(path.join(os.tmpdir(), 'penstock-nobody-'));
      const [data, config, home] = ['data', 'config', 'pns'].map((name) => path.join(place, name)) as [
        string,
        string,
        string,
      ];
      for (const folder of [data, config, home]) mkdirSync(folder);
      writeFileSync(path.join(home, 'configPTS'), '#!/bin/sh\nid -un\n');
      chmodSync(path.join(home, 'configPTS'), 0o755);
      const settings = { node: nodeLogin, paths: { pnshome: home }, serveruser: 'nobody' };
      writeFileSync(path.join(config, 'node.yaml'), stringify(settings));
      for (const folder of [place, data, config, home]) chownSync(folder, nobody.uid, nobody.gid);
      const node = [process.execPath, main, 'serve', '--data', data, '--config', config, '--port', '0'];
      const become = [`--reuid=${nobody.uid}`, `--regid=${nobody.gid}`, '--clear-groups', '--'];
      child = spawn('setpriv', [...become, ...node], {
        stdio: ['ignore', 'pipe', 'pipe'],
        env: { PATH: process.env.PATH ?? '', HOME: place, PENSTOCK_ADMIN_PASSWORD: 'correct horse battery' },
      });
      let told = '';
      for (const stream of [child.stdout, child.stderr]) {
        stream?.on('data', (piece: Buffer) => {
          told += piece.toString();
        });
      }
      await waitFor(
        () => /listening on/.test(told) || child.exitCode !== null,
        'the server to listen',
        30_000,
      );
      url = /listening on (\S+)/.exec(told)?.[1] ?? '';
      if (url === '') throw new Error(`the server did not start: ${told}`);
    });
    afterAll(async () => {
      const gone = new Promise((resolve) => child.once('exit', resolve));
      if (child.kill('SIGKILL')) await gone;
      rmSync(place, { recursive: true, force: true, maxRetries: 10 });
    });
    const put = async (command: string, json: object = {}) => {
      const headers = { Authorization: basic(nodeLogin) };
      const answer = await fetch(`${url}/v0.6/${command}`, {
        method: 'PUT',
        headers,
        body: JSON.stringify(json),
      });
      // biome-ignore lint/suspicious/noExplicitAny: answers of every shape
      return { status: answer.status, json: (await answer.json()) as any };
    };

    test('runs scripts as itself, in folders of its own', async () => {
      expect((await put('config')).json.message.stdout).toBe('nobody\n');
      expect((await put('init')).json).toMatchObject({ result: -1, message: { returncode: -1 } });
      expect(statSync(path.join(place, 'pns/input')).uid).toBe(nobody.uid);
    });

    test('says clearly that it may not run them as somebody else', async () => {
      await put('pnsconf', { input: { ptsuser: 'daemon' } });
      const { status, json } = await put('config');
      await put('pnsconf', { input: {} });
      expect([status, json.result, json.message.returncode]).toEqual([200, -1, -1]);
      expect(json.message.message).toMatch(/run as 'daemon'.*runs as 'nobody'.*as root/);
      expect((await put('config')).json.result).toBe(0);
    });

    test('gives 401 for folders that are to be somebody else’s', async () => {
      await put('pnsconf', { input: { serveruser: 'daemon', ptsuser: 'nobody' } });
      const { status, json } = await put('init');
      await put('pnsconf', { input: {} });
      expect([status, json.error]).toEqual([401, 'Unauthorized. Authentication needed to modify.']);
      expect(json.message).toMatch(/cannot give the folder .* to 'daemon' \(serveruser\)/);
    });
  },
);
