import { afterAll, beforeAll, expect } from 'vitest';
import type { Connector, ServerReference } from '../../src/drivers/connectors/connector.js';
import { connectorConformance } from '../conformance/connector.js';
import { newInstance, openHeat, openNova, orderOf } from './connectors.js';
import { describeOpenStack } from './openstack.js';
import { clear } from './servers.js';
import { type Session, signIn } from './session.js';

describeOpenStack('connectors of OpenStack', ['fake'], (cloud) => {
  let session: Session;
  beforeAll(async () => {
    session = await signIn(cloud);
    await clear(session);
  });

  /** Servers, their ports, floating IPs and stacks: past the connector. */
  async function nothingLeft(name: string): Promise<void> {
    const { servers } = await session.ask('compute', 'GET', `/servers?name=${name}`);
    const { ports } = await session.ask('network', 'GET', '/ports?device_owner=compute:nova');
    const { floatingips } = await session.ask('network', 'GET', '/floatingips');
    const { stacks } = await session.ask('orchestration', 'GET', `/stacks?name=${name}`);
    expect({ servers, ports, floatingips, stacks }).toEqual({
      servers: [],
      ports: [],
      floatingips: [],
      stacks: [],
    });
  }

  for (const [kind, open, floatingIps] of [
    ['nova', openNova, [false, true]],
    ['heat', openHeat, [true]],
  ] as const) {
    for (const floatingIp of floatingIps) {
      const instance = newInstance();
      const ledger: ServerReference[] = [];
      let connector: Connector;
      let other: Connector;
      beforeAll(() => {
        connector = open(cloud, instance);
        other = open(cloud, newInstance());
      });
      afterAll(() => Promise.all([connector?.close(), other?.close()]));
      connectorConformance(
        `${kind}, ${floatingIp ? 'with' : 'without'} floating IPs`,
        () => ({
          connector,
          other,
          instance,
          reopen: () => open(cloud, instance),
          order: (name) => orderOf(cloud, name, { floatingIp }),
          ledger,
          nothingLeft,
        }),
        { shared: true },
      );
    }
  }
});
