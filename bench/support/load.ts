import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { httpClient } from './http.js';
import { needPeer } from './packages.js';
import type { Context } from './row.js';
import { run } from './started.js';
import { percentile } from './stats.js';

/** A request to repeat. */
export interface Load {
  url: string;
  authorization: string;
  method: 'GET' | 'POST';
  /** The body, and the expected answer. Files, because wrk reads them itself. */
  body?: string;
  expected?: string;
}

/** The result of a load. Latencies in ms. */
export interface Throughput {
  rate: number;
  p50: number;
  p99: number;
  client: 'wrk' | 'node';
}

interface Report {
  requests: number;
  seconds: number;
  wrong: number;
  failed: number;
  p50: number;
  p99: number;
}

/**
 * Sends a request over `connections` connections for some seconds. Throws if any answer was not as expected,
 * because the speed of wrong answers does not matter. Uses wrk if it is installed, because it needs a fraction
 * of the processor time of a Node.js client. Both sides of a row get the same client.
 */
export async function load(
  context: Context,
  what: Load,
  connections: number,
  seconds: number,
): Promise<Throughput> {
  const client = haveWrk(context) ? 'wrk' : 'node';
  const report = await (client === 'wrk' ? byWrk : byNode)(what, connections, seconds);
  if (report.wrong > 0) throw new Error(`${report.wrong} of ${report.requests} answers were wrong.`);
  if (report.failed > 0) throw new Error(`${report.failed} of ${report.requests} requests failed.`);
  if (report.requests === 0) throw new Error('No request was answered.');
  return { rate: report.requests / report.seconds, p50: report.p50, p99: report.p99, client };
}

function haveWrk(context: Context): boolean {
  try {
    needPeer(context, 'wrk');
    return true;
  } catch {
    return false;
  }
}

async function byWrk(what: Load, connections: number, seconds: number): Promise<Report> {
  const script = fileURLToPath(new URL('load.lua', import.meta.url));
  const files = [what.body, what.expected].filter((file) => file !== undefined);
  const common = ['-t1', `-c${connections}`, `-d${seconds}s`, '--timeout', '90s', '-s', script];
  const header = ['-H', `Authorization: ${what.authorization}`];
  const output = await run('wrk', [...common, ...header, what.url, '--', what.method, ...files]);
  return JSON.parse(output.trim().split('\n').at(-1) ?? '') as Report;
}

async function byNode(what: Load, connections: number, seconds: number): Promise<Report> {
  const client = httpClient(what.url, what.authorization, connections);
  const body = what.body === undefined ? undefined : readFileSync(what.body);
  const expected = what.expected === undefined ? undefined : readFileSync(what.expected);
  const latencies: number[] = [];
  let wrong = 0;
  const begin = performance.now();
  const end = begin + seconds * 1000;

  async function one(): Promise<void> {
    for (let before = performance.now(); before < end; before = performance.now()) {
      const answer = await client.send(what.method, what.url, body, 'text/plain');
      latencies.push(performance.now() - before);
      if (answer.status !== 200 || (expected && !answer.body.equals(expected))) wrong++;
    }
  }

  await Promise.all(Array.from({ length: connections }, one));
  client.close();
  const took = (performance.now() - begin) / 1000;
  const times = { p50: percentile(latencies, 0.5), p99: percentile(latencies, 0.99) };
  return { requests: latencies.length, seconds: took, wrong, failed: 0, ...times };
}
