import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { waitFor } from '../../support/wait-for.js';
import { built, type Installed, install } from '../server.js';

/** The commands for streams and their messages, against a server process. */
describe.skipIf(!built)(`streams${built ? '' : ' (skipped: it is not built)'}`, () => {
  let installed: Installed;
  const penstock = (args: string[], stdin?: string) => installed.penstock(args, stdin);
  const json = (args: string[], stdin?: string) => installed.json(args, stdin);
  const good = (args: string[], stdin?: string) => installed.good(args, stdin);
  beforeAll(async () => {
    installed = await install();
  });
  afterAll(() => installed?.stop());

  /** Follows a stream; what it prints so far, and its end. */
  function follow(args: string[]) {
    const child = installed.start(['stream', 'follow', ...args]);
    let out = '';
    child.stdout?.setEncoding('latin1').on('data', (piece: string) => {
      out += piece;
    });
    return { out: () => out, end: () => child.kill('SIGINT') };
  }

  it('are made, shown, listed and removed', async () => {
    const made = await good(['stream', 'add', 'readings', '--no-durable', '--max-messages', '7']);
    expect(made.stderr).toContain('Added the stream readings, of type memory.');
    expect(await json(['stream', 'show', 'readings'])).toMatchObject({ durable: false, max_messages: 7 });
    expect(await json(['stream', 'add', '2024', '--description', 'a year'])).toMatchObject({ name: '2024' });
    expect(await json(['stream', 'show', '2024'])).toMatchObject({ description: 'a year', durable: true });
    expect((await good(['stream', 'list'])).stdout).toMatch(/readings +memory +no +7/);
    await good(['stream', 'remove', '2024']);
    const missing = await penstock(['stream', 'show', 'readigns']);
    expect(missing).toMatchObject({ code: 1, stderr: expect.stringContaining('Did you mean readings?') });
    expect((await penstock(['stream', 'show', '..'])).stderr).toContain('Not the name of a stream');
  });

  it('take messages and show them as they come', async () => {
    await good(['stream', 'add', 'live']);
    const [plain, full] = [follow(['live']), follow(['live', '--json'])];
    // Both are there once a message has reached both.
    await waitFor(async () => {
      await good(['stream', 'publish', 'live'], 'probe');
      return plain.out().includes('probe') && full.out().includes('probe');
    }, 'both to follow');
    const file = join(installed.folder, 'message');
    writeFileSync(file, Buffer.from([0xff, 0x00, 0x80]));
    const args = ['--id', 'mine', '--type', 'image/x', '--header', 'place=Köln', '--header', 'n=1'];
    expect((await good(['stream', 'publish', 'live', file, ...args])).stdout).toBe('mine\n');
    expect((await good(['stream', 'publish', 'live', '-', '--line'], 'one\ntwo\n')).stdout).toBe('2\n');
    expect(await json(['stream', 'publish', 'live'], 'x')).toEqual({ id: expect.any(String) });
    await waitFor(() => full.out().includes('"text":"x"'), 'all messages');
    await waitFor(() => plain.out().endsWith('\nx\n'), 'all messages');
    expect(plain.out().endsWith('\xff\x00\x80\none\ntwo\nx\n')).toBe(true);
    const messages = Buffer.from(full.out(), 'latin1')
      .toString()
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as object);
    expect(messages.slice(-4)).toMatchObject([
      { id: 'mine', content_type: 'image/x', headers: { place: 'Köln', n: '1' }, base64: '/wCA' },
      { text: 'one' },
      { text: 'two' },
      { text: 'x', content_type: 'application/octet-stream' },
    ]);
    plain.end();
    full.end();
  });

  it('say what is wrong with a message', async () => {
    expect(await penstock(['stream', 'publish', 'nowhere'], 'x')).toMatchObject({ code: 1 });
    expect((await penstock(['stream', 'publish', 'live', '--header', 'x'], 'x')).stderr).toContain(
      'NAME=VALUE',
    );
    expect((await penstock(['stream', 'publish', 'live', '--id', 'a\nb'], 'x')).code).toBe(2);
    expect((await penstock(['stream', 'publish', 'live', '/no/such/file'])).stderr).toContain(
      'Cannot read the input /no/such/file',
    );
    expect((await penstock(['stream', 'add', 'live'])).stderr).toContain('The stream live already exists');
  });
});
