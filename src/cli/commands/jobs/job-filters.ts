import { type Command, Option } from 'commander';
import { states } from '../../../domain/jobs/job-state.js';
import type { Client } from '../../client/client.js';
import { find, kinds } from '../../client/find.js';

export interface JobFilters {
  state?: string;
  definition?: string;
  pipeline?: string;
  parent?: string;
  session?: string;
}

/** The options that filter jobs. */
export function jobFilters(command: Command): Command {
  return command
    .addOption(new Option('--state <state>', 'only jobs in this state').choices(states))
    .option('--definition <definition>', 'only runs of this process definition, by name or id')
    .option('--pipeline <pipeline>', 'only jobs of this pipeline, by name, id or UUID')
    .option('--parent <uuid>', "only the steps of this pipeline's job")
    .option('--session <session>', 'only jobs of this session');
}

/** The filters as query parameters. */
export async function readFilters(
  client: Client,
  options: JobFilters,
): Promise<Record<string, string | undefined>> {
  const idOf = async (kind: 'definition' | 'pipeline') => {
    const key = options[kind];
    return key === undefined ? undefined : String((await find(client, kinds[kind], key)).object.id);
  };
  return {
    state: options.state,
    process_definition: await idOf('definition'),
    pipeline: await idOf('pipeline'),
    parent: options.parent,
    session: options.session,
  };
}
