import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  type Demand,
  type PoolPolicy,
  type PoolServer,
  type PoolView,
  planPool,
} from '../../../src/domain/servers/pool.js';
import { isCapacity, serverStates } from '../../../src/domain/servers/server.js';

const policy = (more: Partial<PoolPolicy> = {}): PoolPolicy => ({
  uses: 4,
  idleTimeout: 300_000,
  minIdle: 0,
  maxServers: 5,
  pause: null,
  ...more,
});
const server = (id: number, more: Partial<PoolServer> = {}): PoolServer => ({
  id,
  application: 'a',
  state: 'idle',
  uses: 0,
  idleSince: 0,
  outdated: null,
  held: null,
  ...more,
});
const jobs = (...applications: string[]): Demand[] =>
  applications.map((application, index) => ({ job: `job ${index}`, application }));
const plan = (view: Partial<PoolView>) =>
  planPool({
    now: 1000,
    servers: [],
    demands: [],
    policies: new Map([['a', policy()]]),
    maxServers: 10,
    maxBusy: 10,
    ...view,
  });

describe('jobs', () => {
  test('get the idle server of their application that has run the most', () => {
    const servers = [server(1), server(2, { uses: 3 }), server(3, { uses: 3, application: 'b' })];
    const policies = new Map([
      ['a', policy()],
      ['b', policy()],
    ]);
    expect(plan({ servers, policies, demands: jobs('a') })).toMatchObject({
      assign: [{ job: 'job 0', server: 2 }],
      create: [],
      remove: [],
      waiting: [],
    });
  });

  test('without one have servers made, but for those that are on their way already', () => {
    const servers = [server(1, { state: 'booting' }), server(2, { state: 'busy', uses: 1 })];
    const { create, waiting } = plan({ servers, demands: jobs('a', 'a', 'a') });
    expect(create).toEqual(['a', 'a']);
    expect(waiting.map(({ reason }) => reason)).toEqual([
      'a server is booting',
      'a server is being started',
      'a server is being started',
    ]);
  });

  test.each([
    ['the bound of all', { maxServers: 1 }, 'the limit of 1 server is reached'],
    [
      "the application's",
      { policies: new Map([['a', policy({ maxServers: 1 })]]) },
      'the limit of 1 server of the application a is reached',
    ],
    [
      'a quota',
      { policies: new Map([['a', policy({ pause: { reason: 'quota exceeded for ram', until: 5000 } })]]) },
      'quota exceeded for ram',
    ],
    [
      'nobody who makes servers',
      { policies: new Map([['a', policy({ pause: { reason: 'nobody makes them', until: null } })]]) },
      'nobody makes them',
    ],
    ['as many at a time as there may be', { maxBusy: 1 }, 'the limit of 1 job at a time is reached'],
  ])('wait with the reason: %s', (_, view, reason) => {
    const busy = [server(1, { state: 'busy' })];
    const { create, waiting } = plan({ servers: busy, demands: jobs('a'), ...view });
    expect([create, waiting]).toEqual([[], [{ job: 'job 0', reason }]]);
  });

  test('of an application that no longer exists are refused', () => {
    const { refuse, waiting, create } = plan({ policies: new Map(), demands: jobs('a') });
    expect(refuse).toEqual([{ job: 'job 0', reason: 'the application a no longer exists' }]);
    expect([waiting, create]).toEqual([[], []]);
  });

  test('have no more servers made than may have a job at the same time', () => {
    const servers = [server(1, { state: 'busy' }), server(2, { state: 'booting' })];
    expect(plan({ servers, maxBusy: 3, demands: jobs('a', 'a', 'a') }).create).toEqual(['a']);
  });

  test('after a pause one is tried, and the others when it has come up', () => {
    const policies = new Map([['a', policy({ pause: { reason: 'quota', until: 500 } })]]);
    const demands = jobs('a', 'a', 'a');
    const first = plan({ policies, demands });
    expect(first.create).toEqual(['a']);
    expect(first.waiting.map(({ reason }) => reason)).toEqual([
      'a server is being started',
      'quota',
      'quota',
    ]);
    expect(plan({ policies, demands, servers: [server(1, { state: 'requested' })] }).create).toEqual([]);
    expect(plan({ demands, servers: [server(1)] }).create).toEqual(['a', 'a']);
  });

  test('of an application without any server are not passed over for ever by those of another', () => {
    const policies = new Map([
      ['a', policy()],
      ['b', policy()],
    ]);
    const view = { policies, maxServers: 1, servers: [server(1, { application: 'a' })] };
    expect(plan({ ...view, demands: jobs('b', 'a') })).toMatchObject({
      assign: [],
      remove: [{ server: 1, reason: 'it makes room for the application b' }],
    });
    expect(plan({ ...view, demands: jobs('a', 'b') }).assign).toEqual([{ job: 'job 0', server: 1 }]);
  });

  test('a quota is asked again when the pause is over', () => {
    const paused = (until: number) => new Map([['a', policy({ pause: { reason: 'quota', until } })]]);
    expect(plan({ demands: jobs('a'), policies: paused(5000) })).toMatchObject({ create: [], next: 5000 });
    expect(plan({ demands: jobs('a'), policies: paused(1000) })).toMatchObject({ create: ['a'], next: null });
  });

  test('an idle server of another application makes room, once for each job', () => {
    const policies = new Map([
      ['a', policy()],
      ['b', policy()],
    ]);
    const servers = [server(1, { application: 'b', idleSince: 500 }), server(2, { application: 'b' })];
    const first = plan({ servers, policies, maxServers: 2, demands: jobs('a') });
    expect(first.remove).toEqual([{ server: 2, reason: 'it makes room for the application a' }]);
    const leaving = [server(1, { application: 'b' }), server(2, { application: 'b', state: 'deleting' })];
    expect(plan({ servers: leaving, policies, maxServers: 2, demands: jobs('a') }).remove).toEqual([]);
  });
});

