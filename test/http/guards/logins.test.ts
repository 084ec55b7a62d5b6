import { afterAll, beforeAll, expect, test } from 'vitest';
import { ask } from '../../support/raw.js';
import { type Login, startServer, type TestServer } from '../../support/server.js';

let server: TestServer;
beforeAll(async () => {
  server = await startServer({ application: { TRUST_PROXY: true } });
});
afterAll(() => server.remove());

const from = (address: string, as: Login) =>
  ask(server, '/api/user/', { as, headers: { 'X-Forwarded-For': address } });

test('a flood of names from one address is bounded, and does not keep others out', async () => {
  const vera = await server.addUser('vera');
  const flood = await Promise.all(
    Array.from({ length: 90 }, (_, number) =>
      from('198.51.100.77', { username: `guess${number}`, password: 'a wrong one' }),
    ),
  );
  const count = (type: string) => flood.filter(({ json }) => json.type?.endsWith(`#${type}`)).length;
  expect(count('unauthenticated')).toBeLessThanOrEqual(25);
  expect(count('unauthenticated') + count('too-many-failed-logins') + count('too-many-logins')).toBe(90);
  expect(count('too-many-failed-logins')).toBeGreaterThan(20);
  for (const { status, headers } of flood)
    if (status === 429) expect(Number(headers['retry-after'])).toBeGreaterThan(0);
  expect((await from('198.51.100.78', vera)).status).toBe(200);
});

test('an unknown name takes as long as a wrong password', async () => {
  const known: Login[] = [];
  for (const name of ['wilma', 'xaver', 'yann', 'zoe', 'ulla']) known.push(await server.addUser(name));
  // The quickest of each kind: whatever else the machine does makes single ones slower.
  let [unknown, wrong] = [Number.POSITIVE_INFINITY, Number.POSITIVE_INFINITY];
  for (const [index, { username }] of known.entries()) {
    const timed = async (name: string, address: string) => {
      const began = performance.now();
      expect((await from(address, { username: name, password: 'a wrong one' })).status).toBe(401);
      return performance.now() - began;
    };
    unknown = Math.min(unknown, await timed(`no-${username}`, `203.0.113.${index + 1}`));
    wrong = Math.min(wrong, await timed(username, `203.0.113.${index + 101}`));
  }
  // A hash takes 20 ms and more, all else one or two.
  expect(unknown).toBeGreaterThan(wrong / 3);
  expect(wrong).toBeGreaterThan(unknown / 3);
});

test('a right token is let in whatever others get wrong at its address', async () => {
  const zora = await server.addUser('zora');
  const { token } = (await ask(server, '/api/token/', { json: {}, as: zora })).json;
  const address = '198.51.100.99';
  const by = (bearer: string) =>
    ask(server, '/api/job/', {
      as: null,
      headers: { Authorization: `Bearer ${bearer}`, 'X-Forwarded-For': address },
    });
  const wrong = await Promise.all(
    Array.from({ length: 30 }, (_, index) => by(`pst_${index}${'x'.repeat(38)}`)),
  );
  expect(wrong.filter(({ status }) => status === 429).length).toBeGreaterThan(20);
  expect((await by(token)).status).toBe(200);
  expect((await by(`${token.slice(0, -1)}!`)).status).toBe(429);
});
