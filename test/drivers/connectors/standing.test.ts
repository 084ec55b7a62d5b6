import { afterAll, describe, expect, test } from 'vitest';
import type { ServerOrder, ServerReference } from '../../../src/drivers/connectors/connector.js';
import { localConnector } from '../../../src/drivers/connectors/local.js';
import { staticConnector } from '../../../src/drivers/connectors/static.js';
import { connectorConformance } from '../../conformance/connector.js';

const instance = 'test-instance';
const order = (name: string): ServerOrder => ({
  name,
  image: null,
  flavor: null,
  keyName: null,
  networks: [],
  securityGroups: [],
  userData: null,
  floatingIp: false,
  more: {},
});
const machine = (name: string) => ({ name, address: '192.0.2.1', port: 2222, user: 'runner', hostKey: null });

describe('machines that stand there', () => {
  const ledger: ServerReference[] = [];
  const needs = { instance, ledger: async () => ledger };
  const machines = ['one', 'two', 'three'].map(machine);

  const openStatic = () => staticConnector({ machines }, needs);
  const ofStatic = openStatic();
  connectorConformance(
    'static',
    () => ({
      connector: ofStatic,
      instance,
      reopen: openStatic,
      order,
      ledger,
    }),
    { shared: false },
  );

  const openLocal = () => localConnector(needs);
  const ofLocal = openLocal();
  connectorConformance(
    'local',
    () => ({
      connector: ofLocal,
      instance,
      reopen: openLocal,
      order,
      ledger,
    }),
    { shared: false },
  );
  afterAll(() => Promise.all([ofStatic.close(), ofLocal.close()]));
});

describe('the connector static', () => {
  const open = (names: string[], ledger: ServerReference[] = []) =>
    staticConnector({ machines: names.map(machine) }, { instance, ledger: async () => ledger });

  test('has no more servers than machines, and says so', async () => {
    const connector = open(['one', 'two']);
    const ids = await Promise.all([connector.create(order('a')), connector.create(order('b'))]);
    expect(ids.sort()).toEqual(['one', 'two']);
    await expect(connector.create(order('c'))).rejects.toMatchObject({
      problem: 'no-capacity',
      message: 'all machines are in use: one, two',
    });
    await connector.delete({ name: 'a', id: 'one' });
    expect(await connector.create(order('c'))).toBe(ids[0]);
  });

  test('takes from the ledger what is in use, after a restart', async () => {
    const connector = open(['one', 'two'], [{ name: 'before', id: 'one' }]);
    expect(await connector.create(order('before'))).toBe('one');
    expect(await connector.create(order('new'))).toBe('two');
    expect(await connector.reach({ name: 'before', id: 'one' }, order('before'))).toEqual({
      by: 'ssh',
      address: '192.0.2.1',
      port: 2222,
      user: 'runner',
      hostKey: null,
    });
  });

  test('a machine that has been taken out of the list is gone', async () => {
    const connector = open(['two'], [{ name: 'before', id: 'one' }]);
    expect(await connector.list()).toEqual([]);
    await expect(connector.reach({ name: 'before', id: 'one' }, order('before'))).rejects.toMatchObject({
      problem: 'refused',
    });
    expect(await connector.delete({ name: 'before', id: 'one' })).toBe(true);
  });

  test('without machines it says where they are to be named', async () => {
    await expect(open([]).create(order('a'))).rejects.toMatchObject({
      problem: 'no-capacity',
      message: expect.stringContaining('MACHINES'),
    });
  });
});
