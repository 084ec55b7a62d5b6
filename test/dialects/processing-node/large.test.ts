import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import http from 'node:http';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Node, nodeLogin, startNode } from '../../support/node-home.js';
import { atPace } from '../../support/pace.js';
import { basic } from '../../support/server.js';
import { waitFor } from '../../support/wait-for.js';

let node: Node;
beforeAll(async () => {
  node = await startNode({}, { timeout: 60, mask_secrets: true });
});
afterAll(async () => {
  await node.end();
});

const mebibyte = 2 ** 20;
/** The most memory that the server has had since `forget`, in bytes. */
const peak = () =>
  Number(/VmHWM:\s+(\d+)/.exec(readFileSync(`/proc/${node.server.pid}/status`, 'utf8'))?.[1]) * 1024;
const forgetPeak = () => writeFileSync(`/proc/${node.server.pid}/clear_refs`, '5');

/** Begins a request and gives its response, of which nothing has been read. */
async function begin(method: string, command: string, body = ''): Promise<http.IncomingMessage> {
  const request = http.request(`${node.server.url}/v0.6/${command}`, {
    method,
    agent: false,
    headers: { Authorization: basic(nodeLogin), 'Content-Length': Buffer.byteLength(body) },
  });
  request.end(body);
  const [response] = (await once(request, 'response')) as [http.IncomingMessage];
  return response;
}

/** An answer's beginning and end, the sum and size of what is between; for answers that no test should hold. */
async function digested(response: http.IncomingMessage, head: number, tail: number) {
  const sum = createHash('sha256');
  let [begin, rest, size] = [Buffer.alloc(0), Buffer.alloc(0), 0];
  for await (const piece of response as AsyncIterable<Buffer>) {
    let some = piece;
    if (begin.length < head) {
      const taken = some.subarray(0, head - begin.length);
      begin = Buffer.concat([begin, taken]);
      some = some.subarray(taken.length);
    }
    rest = Buffer.concat([rest, some]);
    const sure = rest.subarray(0, Math.max(0, rest.length - tail));
    sum.update(sure);
    size += sure.length;
    rest = rest.subarray(sure.length);
  }
  return { begin: begin.toString(), end: rest.toString(), size, sum: sum.digest('hex') };
}
const sumOf = (letter: string, size: number) => {
  const sum = createHash('sha256');
  const piece = Buffer.alloc(mebibyte, letter);
  for (let left = size; left > 0; left -= mebibyte) sum.update(piece);
  return sum.digest('hex');
};

