import { spawnSync } from 'node:child_process';
import { expect, test } from 'vitest';
import { main } from '../support/paths.js';
import { startServer } from '../support/server.js';

test('a lost password is set anew while the server is stopped, and only then', async () => {
  const server = await startServer();
  try {
    const reset = (name: string, password: string) =>
      spawnSync(process.execPath, [main, 'reset-password', name, '--data', server.data], {
        input: `${password}\n`,
        encoding: 'utf8',
        env: { PATH: '/usr/bin:/bin', HOME: server.data },
      });
    const early = reset(server.admin.username, 'a new password');
    expect([early.status, early.stderr]).toEqual([1, expect.stringContaining('another server is running')]);
    await server.stop();
    expect(reset('nobody', 'a new password').stderr).toContain("There is no user 'nobody'.");
    expect(reset(server.admin.username, 'short').stderr).toContain('8 characters');
    expect(reset(server.admin.username, 'a new password').status).toBe(0);
    await server.restart();
    const login = { username: server.admin.username, password: 'a new password' };
    expect((await server.fetch('/api/user/', { as: login })).status).toBe(200);
    expect((await server.fetch('/api/user/')).status).toBe(401);
  } finally {
    await server.remove();
  }
});
