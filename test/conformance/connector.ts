import { randomUUID } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { afterEach, describe, expect, test } from 'vitest';
import {
  type Connector,
  ConnectorError,
  type Reach,
  type ServerOrder,
  type ServerReference,
} from '../../src/drivers/connectors/connector.js';
import { waitFor } from '../support/wait-for.js';

/** What a driver's suite gives. */
interface ConnectorUnderTest {
  connector: Connector;
  instance: string;
  /** The same cloud, after a restart of ours. */
  reopen(): Connector;
  /** The same cloud, by an installation with another instance id; none where nobody else can have anything. */
  other?: Connector;
  order(name: string): ServerOrder;
  /** What the ledger would write; some drivers ask it. */
  ledger: ServerReference[];
  /** Checks that the cloud has nothing of the server left, past the connector. */
  nothingLeft?(name: string): Promise<void>;
}

const newName = () => `penstock-test-${randomUUID().slice(0, 8)}`;

/** Asks again until there is an answer, as whoever needs one does, a few times a second only. */
async function poll<T>(look: () => Promise<T>, what: string): Promise<NonNullable<T>> {
  return await waitFor(
    async () => {
      const seen = await look();
      if (!seen) await delay(250);
      return seen;
    },
    what,
    60_000,
  );
}

export const untilReached = (
  connector: Connector,
  server: ServerReference,
  order: ServerOrder,
): Promise<Reach> => poll(() => connector.reach(server, order), `server ${server.name} to be reached`);

export const untilDeleted = (connector: Connector, server: ServerReference) =>
  poll(() => connector.delete(server), `server ${server.name} to be deleted`);

/**
 * What every connector promises, tried on the real thing.
 *
 * @param shared whether others can have servers there too
 */
export function connectorConformance(
  name: string,
  given: () => ConnectorUnderTest,
  { shared }: { shared: boolean },
): void {
  describe(`connector ${name}`, () => {
    const made: ServerReference[] = [];
    const opened: Connector[] = [];
    /** As the keeper does it: the name is written before the cloud is asked, the id after. */
    async function create(connector = given().connector, serverName = newName()): Promise<ServerReference> {
      const row: ServerReference = { name: serverName, id: null };
      made.push(row);
      given().ledger.push(row);
      row.id = await connector.create(given().order(serverName));
      return row;
    }
    async function remove(row: ServerReference): Promise<void> {
      await untilDeleted(given().connector, { name: row.name, id: row.id });
      given().ledger.splice(given().ledger.indexOf(row), 1);
    }
    const find = async (id: string | null, connector = given().connector) =>
      (await connector.list()).find((each) => each.id === id);
    const failure = (promise: Promise<unknown>): Promise<unknown> =>
      promise.then(
        () => null,
        (error) => error,
      );

    afterEach(async () => {
      for (const row of made.splice(0)) if (given().ledger.includes(row)) await remove(row);
      for (const connector of opened.splice(0)) await connector.close();
    });

    test('makes a server that is listed as ours, is reached, and is deleted until nothing is left', async () => {
      const { connector, instance, order, nothingLeft } = given();
      const row = await create();
      expect(await find(row.id)).toMatchObject({
        id: row.id,
        name: row.name,
        instance,
        fault: null,
        problem: null,
      });
      const reach = await untilReached(connector, row, order(row.name));
      expect(await find(row.id)).toMatchObject({ state: 'active', instance });
      // Asked again, it does nothing twice.
      expect(await connector.reach(row, order(row.name))).toEqual(reach);
      await remove(row);
      expect(await find(row.id)).toBeUndefined();
      await nothingLeft?.(row.name);
    });

    test('makes no second server of the same name, also after a restart', async () => {
      const { connector, order, reopen } = given();
      const row = await create();
      expect(await connector.create(order(row.name))).toBe(row.id);
      const again = reopen();
      opened.push(again);
      expect(await again.create(order(row.name))).toBe(row.id);
      expect((await connector.list()).filter((each) => each.name === row.name)).toHaveLength(1);
    });

    test('makes servers at the same time, each its own', async () => {
      const rows = await Promise.all([create(), create()]);
      expect(new Set(rows.map(({ id }) => id)).size).toBe(2);
      const listed = await given().connector.list();
      for (const { id, name: serverName } of rows)
        expect(listed.find((each) => each.id === id)?.name).toBe(serverName);
    });

    test('deletes by the name alone, where the answer that told the id was lost', async () => {
      const { connector, nothingLeft } = given();
      const row = await create();
      await untilDeleted(connector, { name: row.name, id: null });
      given().ledger.splice(given().ledger.indexOf(row), 1);
      expect(await find(row.id)).toBeUndefined();
      await nothingLeft?.(row.name);
    });

    test('deleting what is gone, or never was, is done at once', async () => {
      const { connector } = given();
      const row = await create();
      await remove(row);
      expect(await connector.delete({ name: row.name, id: row.id })).toBe(true);
      expect(await connector.delete({ name: newName(), id: null })).toBe(true);
    });

    test('what is gone is reached no more, and that is told', async () => {
      const { connector, order } = given();
      const row = await create();
      await remove(row);
      const error = await failure(connector.reach({ name: row.name, id: row.id }, order(row.name)));
      expect(error).toBeInstanceOf(ConnectorError);
      expect(error).toMatchObject({ problem: 'refused', message: expect.stringContaining(row.name) });
    });

    if (!shared) return;
    test('leaves the servers of others alone, unless it is told that they may go', async () => {
      const { connector, other, instance } = given();
      if (other === undefined) throw new Error('the suite gives no other installation');
      const theirs = newName();
      const id = await other.create(given().order(theirs));
      try {
        const listed = await find(id);
        expect(listed?.name).toBe(theirs);
        expect(listed?.instance).not.toBe(instance);
        expect(await failure(connector.delete({ name: theirs, id }))).toMatchObject({
          problem: 'refused',
          message: expect.stringContaining('not ours'),
        });
        expect(await connector.delete({ name: theirs, id: null })).toBe(true);
        expect((await find(id))?.state).not.toBe('deleting');
        await untilDeleted(connector, { name: theirs, id, foreign: true });
        expect(await find(id)).toBeUndefined();
      } finally {
        await untilDeleted(other, { name: theirs, id });
      }
    });
  });
}
