import { mkdtempSync, rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { setImmediate as turn } from 'node:timers/promises';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { PenstockError } from '../../../src/lib/errors.js';
import { openStore, type Store } from '../../../src/store/store.js';
import { hashingTurn, hashPassword } from '../../../src/usecases/users/hashing.js';
import { type LoginService, loginService } from '../../../src/usecases/users/logins.js';

const folder = mkdtempSync(path.join(os.tmpdir(), 'penstock-logins-'));
let store: Store;
let logins: LoginService;
/** The hand of the clock: a test moves it. */
let time = Date.parse('2030-05-01T12:00:00Z');

beforeAll(async () => {
  store = await openStore(path.join(folder, 'penstock.db'));
  for (const username of ['nora', 'otto'])
    await store.users.add({
      username,
      role: 'user',
      active: true,
      passwordHash: await hashPassword(`right for ${username}`),
      created: new Date(time),
      updated: new Date(time),
    });
});
beforeEach(() => {
  logins = loginService(store, { memory: 0, clock: () => new Date(time), configured: async () => null });
});
afterAll(async () => {
  await store.close();
  rmSync(folder, { recursive: true, force: true });
});

/** `in`, `wrong`, or the code and the seconds of a refusal. */
async function attempt(username: string, password: string, address: string): Promise<string> {
  try {
    return (await logins.byPassword(username, password, address)) === null ? 'wrong' : 'in';
  } catch (error) {
    if (!(error instanceof PenstockError)) throw error;
    return `${error.code} ${error.headers['Retry-After']}`;
  }
}
const right = (username: string, address: string) => attempt(username, `right for ${username}`, address);
const tally = (answers: string[]) => ({
  wrong: answers.filter((answer) => answer === 'wrong').length,
  slowed: answers.filter((answer) => answer.startsWith('too-many-failed-logins')).length,
  full: answers.filter((answer) => answer.startsWith('too-many-logins')).length,
});

describe('many names from one address', () => {
  test('are slowed down after 20 failures, to one try every 5 s; others are not', async () => {
    expect(await right('nora', '198.51.100.1')).toBe('in');
    for (let number = 0; number < 20; number += 1)
      expect(await attempt(`nobody${number}`, 'x', '198.51.100.1')).toBe('wrong');
    expect(await attempt('another', 'x', '198.51.100.1')).toBe('too-many-failed-logins 5');
    expect(await right('otto', '198.51.100.1')).toBe('too-many-failed-logins 5');
    // Who has logged in from there before, and who is elsewhere.
    expect(await right('nora', '198.51.100.1')).toBe('in');
    expect(await right('otto', '198.51.100.2')).toBe('in');
    time += 5000;
    expect(await attempt('another', 'x', '198.51.100.1')).toBe('wrong');
    expect(await attempt('and another', 'x', '198.51.100.1')).toBe('too-many-failed-logins 5');
    time += 60_000;
    expect(await right('otto', '198.51.100.1')).toBe('in');
  });

  test('of a whole IPv6 network count together', async () => {
    const answers: string[] = [];
    for (let number = 0; number < 22; number += 1)
      answers.push(await attempt(`nobody${number}`, 'x', `2001:db8:7:7:${number}::1`));
    expect(tally(answers)).toEqual({ wrong: 20, slowed: 2, full: 0 });
    expect(await right('otto', '2001:db8:7:8::1')).toBe('in');
  });

  test('at once: few are hashed, a bounded number waits, and others get in', async () => {
    const flood = Array.from({ length: 150 }, (_, number) =>
      attempt(`at once ${number}`, 'x', '203.0.113.5'),
    );
    const other = right('otto', '203.0.113.6');
    const { wrong, slowed, full } = tally(await Promise.all(flood));
    // One more may be on its way when the twentieth fails.
    expect([20, 21]).toContain(wrong);
    expect({ all: wrong + slowed, full }).toEqual({ all: 64, full: 86 });
    expect(await other).toBe('in');
    expect(await right('nora', '203.0.113.6')).toBe('in');
  });

  test('from many addresses at once: no more wait than a bound says', async () => {
    const flood = Array.from({ length: 160 }, (_, number) =>
      attempt(`spread ${number}`, 'x', `192.0.2.${number}`),
    );
    expect(tally(await Promise.all(flood))).toEqual({ wrong: 128, slowed: 0, full: 32 });
  });
});

test('a name is slowed down wherever it comes from, familiar or not', async () => {
  expect(await right('otto', '198.51.100.9')).toBe('in');
  for (const end of [20, 21, 22]) expect(await attempt('otto', 'x', `198.51.100.${end}`)).toBe('wrong');
  expect(await right('otto', '198.51.100.9')).toBe('too-many-failed-logins 1');
});

test('what is known of failures is not lost when there are many: the newest are kept', () => {
  const guess = (address: string) => {
    try {
      logins.wrongSecret('token', address);
      return 'counted';
    } catch (error) {
      return (error as PenstockError).code;
    }
  };
  const others = (from: number, to: number) => {
    for (let number = from; number < to; number += 1)
      guess(`10.${number >> 16}.${(number >> 8) & 255}.${number & 255}`);
  };
  others(0, 6000);
  for (let time = 0; time < 3; time += 1) expect(guess('198.51.100.30')).toBe('counted');
  others(6000, 15_000);
  expect(() => logins.mayGuess('token', '198.51.100.30')).toThrow(PenstockError);
});

test('two turns at a time are given, in the order that they were asked for, also after a failure', async () => {
  const begun: number[] = [];
  let active = 0;
  let most = 0;
  const turns = Array.from({ length: 9 }, (_, number) =>
    hashingTurn(async () => {
      begun.push(number);
      active += 1;
      most = Math.max(most, active);
      await turn();
      active -= 1;
      if (number % 3 === 0) throw new Error('as it may happen');
      return number;
    }),
  );
  const ends = await Promise.allSettled(turns);
  expect(most).toBe(2);
  expect(begun).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8]);
  expect(ends.map(({ status }) => status === 'fulfilled')).toEqual([
    false,
    true,
    true,
    false,
    true,
    true,
    false,
    true,
    true,
  ]);
});
