import type { Row } from '../support/row.js';
import { crowd } from './crowd.js';
import { events } from './events.js';
import { idle } from './idle.js';
import { jobs } from './jobs.js';
import { large } from './large.js';
import { latency } from './latency.js';
import { list } from './list.js';
import { messages } from './messages.js';
import { pipeline } from './pipeline.js';
import { restart } from './restart.js';

/** Every row, in the order of the table. */
export const rows: Row[] = [list, jobs, events, messages, latency, large, pipeline, crowd, restart, idle];
