import { rmSync } from 'node:fs';
import path from 'node:path';
import type { ProcessDefinition } from '../../domain/definitions/process-definition.js';
import type { Job } from '../../domain/jobs/job.js';
import type { JobFiles } from '../../store/folder/job-files.js';

/**
 * Deletes the values of a run's variables and its secret inputs, which are kept only as long as an attempt may need
 * them.
 */
export function forgetSecrets(
  files: JobFiles,
  { uuid, attempt, request }: Job,
  { inputs, mainInput }: Pick<ProcessDefinition, 'inputs' | 'mainInput'>,
): void {
  const secrets = (inputs ?? []).filter(({ secret }) => secret);
  if (request.environment === undefined && secrets.length === 0) return;
  files.forgetEnvironment(uuid, attempt);
  for (const { name, kind } of secrets) {
    if (kind === 'value') continue;
    const kept = name === mainInput ? files.input(uuid) : files.namedInput(uuid, name);
    const staged = Array.from({ length: attempt }, (_, before) =>
      path.join(files.attempt(uuid, before + 1), name === mainInput ? 'input' : path.join('inputs', name)),
    );
    for (const place of [kept, ...staged]) rmSync(place, { recursive: true, force: true });
  }
}
