import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { afterEach, describe, expect, test } from 'vitest';
import { nodeLogin, startNode, type TestNode } from '../../support/node.js';
import type { Login } from '../../support/server.js';

let node: TestNode;
afterEach(() => node.server.remove());

/** Puts a configuration in place of the one that there is. */
const put = (input: string | object, as: Login = nodeLogin) =>
  node.call('PUT', 'pnsconf', `{"input": ${typeof input === 'string' ? input : JSON.stringify(input)}}`, as);
const shown = () => node.call('GET', 'pnsconfig', undefined, null);

describe('the configuration of the file', () => {
  const full = {
    node: { password: 'bar', username: 'foo', port: 5001, host: '0.0.0.0' },
    baseurl: '/v0.6',
    timeout: 12.5,
    paths: {
      outputfile: 'result.txt',
      pnshome: '/tmp//penstock-nowhere/',
      inputdir: '/tmp/penstock-nowhere/in',
      inputfiles: ['a', 'b'],
      outputdir: '/tmp/penstock-nowhere/out',
    },
    scripts: {
      init: ['initPTS', ''],
      config: ['./configPTS', '-x'],
      run: ['/opt/run', ''],
      clean: ['clean', ''],
    },
  };

  test('is shown as it is written there, key by key, and nothing of ours beside it', async () => {
    node = await startNode({
      node: { ...full, mask_secrets: false, calc: 'adder', limits: { processes: 50 } },
    });
    expect((await shown()).raw('result')).toBe(JSON.stringify(full));
    const { result } = (await node.call('GET', 'settings', undefined, null)).json;
    expect(result).toMatchObject({
      calc: 'adder',
      limits: { processes: 50 },
      mask_secrets: false,
      node: { username: 'foo', password: '********' },
      paths: { pnshome: '/tmp/penstock-nowhere', outputfiles: ['result.txt'] },
      timeout: 12.5,
    });
  });

  test('has what a configuration always had where the file leaves it open, and other keys only from the file', async () => {
    node = await startNode({ node: { paths: { outputdir: null }, logginglevel: 'ERROR', serveruser: null } });
    const { result } = (await shown()).json;
    expect(Object.keys(result).sort()).toEqual(
      ['baseurl', 'logginglevel', 'node', 'paths', 'scripts', 'serveruser', 'timeout'].sort(),
    );
    expect(Object.keys(result.paths).sort()).toEqual(['inputdir', 'inputfiles', 'outputdir', 'pnshome']);
    expect(result.paths).toMatchObject({ pnshome: node.home, outputdir: `${node.home}/output` });
    expect(result.scripts.clean).toEqual([`${node.home}/cleanPTS`, '']);
    expect(result.node).toMatchObject({ username: 'foo', password: '********', port: 5000 });
    expect(result.serveruser).toEqual(expect.any(String));
  });
});

