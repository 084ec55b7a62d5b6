import http from 'node:http';
import { SseParser } from '../../src/cli/client/sse.js';
import { basic, type Login, type TestServer } from './server.js';

/** An event of all jobs, as a follower reads it. */
export interface FollowedEvent {
  uuid: string;
  name: string;
  state: string;
  revision: number;
  job: string;
  job_uuid: string;
  pipeline: string | null;
  session: string | null;
  process_definition: string | null;
  owner: string;
}

/** One connection to a live stream. */
export interface Follower {
  received: { id: number; event: FollowedEvent }[];
  /** The last id that the stream told, with or without an event. */
  place(): string;
  /** Resolves when the connection is over, however it ended; true if the server ended it properly. */
  closed: Promise<boolean>;
  cut(): void;
  pause(): void;
  resume(): void;
}

/** Opens a live stream of all jobs; returns when the server has said where it begins. */
export function followJobs(
  server: TestServer,
  options: { query?: string; as?: Login; after?: string } = {},
): Promise<Follower> {
  const parser = new SseParser(options.after);
  const received: Follower['received'] = [];
  return new Promise((resolve, reject) => {
    const request = http.get(
      new URL(`/api/job/?follow=1${options.query ?? ''}`, server.url),
      {
        agent: false,
        headers: {
          Authorization: basic(options.as ?? server.admin),
          ...(options.after === undefined ? {} : { 'Last-Event-ID': options.after }),
        },
      },
      (response) => {
        if (response.statusCode !== 200) {
          reject(new Error(`${response.statusCode}`));
          request.destroy();
          return;
        }
        let whole = false;
        response.setEncoding('utf8');
        response.on('data', (piece: string) => {
          for (const { event, id, data } of parser.push(piece)) {
            if (event === 'event') received.push({ id: Number(id), event: JSON.parse(data) });
          }
          resolve(follower);
        });
        response.on('end', () => {
          whole = true;
        });
        response.on('error', () => {});
        const closed = new Promise<boolean>((done) => response.on('close', () => done(whole)));
        const follower: Follower = {
          received,
          place: () => parser.state.lastEventId,
          closed,
          cut: () => request.destroy(),
          pause: () => response.pause(),
          resume: () => response.resume(),
        };
      },
    );
    request.on('error', reject);
  });
}
