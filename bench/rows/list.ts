import { startTastypie } from '../peers/tastypie.js';
import { load } from '../support/load.js';
import { withPenstock } from '../support/penstock.js';
import { atLeastTimes, type Context, type Figures, type Row } from '../support/row.js';
import { trDefinition } from '../support/work.js';

const count = 20;
const connections = 8;
const work = `list ${count} definitions, Basic auth, ${connections} connections`;

async function ours(context: Context): Promise<Figures> {
  return withPenstock(context.folder('list'), async (server) => {
    for (let i = 0; i < count; i++) await server.register(trDefinition);
    const url = `${server.url}/api/process_definition/`;
    const page = await server.client.json<{ objects: unknown[] }>(url);
    if (page.objects.length !== count) throw new Error(`The list has ${page.objects.length} objects.`);
    const what = { url, authorization: server.authorization, method: 'GET' } as const;
    // A warm-up for the compiler in Node.js, because a server runs for longer than a benchmark.
    await load(context, what, connections, 1);
    const { rate, client } = await load(context, what, connections, context.seconds);
    if (client === 'node')
      context.note(
        'list: wrk is not installed, so the load for both sides came from Node.js, which is slow.',
      );
    return { rate };
  });
}

async function tastypie(context: Context, hasher: 'default' | 'cheapest'): Promise<number> {
  const server = await startTastypie(context, hasher, trDefinition, count);
  try {
    const what = { url: server.list, authorization: server.authorization, method: 'GET' } as const;
    await load(context, what, connections, 1);
    return (await load(context, what, connections, context.seconds)).rate;
  } finally {
    await server.stop();
  }
}

/** Reading a page of the registry, against the framework of the older registry. */
export const list: Row = {
  name: 'list',
  target: 'at least 10 times Tastypie with the cheapest password hash',
  lines: () => [
    {
      work,
      unit: '/s',
      peer: { name: 'Django + Tastypie, 2 workers, default hash', figure: 'default' },
      ours: 'rate',
    },
    {
      work,
      unit: '/s',
      peer: { name: 'Django + Tastypie, 2 workers, cheapest hash', figure: 'cheapest' },
      ours: 'rate',
      goal: atLeastTimes(10),
    },
  ],
  async peer(context) {
    return { default: await tastypie(context, 'default'), cheapest: await tastypie(context, 'cheapest') };
  },
  ours,
};