describe('a configuration that was put in place', () => {
  test('is shown as it was written, with what means nothing here, and forgotten at the end', async () => {
    node = await startNode();
    const text =
      '{"zeta": 1.0, "2": 12345678901234567890, "1": [1e5, -0.0, NaN], "timeout": 1.50e1, "a": {"é": "\\u00e9"}}';
    const answer = await put(text);
    expect([answer.status, answer.raw('result'), answer.raw('message')]).toEqual([200, text, '""']);
    expect((await shown()).raw('result')).toBe(text);
    expect((await shown()).raw('message')).toBe('""');
    await node.server.stop();
    await node.server.restart();
    const { result } = (await shown()).json;
    expect(result).toMatchObject({
      baseurl: '/v0.6',
      timeout: 10,
      node: { username: 'foo', password: '********' },
      paths: { pnshome: node.home, inputdir: `${node.home}/input`, outputdir: `${node.home}/output` },
      scripts: { run: [`${node.home}/runPTS`, ''] },
    });
    expect(result).not.toHaveProperty('zeta');
  });

  test('leaves a node working of which it says nothing', async () => {
    node = await startNode();
    const answer = await put('{"testing": "yes"}');
    expect([answer.json.result, answer.json.message]).toEqual([{ testing: 'yes' }, '']);
    expect((await shown()).raw('result')).toBe('{"testing": "yes"}');
    expect((await node.call('PUT', 'init')).json.result).toBe(0);
    expect((await node.call('POST', 'run', { input: { infile: 'you' } })).json.result).toEqual({
      outfile: 'hello you!',
    });
  });

  test('takes the place of an earlier one, not of parts of it', async () => {
    node = await startNode();
    node.script('config', 'sleep 30');
    await put({ timeout: 0.2, scripts: { init: ['/bin/sh', '-c', 'exit 4'] } });
    expect((await node.call('PUT', 'config')).json.result).toBe(-9);
    expect((await node.call('PUT', 'init')).json.result).toBe(4);
    await put({ timeout: 5 });
    expect((await node.call('PUT', 'init')).json.result).toBe(0);
  });

  test('of a wrong shape is refused with the reason, and changes nothing', async () => {
    node = await startNode();
    await put('{"timeout": 7.0}');
    for (const [text, named] of [
      ['{"timeout": "long"}', '/input/timeout'],
      ['{"timeout": 0}', '/input/timeout'],
      ['{"timeout": NaN}', '/input/timeout'],
      ['{"timeout": null}', '/input/timeout'],
      ['{"node": "foo"}', '/input/node'],
      ['{"node": {"password": 5}}', '/input/node/password'],
      ['{"node": {"username": "a:b"}}', '/input/node/username'],
      ['{"paths": {"inputdir": "relative"}}', '/input/paths/inputdir'],
      ['{"paths": {"outputfiles": ["../x"]}}', '/input/paths/outputfiles/0'],
      ['{"paths": {"outputfile": "a/b"}}', '/input/paths/outputfile'],
      ['{"scripts": {"run": []}}', '/input/scripts/run'],
      ['{"scripts": null}', '/input/scripts'],
      ['{"ptsuser": "-x"}', '/input/ptsuser'],
      ['[]', 'an object'],
      ['"x"', 'an object'],
    ]) {
      const answer = await put(text as string);
      expect([text, answer.status, answer.json.result]).toEqual([text, 200, -1]);
      expect(answer.json.message).toContain(named);
      expect((await shown()).raw('result')).toBe('{"timeout": 7.0}');
    }
    for (const body of [undefined, '', '{}', '{"input": null}', '[]', '5', '{"inputs": {}}']) {
      const answer = await node.call('PUT', 'pnsconf', body);
      expect([body, answer.status, answer.json.result]).toEqual([body, 200, -1]);
      expect(answer.json.message).toMatch(/input|object/);
    }
    expect((await shown()).raw('result')).toBe('{"timeout": 7.0}');
    expect((await node.call('PUT', 'init')).json.result).toBe(0);
  });

  test('may leave open what node.yaml may leave open', async () => {
    node = await startNode();
    await put({
      paths: { pnshome: null, inputdir: null, outputdir: null },
      scripts: { init: null },
      serveruser: null,
      ptsuser: null,
    });
    const init = await node.call('PUT', 'init');
    expect([init.json.result, init.json.message.stdout]).toEqual([0, `initialised in ${node.home}\n`]);
    expect(existsSync(path.join(node.home, 'input'))).toBe(true);
  });
});

describe('the login in it', () => {
  test('holds at once, and the one before no longer, even where it was remembered', async () => {
    node = await startNode();
    const other = { username: 'new', password: 'word' };
    expect((await node.call('POST', 'echo', '1')).status).toBe(200);
    expect((await put({ node: other })).status).toBe(200);
    expect((await node.call('POST', 'echo', '1')).status).toBe(401);
    expect((await node.call('POST', 'echo', '1', other)).status).toBe(200);
    expect((await put({ node: { password: 'next' } }, other)).json.result).toEqual({
      node: { password: 'next' },
    });
    expect((await node.call('POST', 'echo', '1', other)).status).toBe(401);
    expect((await node.call('POST', 'echo', '1', { ...nodeLogin, password: 'next' })).status).toBe(200);
    await put({ node: { username: null, password: null } }, { ...nodeLogin, password: 'next' });
    expect((await node.call('POST', 'echo', '1', { ...nodeLogin, password: 'next' })).status).toBe(401);
    expect((await node.call('POST', 'echo', '1', node.server.admin)).status).toBe(200);
  });

  test('is shown with stars, which mean the password that there is', async () => {
    node = await startNode();
    const before = (await shown()).json.result;
    expect(before.node.password).toBe('********');
    // A client that changes one thing and sends the rest back as it was.
    expect((await put({ ...before, timeout: 8 })).status).toBe(200);
    expect((await node.call('POST', 'echo', '1')).status).toBe(200);
    expect((await shown()).json.result).toEqual({ ...before, timeout: 8 });
    const twice = '"password": "other", "password": "se\\u0063ret"';
    await put(`{"x": 1.0, "auth_pass": "secret", "node": {}, "node": {${twice}, "port": 5000.0}}`);
    expect((await shown()).raw('result')).toBe(
      '{"x": 1.0, "auth_pass": "********", "node": {"password": "********", "port": 5000.0}}',
    );
    const secret = { ...nodeLogin, password: 'secret' };
    expect((await put({ node: { password: '********' } }, secret)).status).toBe(200);
    expect((await node.call('POST', 'echo', '1', secret)).status).toBe(200);
  });

  test('is not the only secret that is shown with stars, and kept where they are sent back', async () => {
    node = await startNode();
    const mqtt =
      '{"mqtt": {"passwd": "hush", "port": 1883.0}, "db": [{"mysql_Password": "sh"}], "apiToken": "t"}';
    await put(mqtt);
    const text = (await shown()).raw('result') ?? '';
    expect(text).toBe(
      '{"mqtt": {"passwd": "********", "port": 1883.0}, "db": [{"mysql_Password": "********"}], "apiToken": "********"}',
    );
    const changed = text.replace('1883.0', '8883.0').replace('"apiToken": "********"', '"apiToken": "new"');
    expect((await put(changed)).raw('result')).toBe(changed);
    expect((await shown()).raw('result')).toBe(changed.replace('new', '********'));
    await node.server.remove();

    node = await startNode({ node: { mask_secrets: false } });
    await put(mqtt);
    await put(changed);
    expect((await shown()).raw('result')).toBe(mqtt.replace('1883.0', '8883.0').replace('"t"', '"new"'));
  });

  test('is shown as it is with mask_secrets: false', async () => {
    node = await startNode({ node: { mask_secrets: false } });
    expect((await shown()).json.result.node.password).toBe('bar');
    await put({ node: { password: 'next' }, auth_pass: 'next', mask_secrets: true });
    expect((await shown()).raw('result')).toBe(
      '{"node":{"password":"next"},"auth_pass":"next","mask_secrets":true}',
    );
  });
});