describe('an answer that is large', () => {
  test('because a script prints 100 MiB: it comes whole, and needs little memory', async () => {
    const size = 100 * mebibyte;
    node.script('config', `head -c ${size} /dev/zero | tr '\\0' x; echo err >&2`);
    await node.put('config');
    forgetPeak();
    const before = peak();
    const response = await begin('PUT', 'config');
    const head = `{"result": 0, "message": {"command": "['${node.home}/configPTS', '']", "stdout": "`;
    const tail = '", "stderr": "err\\n", "returncode": 0}, "timestamp": 1234567890.123456}';
    const { begin: first, end, ...between } = await digested(response, head.length, tail.length);
    expect(first).toBe(head);
    expect(end.replace(/\d+\.\d{6}}$/, '1234567890.123456}')).toBe(tail);
    expect(between).toEqual({ size, sum: sumOf('x', size) });
    expect(peak() - before).toBeLessThan(64 * mebibyte);
    expect(await node.busy()).toBe(false);
  });

  test('because a script prints 100 MiB of noise: valid JSON for every byte', async () => {
    node.script('config', `head -c ${100 * mebibyte} /dev/urandom`);
    forgetPeak();
    const before = peak();
    const { json, status } = await node.put('config', undefined, { deadline: 60_000 });
    expect(status).toBe(200);
    expect(json.result).toBe(0);
    expect(json.message.stdout).toMatch(/\ufffd/);
    expect(Buffer.byteLength(json.message.stdout)).toBeGreaterThan(100 * mebibyte);
    expect(peak() - before).toBeLessThan(64 * mebibyte);
  });

  test('because a script writes a file of 200 MiB: likewise', async () => {
    const size = 200 * mebibyte;
    node.script('run', `head -c ${size} /dev/zero | tr '\\0' y >output/big`);
    forgetPeak();
    const before = peak();
    const response = await begin('POST', 'run');
    const head = '{"result": {"big":"';
    const tail = `"}, "message": {"command": "['${node.home}/runPTS', '']", "stdout": "", "stderr": "", "returncode": 0}, "timestamp": 1234567890.123456}`;
    const { begin: first, end, ...between } = await digested(response, head.length, tail.length);
    expect(first).toBe(head);
    expect(end.replace(/\d+\.\d{6}}$/, '1234567890.123456}')).toBe(tail);
    expect(between).toEqual({ size, sum: sumOf('y', size) });
    expect(peak() - before).toBeLessThan(64 * mebibyte);
  });

  test('is not made of a test: that is told, and needs little memory', async () => {
    const input = { meta: {}, _sets: { theName: { data: 'x' } } };
    const write = (size: number) =>
      node.script('run', `head -c ${size} /dev/zero | tr '\\0' y >output/outfile`);
    write(mebibyte);
    const { json } = await node.post('testrun', { input });
    expect(json.result._sets.theAnswer.data).toHaveLength(mebibyte);
    write(200 * mebibyte);
    forgetPeak();
    const before = peak();
    const { json: large } = await node.post('testrun', { input });
    expect(large).toMatchObject({ result: -1, message: expect.stringContaining('outfile is too large') });
    expect(peak() - before).toBeLessThan(64 * mebibyte);
    rmSync(path.join(node.home, 'output/outfile'));
    expect(await node.busy()).toBe(false);
  });

  test('comes in time, too, where the script is ended after it printed 100 MiB', async () => {
    node.script('config', `head -c ${100 * mebibyte} /dev/zero | tr '\\0' x; sleep 1000`);
    const begun = Date.now();
    const response = await begin('PUT', 'config', '{"timeout": 2}');
    expect(Date.now() - begun).toBeLessThan(atPace(3000));
    const head = `{"result": -9, "message": {"command": "['${node.home}/configPTS', '']", "stdout": "`;
    const { begin: first, size } = await digested(response, head.length, 200);
    expect(first).toBe(head);
    expect(size).toBeGreaterThan(100 * mebibyte - 200);
  });

  test('because the files of the output folder are', async () => {
    forgetPeak();
    const before = peak();
    const response = await begin('GET', 'output');
    const head = `{"result": {"${node.home}/output/big": "`;
    const tail = '"}, "message": "", "timestamp": 1234567890.123456}';
    const { begin: first, size } = await digested(response, head.length, tail.length);
    expect([first, size]).toEqual([head, 200 * mebibyte]);
    expect(peak() - before).toBeLessThan(64 * mebibyte);
  });
});

describe('a client that hangs up', () => {
  /** The collector of garbage would close them, too, some day, and say so. */
  const noneOpen = async () => {
    await waitFor(() => node.openFiles().length === 0, 'the files of the answer to be closed');
    expect(node.server.log()).not.toContain('garbage');
  };

  test.each([
    ['GET', 'output', ''],
    ['POST', 'run', ''],
    ['PUT', 'config', ''],
  ])('in the middle of the answer to %s %s leaves nothing open', async (method, command, body) => {
    node.script('run', `head -c ${50 * mebibyte} /dev/zero | tr '\\0' y >output/big`);
    node.script('config', `head -c ${50 * mebibyte} /dev/zero`);
    for (let n = 0; n < 5; n += 1) {
      const response = await begin(method, command, body);
      await once(response, 'data');
      expect(node.openFiles()).not.toEqual([]);
      expect(await node.busy()).toBe(false);
      response.destroy();
      await noneOpen();
    }
  });

  test('while the script runs leaves nothing open, and the script goes on to its end', async () => {
    const [begun, go, ended] = ['begun', 'go', 'ended'].map((name) => path.join(node.aside, name));
    const loop = `echo >${begun}; until [ -e ${go} ]; do sleep 0.02; done`;
    node.script('config', `${loop}; head -c ${50 * mebibyte} /dev/zero; echo >${ended}`);
    const request = http.request(`${node.server.url}/v0.6/config`, {
      method: 'PUT',
      agent: false,
      headers: { Authorization: basic(nodeLogin) },
    });
    request.on('error', () => {});
    request.end();
    const there = (file = '') => readable(file);
    await waitFor(() => there(begun), 'the script to begin');
    const sockets = () => node.open().filter((name) => name.startsWith('socket:')).length;
    expect(await node.busy()).toBe(true);
    const before = sockets();
    request.destroy();
    await waitFor(() => sockets() < before, 'the server to notice');
    expect(await node.busy()).toBe(true);
    writeFileSync(go ?? '', '');
    await waitFor(() => there(ended), 'the script to end');
    await waitFor(async () => !(await node.busy()), 'the node to be free');
    await noneOpen();
  });
});

function readable(file: string): boolean {
  try {
    readFileSync(file);
    return true;
  } catch {
    return false;
  }
}