describe('servers', () => {
  test.each([
    ['used up', server(1, { uses: 4 }), 'it has run 4 jobs, which is its limit'],
    ['outdated', server(1, { outdated: 'its application has changed' }), 'its application has changed'],
    [
      'of an application that no longer exists',
      server(1, { application: 'z' }),
      'the application z no longer exists',
    ],
    ['idle for too long', server(1, { idleSince: -299_000 }), 'it was idle for 300 s'],
  ])('%s are let go', (_, one, reason) => {
    expect(plan({ servers: [one] }).remove).toEqual([{ server: 1, reason }]);
  });

  test.each([
    'requested',
    'booting',
    'ready',
  ] as const)('on their way up go, too, if nobody wants them: %s', (state) => {
    const servers = [
      server(1, { state, outdated: 'its application has changed' }),
      server(2, { state, application: 'z' }),
    ];
    expect(plan({ servers }).remove.map((one) => one.server)).toEqual([1, 2]);
  });

  test('are looked at again when the first will have been idle for too long', () => {
    const servers = [server(1, { idleSince: 700 }), server(2, { idleSince: 300 })];
    expect(plan({ servers })).toMatchObject({ remove: [], next: 300_300 });
  });

  test('the least that is to be idle is made, and kept however long', () => {
    const policies = new Map([['a', policy({ minIdle: 2 })]]);
    expect(plan({ policies }).create).toEqual(['a', 'a']);
    const servers = [1, 2, 3].map((id) => server(id, { idleSince: -1e9 }));
    expect(plan({ policies, servers }).remove).toHaveLength(1);
  });
});

const names = ['a', 'b', 'c'];
const view: fc.Arbitrary<PoolView> = fc.record({
  now: fc.constant(1_000_000),
  servers: fc
    .array(
      fc.record({
        application: fc.constantFrom(...names, 'gone'),
        state: fc.constantFrom(...serverStates.filter((state) => state !== 'deleted')),
        uses: fc.nat(5),
        idleSince: fc.integer({ min: 0, max: 1_000_000 }),
        outdated: fc.constantFrom(null, null, null, 'changed'),
        held: fc.constant(null),
      }),
      { maxLength: 12 },
    )
    .map((list) => list.map((one, id) => ({ ...one, id }))),
  demands: fc.array(fc.constantFrom(...names, 'nowhere'), { maxLength: 12 }).map((list) => jobs(...list)),
  policies: fc
    .tuple(
      ...names.map(() =>
        fc.record({
          uses: fc.integer({ min: 1, max: 5 }),
          idleTimeout: fc.integer({ min: 0, max: 1_000_000 }),
          minIdle: fc.nat(2),
          maxServers: fc.integer({ min: 1, max: 6 }),
          pause: fc.constantFrom(
            null,
            null,
            { reason: 'quota', until: 2_000_000 },
            { reason: 'past', until: 1 },
            { reason: 'never', until: null },
          ),
        }),
      ),
    )
    .map((policies) => new Map(policies.map((one, index) => [names[index] ?? '', one]))),
  maxServers: fc.integer({ min: 1, max: 12 }),
  maxBusy: fc.integer({ min: 1, max: 12 }),
});

test('whatever there is: bounds are kept, each job is served or told why not, and no busy server is touched', () => {
  fc.assert(
    fc.property(view, (given) => {
      const { assign, create, remove, waiting, refuse, next } = planPool(given);
      const byId = new Map(given.servers.map((one) => [one.id, one]));
      expect([...assign, ...waiting, ...refuse].map(({ job }) => job).sort()).toEqual(
        given.demands.map(({ job }) => job).sort(),
      );
      const touched = [...assign, ...remove].map((one) => one.server);
      expect(new Set(touched).size).toBe(touched.length);
      for (const { server: id } of assign) expect(byId.get(id)?.state).toBe('idle');
      for (const { server: id } of remove)
        expect(['requested', 'booting', 'ready', 'idle']).toContain(byId.get(id)?.state);
      const busy = given.servers.filter(({ state }) => state === 'busy').length;
      if (assign.length > 0) expect(busy + assign.length).toBeLessThanOrEqual(given.maxBusy);
      for (const { job, server: id } of assign) {
        const one = byId.get(id);
        expect(one?.application).toBe(given.demands.find((demand) => demand.job === job)?.application);
        expect(one?.outdated).toBeNull();
        expect(one?.uses).toBeLessThan(given.policies.get(one?.application ?? '')?.uses ?? 0);
      }
      if (create.length > 0)
        expect(given.servers.length + create.length).toBeLessThanOrEqual(given.maxServers);
      for (const [application, { maxServers, pause }] of given.policies) {
        const made = create.filter((one) => one === application).length;
        if (made === 0) continue;
        expect(
          given.servers.filter((one) => one.application === application).length + made,
        ).toBeLessThanOrEqual(maxServers);
        expect(pause === null || (pause.until ?? given.now + 1) <= given.now).toBe(true);
      }
      if (next !== null) expect(next).toBeGreaterThan(given.now);
      expect(create.every((application) => given.policies.has(application))).toBe(true);
      expect(given.servers.filter(({ state }) => isCapacity(state)).length).toBeGreaterThanOrEqual(
        assign.length,
      );
    }),
    { numRuns: 2000 },
  );
});