test('what only the file may say stays as it says', async () => {
  node = await startNode();
  await node.server.register({ exec: '/bin/echo', name: 'adder' });
  const answer = await put({
    mask_secrets: false,
    calc: 'adder',
    baseurl: '/v0.8',
    limits: { memory: 1 },
    node: { ...nodeLogin, host: '192.0.2.1', port: 1 },
  });
  expect(answer.status).toBe(200);
  const { result } = (await shown()).json;
  expect([result.node.password, result.calc]).toEqual(['********', 'adder']);
  expect((await node.call('POST', 'calc')).json.result).toBe(0);
  expect((await node.call('POST', 'calc')).json.message).toBe('');
  const page = (await node.call('GET', '')).json;
  expect(page.APIs.DELETE[0].URL).toBe(`${node.server.url}/v0.6/clean`);
  const init = await node.call('PUT', 'init');
  expect(init.json.result).toBe(0);
  const job = await node.server.fetch(`/api/job/${init.headers['x-job-uuid']}/`);
  const { process_definition: definition } = (await job.json()) as { process_definition: string };
  const registered = await node.server.fetch(definition);
  expect(await registered.json()).toMatchObject({ definition: { name: 'node init' } });
  expect(JSON.stringify(await (await node.server.fetch(definition)).json())).not.toContain('"memory":1');
});

test('paths in it are those of the next init and run', async () => {
  node = await startNode({ node: { paths: { outputfile: 'outfile' } } });
  const home = path.join(node.server.data, 'other');
  const paths = { pnshome: home, inputdir: `${home}/in`, outputdir: `${home}/out` };
  mkdirSync(home);
  await put({
    paths,
    scripts: {
      init: ['/bin/pwd'],
      run: ['/bin/sh', '-c', 'if [ -e in/outfile ]; then cp in/outfile out; fi; echo x >out/y'],
    },
  });
  const init = await node.call('PUT', 'init');
  expect([init.json.result, init.json.message.stdout]).toEqual([0, `${home}\n`]);
  expect(existsSync(`${home}/in`) && existsSync(`${home}/out`)).toBe(true);
  const run = (input: object) => node.call('POST', 'run', { input });
  const lacking = await run({ a: '1' });
  expect([lacking.json.result, lacking.json.message]).toEqual([-1, expect.stringContaining('outfile')]);
  expect((await run({ outfile: '1' })).raw('result')).toBe('{"outfile":"1"}');

  const both = ['y', 'outfile'];
  await put({
    paths: { ...paths, outputfiles: both },
    scripts: { run: ['/bin/sh', '-c', 'cp in/a in/outfile out; echo x >out/y'] },
  });
  expect((await run({ outfile: '2', a: '3' })).json.result).toEqual({ y: 'x\n', outfile: '2' });
  expect(Object.keys((await run({ outfile: '2' })).json.result)).toEqual(both);

  await put({
    paths: { ...paths, outputfiles: [] },
    scripts: { run: ['/bin/sh', '-c', 'cp in/a in/outfile out'] },
  });
  writeFileSync(`${home}/out/older`, 'not of this run');
  expect(Object.keys((await run({ a: '1', outfile: '3' })).json.result)).toEqual(['a', 'outfile']);
  const listed = await node.call('GET', 'output');
  expect(Object.keys(listed.json.result).sort()).toEqual(
    ['a', 'older', 'outfile', 'y'].map((name) => `${home}/out/${name}`),
  );
});
