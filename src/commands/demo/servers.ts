import { mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { CliError } from '../../cli/client/failure.js';
import { ask, type Json, register, type Stage } from './stage.js';

/** How many jobs a server runs before it is deleted. */
const uses = 2;
/** How many jobs to run. */
const jobs = 4;
/** How many times to look at the servers, a tenth of a second apart. */
const mostLooks = 100;

/** Writes a configuration in which this machine stands in for servers. @returns the config folder */
export function configure(folder: string): string {
  const config = path.join(folder, 'config');
  const keys = {
    CONNECTOR: 'local',
    REMOTE_BASE_FOLDER: path.join(folder, 'remote'),
    VIRTUAL_SERVER_TTL: uses,
    MAX_ACTIVE_TASKS: 2,
  };
  mkdirSync(config);
  // JSON is valid YAML.
  writeFileSync(path.join(config, 'application.yaml'), JSON.stringify(keys));
  return config;
}

/** Runs jobs on servers that are created for them, reused, and deleted. */
export async function showServers(stage: Stage): Promise<void> {
  const { say } = stage;
  say(`\n4. ${jobs} jobs on servers that are created for them, two at a time, for ${uses} jobs each`);
  say('   Without a cloud, this machine stands in for them (CONNECTOR: local).');
  const definition = { name: 'shout', exec: 'tr', argv: ['a-z', 'A-Z'], executor: 'cloud' };
  const { location } = await register(stage, 'process_definition', { definition });
  const run = `${new URL(location).pathname}run/?wait=60&output=raw`;
  say(`\n   Run it ${jobs} times at once:`);
  say(`   $ echo 'job 1' | curl -u '${stage.login}' --data-binary @- \\\n       '${stage.url}${run}'`);
  const outputs = await Promise.all(
    Array.from({ length: jobs }, async (_, index) => {
      const headers = { 'Content-Type': 'text/plain' };
      return (await ask(stage, run, { method: 'POST', headers, body: `job ${index + 1}\n` })).text();
    }),
  );
  for (const output of outputs) say(`     ${output.trimEnd()}`);
  say(`\n   The servers that ran them:\n   $ curl -u '${stage.login}' ${stage.url}/api/server/`);
  const objects = await settledServers(stage);
  for (const { name, uses: had, state, reason } of objects)
    say(`     ${name}  ${had} jobs, ${state}${reason === null ? '' : `: ${reason}`}`);
  const counts = objects.map((server) => Number(server.uses));
  const right = outputs.every((output, index) => output === `JOB ${index + 1}\n`);
  if (!right || counts.some((each) => each > uses) || counts.reduce((sum, each) => sum + each, 0) !== jobs) {
    throw new CliError('The servers did not run the jobs correctly.');
  }
}

/** The servers, once the used-up ones are being deleted, which begins a moment after the last job has ended. */
async function settledServers(stage: Stage): Promise<Json[]> {
  for (let looks = 1; ; looks += 1) {
    const { objects } = (await (await ask(stage, '/api/server/')).json()) as { objects: Json[] };
    const over = objects.every(({ uses: had, reason }) => Number(had) < uses || reason !== null);
    if (over || looks === mostLooks) return objects;
    await setTimeout(100);
  }
}
