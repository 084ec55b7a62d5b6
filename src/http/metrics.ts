import type { RequestHandler } from 'express';
import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client';
import { serverStates } from '../domain/servers/server.js';
import type { JobService } from '../usecases/jobs/jobs.js';
import type { OperationStatus } from '../usecases/operations/operation-view.js';

/** How many operations get metrics of their own, because each adds a time series to everybody's database. */
const mostOperations = 200;

function operationMetrics(
  registers: Registry[],
  operations: () => Iterable<{ id: number; status: OperationStatus }>,
): void {
  new Gauge({
    name: 'penstock_operations',
    help: 'Active operations, by state.',
    labelNames: ['state'],
    registers,
    collect() {
      const states = { running: 0, waiting: 0, failing: 0 };
      for (const { status } of operations()) states[status.state] += 1;
      for (const [state, count] of Object.entries(states)) this.set({ state }, count);
    },
  });
  new Counter({
    name: 'penstock_operation_messages_total',
    help: `Messages of active operations by result, for the first ${mostOperations} operations.`,
    labelNames: ['operation', 'result'],
    registers,
    collect() {
      this.reset();
      let told = 0;
      for (const { id, status } of operations()) {
        told += 1;
        if (told > mostOperations) return;
        for (const [result, count] of Object.entries(status.counts)) {
          this.inc({ operation: String(id), result }, count);
        }
      }
    },
  });
}

/** Metrics for Prometheus. */
export function openMetrics(given: {
  jobs: JobService;
  waiting: () => number;
  running: () => number;
  /** Services by health, and servers by state, except deleted ones. */
  counts: { services: () => Record<string, number>; servers: () => Promise<Record<string, number>> };
  deliveries: { pending: () => Promise<number>; counts: Readonly<Record<string, number>> };
  /** By the type of the streams. */
  streams: Readonly<Record<string, { published: number; delivered: number; refused: number }>>;
  operations: () => Iterable<{ id: number; status: OperationStatus }>;
  /** Free bytes by what they are for, and whether writes are refused because too few are left. */
  room: { free: () => Readonly<Partial<Record<string, number>>>; full: () => boolean };
}) {
  const registry = new Registry();
  collectDefaultMetrics({ register: registry, eventLoopMonitoringPrecision: 1000 });
  const registers = [registry];
  new Gauge({
    name: 'penstock_jobs_waiting',
    help: 'Jobs that wait for their turn.',
    registers,
    collect() {
      this.set(given.waiting());
    },
  });
  new Gauge({
    name: 'penstock_jobs_running',
    help: 'Jobs whose programs are running.',
    registers,
    collect() {
      this.set(given.running());
    },
  });
  new Gauge({
    name: 'penstock_services',
    help: 'Services that have not ended, by health; `waiting` means for their next start.',
    labelNames: ['health'],
    registers,
    collect() {
      for (const [health, count] of Object.entries(given.counts.services())) this.set({ health }, count);
    },
  });
  new Gauge({
    name: 'penstock_servers',
    help: 'Servers that may exist in a cloud, by state.',
    labelNames: ['state'],
    registers,
    async collect() {
      const counts = await given.counts.servers();
      for (const state of serverStates) if (state !== 'deleted') this.set({ state }, counts[state] ?? 0);
    },
  });
  new Gauge({
    name: 'penstock_deliveries_pending',
    help: 'Deliveries to subscribers that are pending.',
    registers,
    async collect() {
      this.set(await given.deliveries.pending());
    },
  });
  new Counter({
    name: 'penstock_deliveries_total',
    help: 'Attempts to deliver to subscribers, accepted and failed, and deliveries given up as dead.',
    labelNames: ['result'],
    registers,
    collect() {
      this.reset();
      for (const [result, count] of Object.entries(given.deliveries.counts)) this.inc({ result }, count);
    },
  });
  new Counter({
    name: 'penstock_stream_messages_total',
    help: 'Messages published on streams, delivered to their readers, and refused, by type of stream.',
    labelNames: ['type', 'result'],
    registers,
    collect() {
      this.reset();
      for (const [type, totals] of Object.entries(given.streams)) {
        for (const [result, count] of Object.entries(totals)) this.inc({ type, result }, count);
      }
    },
  });
  new Gauge({
    name: 'penstock_disk_free_bytes',
    help: 'Free bytes on the disks of the data folder and the database.',
    labelNames: ['of'],
    registers,
    collect() {
      for (const [of, free] of Object.entries(given.room.free()))
        if (free !== undefined) this.set({ of }, free);
    },
  });
  new Gauge({
    name: 'penstock_disk_full',
    help: '1 while the disk is full and nothing new is stored, otherwise 0.',
    registers,
    collect() {
      this.set(given.room.full() ? 1 : 0);
    },
  });
  operationMetrics(registers, given.operations);
  const events = new Counter({
    name: 'penstock_job_events_total',
    help: 'Events in the histories of jobs, by name.',
    labelNames: ['event'],
    registers,
  });
  const ended = new Counter({
    name: 'penstock_jobs_ended_total',
    help: 'Jobs that ended, by state and cause.',
    labelNames: ['state', 'cause'],
    registers,
  });
  const duration = new Histogram({
    name: 'penstock_job_seconds',
    help: 'Seconds from the start of a program to its end.',
    buckets: [0.005, 0.02, 0.1, 0.5, 2, 10, 60, 600, 3600, 36000],
    registers,
  });
  const requests = new Histogram({
    name: 'penstock_http_request_seconds',
    help: 'Seconds from a request to its answer, by method and status.',
    labelNames: ['method', 'status'],
    buckets: [0.001, 0.005, 0.02, 0.1, 0.5, 2, 10, 60],
    registers,
  });
  given.jobs.news.on('news', ({ job, event }) => {
    events.inc({ event: event.name });
    if (event.name !== 'finish' && event.name !== 'fail') return;
    ended.inc({ state: job.state, cause: job.outcome?.cause ?? 'none' });
    if (job.started !== null && job.ended !== null) {
      duration.observe((job.ended.getTime() - job.started.getTime()) / 1000);
    }
  });
  const methods = new Set(['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS']);
  return {
    answered(method: string, status: number, seconds: number): void {
      requests.observe({ method: methods.has(method) ? method : 'other', status: String(status) }, seconds);
    },
    handler: (async (_request, response) => {
      response.type(registry.contentType).send(await registry.metrics());
    }) as RequestHandler,
  };
}

export type Metrics = ReturnType<typeof openMetrics>;
