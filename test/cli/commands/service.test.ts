import { once } from 'node:events';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { built, type Installed, install } from '../server.js';

/** Services by the command line, both as they are installed. */
describe.skipIf(!built)(`services by penstock${built ? '' : ' (skipped: it is not built)'}`, () => {
  let installed: Installed;
  const penstock = (...args: string[]) => installed.penstock(args);
  const add = (name: string, script: string, service: object) =>
    installed.good(
      ['definition', 'add', '-', '--name', name],
      JSON.stringify({ exec: '/bin/sh', argv: ['-c', script], process_type: 'service', service }),
    );
  beforeAll(async () => {
    installed = await install();
  });
  afterAll(() => installed.stop());

  it('runs one until it is ready, shows it, restarts it, and stops it', async () => {
    await add('bell', 'sleep 0.2; echo up; exec sleep 100000', { ready: { line: 'up' } });
    const { code, stdout } = await penstock('run', 'bell', '--no-input');
    expect(code).toBe(0);
    const uuid = stdout.trim();
    expect(await installed.json(['job', 'show', uuid])).toMatchObject({
      state: 'RUNNING',
      service: { health: 'ready', ready: true, restarts: 0 },
    });
    expect((await penstock('job', 'show', uuid)).stdout).toMatch(/health/);
    const restarted = await penstock('job', 'restart', uuid);
    expect(restarted.code).toBe(0);
    expect(restarted.stderr).toMatch(/^Restarted job .*: 1 process signalled, none survived\.$/m);
    expect((await penstock('job', 'logs', '--attempt', '1', uuid)).stdout).toBe('up\n');
    const stopped = await installed.json(['job', 'stop', uuid]);
    expect(stopped).toMatchObject({
      survivors: [],
      job: { state: 'FINISHED', outcome: { reason: 'Stopped by ada.' } },
    });
    const late = await penstock('job', 'stop', uuid);
    expect(late.code).not.toBe(0);
    expect(late.stderr).toContain('has ended already');
  });

  it('tells how one failed that never became ready', async () => {
    await add('broken', 'echo no luck >&2; exit 9', { restart_limit: 0, ready: { line: 'up' } });
    const { code, stderr } = await penstock('run', 'broken', '--no-input');
    expect(code).toBe(9);
    expect(stderr).toContain('no luck');
  });

  it('follows a log over a restart', async () => {
    const script = 'echo "start $(basename "$(dirname "$PWD")")"; exec sleep 100000';
    await add('teller', script, {});
    const uuid = (await penstock('run', 'teller', '--no-wait', '--no-input')).stdout.trim();
    let text = '';
    const follower = installed.start(['job', 'logs', '-f', uuid]);
    follower.stdout?.on('data', (piece: Buffer) => {
      text += piece.toString();
    });
    const ended = once(follower, 'close');
    if (follower.stdout !== null) await once(follower.stdout, 'data');
    await installed.good(['job', 'restart', uuid]);
    if (follower.stdout !== null && !text.includes('start 2')) await once(follower.stdout, 'data');
    await installed.good(['job', 'stop', uuid]);
    await ended;
    expect(text).toBe('start 1\nstart 2\n');
  });

  it('refuses to stop what is no service', async () => {
    await installed.good(['definition', 'add', '-', '--name', 'plain'], JSON.stringify({ exec: 'true' }));
    const uuid = (await penstock('run', 'plain', '--no-wait', '--no-input')).stdout.trim();
    const { code, stderr } = await penstock('job', 'restart', uuid);
    expect(code).not.toBe(0);
    expect(stderr).toContain('not a service');
  });
});
