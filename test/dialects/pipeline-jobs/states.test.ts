import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type ExternalJob, type Manager, manager } from '../../support/manager.js';
import { ask } from '../../support/raw.js';
import { startServer, type TestServer } from '../../support/server.js';

/** The whole table once more, as it is written down for people: blank is illegal. */
const [head = [], ...rows] = `
from       create  run     update     resource fail   finish   index    indexed  validate   validated reject   finalize  retire  reset ready
CREATED    CREATED RUNNING CREATED    CREATED  FAILED -        -        -        -          -         -        -         -       RESET -
RUNNING    -       RUNNING RUNNING    RUNNING  FAILED FINISHED -        -        -          -         -        -         -       RESET -
FAILED     -       -       -          -        -      -        -        -        -          -         -        -         RETIRED RESET -
FINISHED   -       -       -          -        -      FINISHED INDEXING FINISHED VALIDATING -         -        -         RETIRED RESET -
INDEXING   -       -       INDEXING   -        FAILED -        INDEXING FINISHED -          -         -        -         -       RESET -
VALIDATING -       -       VALIDATING -        FAILED -        -        -        -          VALIDATED REJECTED -         RETIRED RESET -
VALIDATED  -       -       -          -        -      -        -        -        VALIDATING VALIDATED -        FINALIZED RETIRED RESET -
REJECTED   -       -       -          -        -      -        -        -        -          -         -        -         RETIRED RESET -
FINALIZED  -       -       -          -        -      -        -        -        -          -         -        -         RETIRED RESET -
RETIRED    -       -       -          -        -      -        -        -        -          -         -        -         -       RESET -
RESET      -       -       -          -        -      -        -        -        -          -         -        -         -       RESET CREATED
`
  .trim()
  .split('\n')
  .map((line) => line.split(/ +/));
const events = head.slice(1);
const states = rows.map(([state = '']) => state);
const after = new Map(
  rows.flatMap(([state, ...cells]) => cells.map((to, index) => [`${state} ${events[index]}`, to] as const)),
);
const next = (state: string, event: string): string | null => {
  const to = after.get(`${state} ${event}`);
  return to === undefined || to === '-' ? null : to;
};

/** The shortest way to a state, by events that a job's token may send or an admin. */
function wayTo(state: string): string[] {
  const ways = new Map<string, string[]>([['CREATED', []]]);
  for (const [from, way] of ways) {
    for (const event of events) {
      const to = next(from, event);
      if (to !== null && !ways.has(to)) ways.set(to, [...way, event]);
    }
  }
  return ways.get(state) ?? [];
}

let server: TestServer;
let pjm: Manager;
beforeAll(async () => {
  server = await startServer();
  pjm = await manager(server);
});
afterAll(() => server.remove());

const historyOf = async (uuid: string) =>
  (await ask(server, `/api/job/${uuid}/history/`)).json.objects as {
    name: string;
    state: string;
    revision: number;
    data: { sender?: number; number?: number } | null;
    uuid: string;
  }[];

describe('the transition table over HTTP', () => {
  test('has eleven states and fifteen events', () => {
    expect([states.length, events.length, after.size]).toEqual([11, 15, 165]);
  });

  test.each(states)('every event in %s', async (state) => {
    for (const event of events) {
      const job = await pjm.create();
      for (const step of wayTo(state)) expect((await pjm.send(job, step)).status).toBe(200);
      const answer = await pjm.send(job, event, { tried: event });
      const to = next(state, event);
      const now = (await ask(server, `/api/job/${job.uuid}/`)).json;
      const history = await historyOf(job.uuid);
      if (to === null) {
        const legal = events.filter((one) => next(state, one) !== null);
        expect([event, answer.status, answer.json.status]).toEqual([event, 409, 'error']);
        expect(answer.json.message).toBe(
          `The event '${event}' is not possible for a job in state ${state}. Possible: ${legal.join(', ')}.`,
        );
        expect([now.state, history.length]).toEqual([state, wayTo(state).length + 1]);
      } else {
        const { result } = answer.json;
        expect([event, answer.status, result.state_before, result.state, now.state]).toEqual([
          event,
          200,
          state,
          to,
          to,
        ]);
        expect(history.at(-1)).toEqual(result.history);
        expect(result.history).toMatchObject({ name: event, state: to, data: { tried: event } });
      }
    }
  });
});

test('several clients at once: a legal path, nothing lost, nothing doubled, revisions one by one', async () => {
  const sequences = fc.array(fc.array(fc.constantFrom(...events), { minLength: 1, maxLength: 12 }), {
    minLength: 2,
    maxLength: 6,
  });
  await fc.assert(
    fc.asyncProperty(sequences, async (clients) => {
      const job: ExternalJob = await pjm.create();
      const accepted = (
        await Promise.all(
          clients.map(async (sequence, sender) => {
            const mine: { sender: number; number: number; uuid: string }[] = [];
            for (const [number, event] of sequence.entries()) {
              const answer = await pjm.send(job, event, { sender, number });
              expect([200, 409]).toContain(answer.status);
              if (answer.status === 200) mine.push({ sender, number, uuid: answer.json.result.history.uuid });
            }
            return mine;
          }),
        )
      ).flat();

      const history = await historyOf(job.uuid);
      expect(history.map(({ revision }) => revision)).toEqual(history.map((_, index) => index));
      let state = '';
      for (const { name, state: to } of history) {
        expect(state === '' ? 'CREATED' : next(state, name)).toBe(to);
        state = to;
      }
      const told = history
        .slice(1)
        .map(({ uuid, data }) => ({ sender: data?.sender, number: data?.number, uuid }));
      const order = (one: { uuid: string }, other: { uuid: string }) => one.uuid.localeCompare(other.uuid);
      expect([...told].sort(order)).toEqual([...accepted].sort(order));
      // What one client sent one after the other stands one after the other.
      for (const sender of clients.keys()) {
        const numbers = told.filter((event) => event.sender === sender).map((event) => event.number ?? -1);
        expect(numbers).toEqual([...numbers].sort((a, b) => a - b));
      }
    }),
    { numRuns: 60 },
  );
});
