import { type Answer, ask } from './raw.js';
import type { Login, TestServer } from './server.js';

export const actor = '/actors/v2/pipelinejobs-manager';

/** A job that runs elsewhere, as its creator knows it. */
export interface ExternalJob {
  uuid: string;
  token: string;
  callback: string;
}

let made = 0;

/** Talks to the manager of a test server as a pipeline's owner does. */
export async function manager(server: TestServer, as: Login = server.admin) {
  made += 1;
  const registered = await ask(server, '/api/pipeline/', {
    json: { name: `pipeline ${made}`, components: [{ id: 'somewhere-else-1.0' }] },
    headers: { Prefer: 'return=representation' },
    as,
  });
  if (registered.status !== 201) throw new Error(`${registered.status}: ${registered.text}`);
  const pipeline = registered.json as { id: number; uuid: string };

  const post = (json: unknown, more: { query?: string; as?: Login | null } = {}): Promise<Answer> =>
    ask(server, `${actor}/messages${more.query ?? ''}`, { json, as: more.as === undefined ? as : more.as });

  let jobs = 0;
  return {
    pipeline,
    post,

    /** Creates a job; each call makes another, unless the data are given. */
    async create(more: Record<string, unknown> = {}): Promise<ExternalJob> {
      jobs += 1;
      const answer = await post({ pipeline_uuid: pipeline.uuid, data: { number: jobs }, ...more });
      if (answer.status !== 201) throw new Error(`${answer.status}: ${answer.text}`);
      return answer.json.result as ExternalJob;
    },

    /** Tells an event of a job, with its token. */
    send: (job: ExternalJob, name: string, data: object = {}): Promise<Answer> =>
      post({ uuid: job.uuid, token: job.token, name, data }),

    /** Makes a nonce and gives its text. */
    async nonce(body: object = {}): Promise<string> {
      const answer = await ask(server, `${actor}/nonces`, { json: body, as });
      if (answer.status !== 201) throw new Error(`${answer.status}: ${answer.text}`);
      return answer.json.result.id as string;
    },
  };
}

export type Manager = Awaited<ReturnType<typeof manager>>;
