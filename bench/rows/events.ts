import { connectRedis, startRedis } from '../peers/redis.js';
import { type Client, httpClient } from '../support/http.js';
import { type Paced, pace } from '../support/pace.js';
import { needPeer } from '../support/packages.js';
import { type Penstock, withPenstock } from '../support/penstock.js';
import { atLeast, type Context, type Figures, type Line, type Row, under } from '../support/row.js';
import { percentile } from '../support/stats.js';

const clients = 50;
const perSecond = 1_000;
/** Seconds of warm-up, checked but not measured: the first requests of a new process are slow. */
const warmUp = 2;
const pacedSeconds = (context: Context) => (context.quick ? 4 : 20);
const actor = '/actors/v2/pipelinejobs-manager';

/** The data of an event: little, as in most jobs. */
const bodyOf = (client: number, index: number) => JSON.stringify({ client, index, status: 'working' });

/** First at the target load, then as fast as possible. */
async function bothLoads(
  context: Context,
  send: (client: number, index: number) => Promise<void>,
): Promise<{ figures: Figures; sent: number[] }> {
  const sent = Array.from({ length: clients }, () => 0);
  async function measured(rate: number | null, seconds: number): Promise<Paced> {
    const already = [...sent];
    const result = await pace(clients, rate, seconds, (client, index) =>
      send(client, (already[client] ?? 0) + index),
    );
    for (const [client, count] of result.sent.entries()) sent[client] = (already[client] ?? 0) + count;
    return result;
  }
  await measured(perSecond, warmUp);
  const paced = await measured(perSecond, pacedSeconds(context));
  const unpaced = await measured(null, context.seconds);
  const rate = ({ latencies, seconds }: Paced) => latencies.length / seconds;
  return {
    sent,
    figures: {
      rate: rate(paced),
      p50: percentile(paced.latencies, 0.5),
      p99: percentile(paced.latencies, 0.99),
      most: rate(unpaced),
    },
  };
}

/** A stream for each client, with every entry on disk before its sender gets the answer. */
async function peer(context: Context): Promise<Figures> {
  needPeer(context, 'redis');
  const redis = await startRedis(context.folder('events-redis'), true);
  const connections = await Promise.all(Array.from({ length: clients }, () => connectRedis(redis)));
  const command = (client: number, ...words: string[]) => {
    const connection = connections[client];
    if (connection === undefined) throw new Error(`There is no client ${client}.`);
    return connection.command(...words);
  };
  try {
    const { figures, sent } = await bothLoads(context, async (client, index) => {
      await command(client, 'XADD', `job-${client}`, '*', 'event', bodyOf(client, index));
    });
    for (const [client, count] of sent.entries()) {
      const kept = Number(await command(client, 'XLEN', `job-${client}`));
      if (kept !== count) throw new Error(`Redis kept ${kept} of ${count} entries.`);
    }
    return figures;
  } finally {
    for (const connection of connections) connection.close();
    await redis.started.stop();
  }
}

/** Sends JSON and returns the answer's JSON. Throws unless it has the expected status. */
async function post<T>(client: Client, url: string, body: object, status: number): Promise<T> {
  const answer = await client.send('POST', url, JSON.stringify(body));
  if (answer.status !== status) throw new Error(`POST ${url}: ${answer.status} ${answer.body}`);
  return (answer.body.length === 0 ? undefined : JSON.parse(answer.body.toString())) as T;
}

/** A job for each client: the address for its events, and its own. */
async function makeJobs({ client, url }: Penstock): Promise<{ path: string; job: string }[]> {
  const pipeline = { name: 'bench', type: 'external', components: [{ id: 'x' }] };
  const answer = await client.send('POST', '/api/pipeline/', JSON.stringify(pipeline));
  if (answer.status !== 201) throw new Error(`A pipeline: ${answer.status} ${answer.body}`);
  const { uuid: pipelineUuid } = await client.json<{ uuid: string }>(
    new URL(answer.headers.location ?? '', url).pathname,
  );
  const nonce = await post<{ result: { id: string } }>(
    client,
    `${actor}/nonces`,
    { maxUses: -1, level: 'EXECUTE' },
    201,
  );
  const jobs: { path: string; job: string }[] = [];
  for (let number = 0; number < clients; number++) {
    const { result } = await post<{ result: { uuid: string; token: string } }>(
      client,
      `${actor}/messages`,
      { pipeline_uuid: pipelineUuid, archive_path: `/products/v2/bench/${number}`, data: { number } },
      201,
    );
    const query = new URLSearchParams({
      uuid: result.uuid,
      name: 'update',
      token: result.token,
      'x-nonce': nonce.result.id,
    });
    jobs.push({ path: `${actor}/messages?${query}`, job: `/api/job/${result.uuid}/` });
  }
  return jobs;
}

interface HistoryEntry {
  name: string;
  data: { client?: number; index?: number } | null;
}

/** Checks that every accepted event is in its job's history, once, in the order of sending. */
async function check(server: Penstock, job: string, client: number, sent: number): Promise<void> {
  const { objects } = await server.client.json<{ objects: HistoryEntry[] }>(`${job}history/`);
  const updates = objects.filter(({ name }) => name === 'update');
  if (updates.length !== sent) throw new Error(`${sent} events were sent, ${updates.length} are kept.`);
  const wrong = updates.findIndex(({ data }, index) => data?.client !== client || data.index !== index);
  if (wrong >= 0) {
    throw new Error(`Event ${wrong} of client ${client} is ${JSON.stringify(updates[wrong]?.data)}.`);
  }
}

async function ours(context: Context): Promise<Figures> {
  return withPenstock(context.folder('events'), async (server) => {
    const jobs = await makeJobs(server);
    // No login besides the nonce in the URL, as in callbacks.
    const senders = jobs.map(() => httpClient(server.url, undefined));
    try {
      const { figures, sent } = await bothLoads(context, async (client, index) => {
        const path = jobs[client]?.path ?? '';
        const answer = await senders[client]?.send('POST', path, bodyOf(client, index));
        if (answer?.status !== 200) throw new Error(`An event: ${answer?.status} ${answer?.body}`);
      });
      for (const [client, count] of sent.entries()) {
        await check(server, jobs[client]?.job ?? '', client, count);
      }
      const all = sent.reduce((total, count) => total + count, 0);
      context.note(`events: ${all.toLocaleString('en')} were read back: none lost, none doubled, in order.`);
      return figures;
    } finally {
      for (const sender of senders) sender.close();
    }
  });
}

const load = `job events over HTTP, ${clients} clients`;
const paced = `${load}, ${perSecond.toLocaleString('en')}/s wanted`;
const redis = 'Redis, XADD over its own protocol, appendfsync always';
const line = (work: string, unit: string, figure: string): Omit<Line, 'goal'> => ({
  work,
  unit,
  peer: { name: redis, figure },
  ours: figure,
});

/**
 * Events of external jobs. The peer stores them just as durably, but does nothing else: it checks no token, no nonce
 * and no state, and does not use HTTP.
 */
export const events: Row = {
  name: 'events',
  target: `${perSecond.toLocaleString('en')} events a second, p99 under 100 ms, none lost or doubled, in order`,
  lines: () => [
    // A little less, because the last ones are still on their way when the time is over.
    { ...line(`${paced}: accepted`, '/s', 'rate'), goal: atLeast(0.97 * perSecond, '/s') },
    line(`${paced}: p50`, 'ms', 'p50'),
    { ...line(`${paced}: p99`, 'ms', 'p99'), goal: under(100, 'ms') },
    line(`${load}, as fast as they can`, '/s', 'most'),
  ],
  peer,
  ours,
};
