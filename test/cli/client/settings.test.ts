import { describe, expect, it } from 'vitest';
import { penstock } from '../io.js';

/** A port that nothing listens on: what is asked for fails late enough to see what was made of the options. */
const nowhere = { PENSTOCK_URL: 'http://127.0.0.1:9' };

describe('the command line', () => {
  it.each([
    [['nonsense']],
    [['job']],
    [['job', 'list', '--state', 'TIRED']],
    [['job', 'list', '--limit', '0']],
    [['job', 'show', '../user/1']],
    [['run']],
    [['run', 'tr', '--timeout', 'soon']],
    [['run', 'tr', '--no-wait', '--output', 'x']],
    [['user', 'list', '--url', 'ftp://example.org']],
    [['user', 'list', '--url', 'nonsense']],
    [['user', 'list', '--url', 'http://me:secret@example.org']],
    [['user', 'list', '--user', 'me']],
    [['user', 'list', '--user', 'me:secret', '--token', 't']],
    [['user', 'add', 'ada']],
    [['token', 'add', '--expires', 'tomorrow']],
    [['completion', 'fish']],
  ])('refuses %j with exit code 2 and a reason', async (args) => {
    const ran = await penstock(args, { env: nowhere });
    expect(ran).toMatchObject({ code: 2, stdout: '' });
    expect(ran.stderr).not.toBe('');
    expect(ran.stderr).not.toContain('    at ');
  });

  it('helps everywhere, with exit code 0', async () => {
    for (const args of [['--help'], ['job', '--help'], ['run', '--help'], ['--version']]) {
      expect(await penstock(args)).toMatchObject({ code: 0, stderr: '' });
    }
  });

  it('says where it looked for the server', async () => {
    const ran = await penstock(['job', 'list'], { env: nowhere });
    expect(ran).toMatchObject({ code: 1, stdout: '' });
    expect(ran.stderr).toContain('http://127.0.0.1:9: ');
    expect(ran.stderr).toContain('PENSTOCK_URL');
  });

  it('takes the server before the noun too, and lets the flag win', async () => {
    const before = await penstock(['--url', 'http://127.0.0.1:7', 'job', 'list'], { env: nowhere });
    expect(before.stderr).toContain('http://127.0.0.1:7: ');
    const after = await penstock([
      '--url',
      'http://127.0.0.1:7',
      'job',
      'list',
      '--url',
      'http://127.0.0.1:1',
    ]);
    expect(after.stderr).toContain('http://127.0.0.1:1: ');
  });

  it('warns of secrets in its arguments, without repeating them', async () => {
    for (const login of [
      ['--user', 'me:hunter2'],
      ['--token', 'hunter2'],
    ]) {
      const ran = await penstock(['job', 'list', ...login], { env: nowhere });
      expect(ran.stderr).toContain('every user of this machine can see');
      expect(ran.stderr).not.toContain('hunter2');
    }
    const quiet = await penstock(['job', 'list'], { env: { ...nowhere, PENSTOCK_TOKEN: 'hunter2' } });
    expect(quiet.stderr).not.toContain('can be read');
  });
});
