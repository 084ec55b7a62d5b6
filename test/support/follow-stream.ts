import http from 'node:http';
import { SseParser } from '../../src/cli/client/sse.js';
import { basic, type Login, type TestServer } from './server.js';

/** A message as a follower reads it over HTTP. */
interface FollowedMessage {
  id: string;
  content_type: string;
  headers: Record<string, string>;
  redelivered?: boolean;
  text?: string;
  base64?: string;
}

interface StreamFollower {
  messages: FollowedMessage[];
  /** Events that are no messages. */
  others: { event: string; data: Record<string, unknown> }[];
  /** Resolves when the connection is over. */
  closed: Promise<void>;
  pause(): void;
  resume(): void;
  cut(): void;
}

/** Follows a stream over HTTP; resolves when the server has answered, from when on nothing is missed. */
export function followStream(
  server: TestServer,
  name: string,
  as: Login = server.admin,
): Promise<StreamFollower> {
  const { hostname, port } = new URL(server.url);
  return new Promise((resolve, reject) => {
    const request = http.request(
      {
        hostname,
        port,
        path: `/api/stream/${name}/messages/?follow=1`,
        headers: { Authorization: basic(as) },
      },
      (response) => {
        if (response.statusCode !== 200) {
          response.resume();
          reject(new Error(`status ${response.statusCode}`));
          return;
        }
        const parser = new SseParser();
        const follower: StreamFollower = {
          messages: [],
          others: [],
          closed: new Promise((end) => response.once('close', end)),
          pause: () => response.pause(),
          resume: () => response.resume(),
          cut: () => request.destroy(),
        };
        response.setEncoding('utf8');
        response.on('error', () => undefined);
        response.on('data', (piece: string) => {
          for (const { event, data } of parser.push(piece)) {
            if (event === 'message') follower.messages.push(JSON.parse(data) as FollowedMessage);
            else follower.others.push({ event, data: JSON.parse(data) as Record<string, unknown> });
          }
        });
        resolve(follower);
      },
    );
    request.on('error', reject);
    request.end();
  });
}
