import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { penstock } from './io.js';
import { faultyServer } from './wire.js';

let folder: string;
let close = async () => {};

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'penstock-cli-'));
});

afterEach(async () => {
  await close();
  rmSync(folder, { recursive: true, force: true });
});

async function serve(handler: (request: IncomingMessage, response: ServerResponse, turn: number) => void) {
  const server = await faultyServer(handler);
  close = server.close;
  return { env: { PENSTOCK_URL: server.url } };
}

describe('following a log', () => {
  it('takes it up again where it was cut, and ends at its end', async () => {
    const asked: unknown[] = [];
    const env = await serve((request, response, turn) => {
      asked.push(request.headers['last-event-id']);
      response.writeHead(200, { 'Content-Type': 'text/event-stream' });
      if (turn === 0) {
        response.write('retry: 1\n\nid: 4\ndata: "one\\n"\n\nid: 8\ndata: "tw');
        setTimeout(() => response.destroy(), 20);
      } else response.end('id: 8\ndata: "two\\n"\n\nevent: end\ndata: {}\n\n');
    });
    expect(await penstock(['job', 'logs', '-f', 'u'], env)).toEqual({
      code: 0,
      stdout: 'one\ntwo\n',
      stderr: '',
    });
    expect(asked).toEqual([undefined, '4']);
  });

  it('ends when the job has ended, even if the stream never says so', async () => {
    const env = await serve((request, response) => {
      if (request.url?.includes('follow')) {
        response.writeHead(200, { 'Content-Type': 'text/event-stream' });
        response.end('retry: 1\n\n');
      } else response.end('{"uuid": "u", "state": "FINISHED", "ended": "2026-01-01T00:00:00"}');
    });
    expect(await penstock(['job', 'logs', '-f', 'u'], env)).toMatchObject({ code: 0 });
  });

  it('does not try for ever what is refused', async () => {
    const env = await serve((_request, response) => response.writeHead(404).end());
    expect(await penstock(['job', 'logs', '-f', 'u'], env)).toMatchObject({ code: 1, stdout: '' });
  });
});

describe('following all jobs', () => {
  it('goes on from where the stream said it stands, without an end but a refusal', async () => {
    const asked: unknown[] = [];
    const env = await serve((request, response, turn) => {
      asked.push([request.url, request.headers['last-event-id']]);
      if (turn === 2) return response.writeHead(401).end();
      response.writeHead(200, { 'Content-Type': 'text/event-stream' });
      const event =
        '{"date": "2026-01-01T00:00:00Z", "job_uuid": "u\\u0007", "name": "run", "state": "RUNNING"}';
      return response.end(turn === 0 ? 'retry: 1\n\nid: 4\n\n' : `id: 5\nevent: event\ndata: ${event}\n\n`);
    });
    const ran = await penstock(['job', 'follow', '--state', 'RUNNING'], env);
    expect(ran).toMatchObject({
      code: 1,
      stdout: '2026-01-01T00:00:00Z  u\uFFFD  run        RUNNING     -\n',
    });
    const url = '/api/job/?follow=1&state=RUNNING';
    expect(asked).toEqual([
      [url, undefined],
      [url, '4'],
      [url, '5'],
    ]);
  });
});

describe('an output', () => {
  const output = ['job', 'output', 'u', '--output'];

  it('appears under its name only when it is whole', async () => {
    const env = await serve((_request, response) => {
      response.writeHead(200, { 'Content-Length': '10' });
      response.write('half');
      setTimeout(() => response.destroy(), 20);
    });
    const file = join(folder, 'out');
    writeFileSync(file, 'as before');
    const ran = await penstock([...output, file], env);
    expect(ran.code).toBe(1);
    expect(ran.stderr).toContain('before the output was complete');
    expect(readFileSync(file, 'utf8')).toBe('as before');
    expect(readdirSync(folder)).toEqual(['out']);
  });

  it('keeps the mode of the file that it replaces, and a symbolic link', async () => {
    const env = await serve((_request, response) => response.end('new'));
    const file = join(folder, 'out');
    writeFileSync(file, 'old', { mode: 0o600 });
    symlinkSync('out', join(folder, 'link'));
    expect(await penstock([...output, join(folder, 'link')], env)).toMatchObject({ code: 0, stderr: '' });
    expect(readFileSync(file, 'utf8')).toBe('new');
    expect(statSync(file).mode & 0o777).toBe(0o600);
    expect(readdirSync(folder).sort()).toEqual(['link', 'out']);
  });

  it('is written to a device, which is not replaced', async () => {
    const env = await serve((_request, response) => response.end('new'));
    expect(await penstock([...output, '/dev/null'], env)).toMatchObject({ code: 0 });
    expect(statSync('/dev/null').isCharacterDevice()).toBe(true);
  });

  it('is refused for a folder or a place that is not there', async () => {
    const env = await serve((_request, response) => response.end('new'));
    expect(await penstock([...output, folder], env)).toMatchObject({ code: 2 });
    expect(await penstock([...output, join(folder, 'no', 'out')], env)).toMatchObject({ code: 1 });
  });
});

