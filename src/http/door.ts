import type { RequestHandler } from 'express';
import type { Followers } from './followers.js';

/** What every route may need, whatever it is about. */
export interface Door {
  authenticate: RequestHandler;
  /** Bytes of a JSON body, at most. */
  maxBodySize: number;
  /** Milliseconds that a request may wait, at most. */
  maxWait: number;
  /** False once the server is stopping: nothing new is begun. */
  accepting: () => boolean;
  followers: Followers;
}