describe('a run', () => {
  const ended =
    '{"uuid": "u", "state": "FINISHED", "ended": "2026-01-01T00:00:00", "outcome": {"cause": "exit", "exit_code": 0}}';
  const definition = '{"id": 1, "name": "tr"}';

  it('shows the refusal of an upload, and leaves the rest unsent', async () => {
    const env = await serve((request, response) => {
      if (request.method === 'GET') return response.end(definition);
      return response.writeHead(413, { Connection: 'close' }).end('{"error": "That is too large"}');
    });
    const file = join(folder, 'big');
    writeFileSync(file, '');
    truncateSync(file, 256 * 1024 * 1024);
    const ran = await penstock(['run', '1', '--input', file], env);
    expect(ran).toMatchObject({ code: 1, stdout: '' });
    expect(ran.stderr).toContain('That is too large');
  });

  it('waits through a restart of the server', async () => {
    let waits = 0;
    const env = await serve((request, response) => {
      const { pathname } = new URL(request.url ?? '', 'http://x');
      if (request.method === 'POST') {
        request.resume();
        return response.writeHead(202, { Location: '/api/job/u/' }).end('{"uuid": "u", "state": "CREATED"}');
      }
      if (pathname === '/api/process_definition/1/') return response.end(definition);
      if (pathname === '/api/job/u/output/') return response.end('HELLO');
      waits += 1;
      if (waits === 1) return request.socket.destroy();
      if (waits === 2) return response.writeHead(503).end();
      if (waits === 3) return response.end('{"uuid": "u", "state": "RUNNING", "ended": null}');
      return response.end(ended);
    });
    const ran = await penstock(['run', '1'], { ...env, stdin: 'hello' });
    expect(ran).toMatchObject({ code: 0, stdout: 'HELLO' });
    expect(ran.stderr.match(/Retrying/g)).toHaveLength(1);
    expect(waits).toBe(4);
  });

  it('sends a file with its name and exactly its bytes', async () => {
    let body = '';
    const env = await serve((request, response) => {
      if (request.method === 'GET') return response.end(request.url?.includes('/job/') ? ended : definition);
      request.setEncoding('utf8');
      request.on('data', (piece: string) => {
        body += piece;
      });
      return request.on('end', () => {
        expect(Number(request.headers['content-length'])).toBe(Buffer.byteLength(body));
        response.writeHead(202).end('{"uuid": "u", "state": "CREATED"}');
      });
    });
    const file = join(folder, 'a "b" ü.txt');
    writeFileSync(file, 'bytes');
    await penstock(
      ['run', '1', '--input', file, '--env', 'A=b=c', '--timeout', '1.5', '--output-name', 'x.mp3'],
      env,
    );
    expect(body).toContain('filename="a %22b%22 ü.txt"');
    expect(body).toContain('{"environment":{"A":"b=c"},"timeout":1.5,"output":{"name":"x.mp3"}}');
    expect(body).toContain('\r\n\r\nbytes\r\n--penstock-');
  });
});

describe('the inputs of a run', () => {
  const inputs = { sound: { type: 'file' }, more: { type: 'folder' }, rate: { type: 'integer' } };
  const definition = JSON.stringify({ id: 1, definition: { exec: 'x', inputs } });

  it('are sent with their exact length, values before files', async () => {
    let body = '';
    const env = await serve((request, response) => {
      if (request.method === 'GET') return response.end(definition);
      request.setEncoding('utf8').on('data', (piece: string) => {
        body += piece;
      });
      return request.on('end', () => {
        expect(Number(request.headers['content-length'])).toBe(Buffer.byteLength(body));
        response.writeHead(202).end('{"uuid": "u", "state": "CREATED", "service": null}');
      });
    });
    for (const name of ['b', 'a']) writeFileSync(join(folder, name), `bytes of ${name}`);
    const args = ['run', '1', `sound=@${join(folder, 'b')}`, `more=@${folder}/`, 'rate=3', '--no-wait'];
    expect(await penstock([...args, '--timeout', '9'], env)).toMatchObject({ code: 0, stdout: 'u\n' });
    const parts = [...body.matchAll(/name="([^"]*)"(?:; filename="([^"]*)")?.*?\r\n\r\n(.*?)\r\n--/gs)];
    expect(parts.map(([, ...part]) => part)).toEqual([
      ['job', undefined, '{"timeout":9}'],
      ['inputs.rate', undefined, '3'],
      ['inputs.sound', 'b', 'bytes of b'],
      ['inputs.more', 'a', 'bytes of a'],
      ['inputs.more', 'b', 'bytes of b'],
    ]);
  });

  it('are not read to their end once the server has refused them', async () => {
    const env = await serve((request, response) => {
      if (request.method === 'GET') return response.end(definition);
      const refusal = {
        title: 'Too large',
        errors: [{ pointer: '/inputs/sound', detail: 'sound is too large' }],
      };
      return response.writeHead(413).end(JSON.stringify(refusal));
    });
    const file = join(folder, 'large');
    writeFileSync(file, '');
    truncateSync(file, 4 * 2 ** 30);
    const ran = await penstock(['run', '1', `sound=@${file}`], env);
    expect(ran).toMatchObject({ code: 1, stdout: '' });
    expect(ran.stderr).toContain('/inputs/sound  sound is too large');
  });
});

describe('the outputs of a run', () => {
  const job =
    '{"uuid": "u", "state": "FINISHED", "outcome": {"cause": "exit", "exit_code": 0}, "output_size": 3}';
  const outputs = {
    mp3: { type: 'file' },
    log: { type: 'file' },
    frames: { type: 'folder' },
  };
  const listed = (output: string, name: string, uri: string) => ({
    output,
    name,
    uri: `/api/job/u/outputs/${uri}/`,
  });

  /** A server whose job has these outputs, each of which says its address. */
  const serveOutputs = (objects: object[], bytes?: string) =>
    serve((request, response) => {
      const { pathname } = new URL(request.url ?? '', 'http://x');
      request.resume();
      if (request.method === 'POST') return response.writeHead(202).end(job);
      if (pathname === '/api/process_definition/1/') {
        return response.end(JSON.stringify({ id: 1, definition: { exec: 'x', inputs: {}, outputs } }));
      }
      if (pathname === '/api/job/u/') return response.end(job);
      if (pathname === '/api/job/u/outputs/') return response.end(JSON.stringify({ meta: {}, objects }));
      return response.end(bytes ?? pathname);
    });

  it('are all saved in a folder, several of one output in one of their own', async () => {
    const env = await serveOutputs([
      listed('mp3', 'sound.mp3', 'mp3'),
      listed('frames', 'a b.png', 'frames/a%20b.png'),
      listed('frames', 'deep/c.png', 'frames/deep%2Fc.png'),
    ]);
    const to = join(folder, 'made', 'here');
    expect(await penstock(['run', '1', '--outputs', to], env)).toEqual({ code: 0, stdout: '', stderr: '' });
    expect(readFileSync(join(to, 'sound.mp3'), 'utf8')).toBe('/api/job/u/outputs/mp3/');
    expect(readFileSync(join(to, 'frames/a b.png'), 'utf8')).toBe('/api/job/u/outputs/frames/a%20b.png/');
    expect(readFileSync(join(to, 'frames/deep/c.png'), 'utf8')).toContain('deep%2Fc.png');
  });

  it('do not replace each other where two have one name', async () => {
    const env = await serveOutputs([listed('mp3', 'out', 'mp3'), listed('log', 'out', 'log')]);
    expect(await penstock(['run', '1', '--outputs', folder], env)).toMatchObject({ code: 0 });
    expect(readdirSync(folder).sort()).toEqual(['log', 'mp3']);
  });

  it.each([
    '../out',
    '/etc/out',
    'a/../../out',
    '..',
    '',
    'a\\..\\out',
  ])('are never written outside of the folder: %j', async (name) => {
    const env = await serveOutputs([listed('mp3', name, 'mp3')]);
    const to = join(folder, 'to');
    const ran = await penstock(['run', '1', '--outputs', to], env);
    expect(ran).toMatchObject({ code: 1, stderr: expect.stringContaining('no plain name') });
    expect(readdirSync(folder)).toEqual(['to']);
    expect(readdirSync(to)).toEqual([]);
  });

  it.each(['link', 'link/below/out'])('do not follow a link out of the folder: %j', async (name) => {
    const env = await serveOutputs([listed('mp3', name, 'mp3')]);
    const [to, outside] = [join(folder, 'to'), join(folder, 'outside')];
    mkdirSync(to);
    mkdirSync(outside);
    symlinkSync('../outside', join(to, 'link'));
    const ran = await penstock(['run', '1', '--outputs', to], env);
    expect(ran).toMatchObject({ code: 1, stderr: expect.stringContaining('symbolic link') });
    expect(readdirSync(outside)).toEqual([]);
  });

  it('are not shown on a terminal if they are binary', async () => {
    const env = await serveOutputs([], 'ID3\0');
    for (const args of [
      ['run', '1'],
      ['job', 'output', 'u'],
    ]) {
      const ran = await penstock(args, { ...env, terminal: true });
      expect(ran).toMatchObject({ code: 1, stdout: '' });
      expect(ran.stderr).toContain('penstock job output u -o FILE');
      expect(await penstock(args, env)).toMatchObject({ code: 0, stdout: 'ID3\0' });
    }
    await close();
    const text = await serveOutputs([], 'plain text');
    expect(await penstock(['run', '1'], { ...text, terminal: true })).toMatchObject({ stdout: 'plain text' });
  });
});
