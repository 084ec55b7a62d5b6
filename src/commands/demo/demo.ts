import { randomBytes } from 'node:crypto';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { type App, start } from '../../app/app.js';
import { CliError, Ended, exitCodes } from '../../cli/client/failure.js';
import { loadConfig } from '../../config/config.js';
import { openLog } from '../../lib/log.js';
import { configure, showServers } from './servers.js';
import { sineWav } from './sound.js';
import { ask, cancelAll, count, findProgram, type Json, register, type Stage } from './stage.js';

/** Both definitions come from the older registry's documentation, except for the paths of the programs. */
const removeX = (exec: string) => ({
  exec,
  argv: ['-d', 'x'],
  input_adapter: {
    input_type: 'file',
    input_parameters: { file_type: 'stream', stream_name: 'STDIN' },
  },
  output_adapter: {
    output_type: 'file',
    output_parameters: { file_type: 'stream', stream_name: 'STDOUT' },
  },
});
const toMp3 = (exec: string) => ({
  exec,
  argv: ['-i', '${input_file}', '-q:a', '2', '${output_file}'],
  input_adapter: { input_type: 'file', input_parameters: { file_path: '${input_file}' } },
  output_adapter: { output_type: 'file', output_parameters: { file_path: '${output_file}' } },
});

/**
 * `penstock demo`: starts a real server on a temporary folder, registers programs and runs them over HTTP, alone and
 * as a pipeline, and checks their output. It leaves nothing behind.
 */
export async function demo(out: NodeJS.WritableStream): Promise<void> {
  const stop = new AbortController();
  const interrupt = () => stop.abort();
  const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;
  for (const signal of signals) process.on(signal, interrupt);

  const folder = mkdtempSync(path.join(os.tmpdir(), 'penstock-demo-'));
  const clear = () => rmSync(folder, { recursive: true, force: true, maxRetries: 10 });
  // However this process ends: a reader that closes the pipe, as `head` does, ends it in the middle.
  process.on('exit', clear);
  const login = { user: 'demo', password: randomBytes(9).toString('base64url') };
  let app: App | undefined;
  let stage: Stage | undefined;
  try {
    const config = loadConfig(
      {
        data: path.join(folder, 'data'),
        config: configure(folder),
        host: '127.0.0.1',
        port: '0',
        logLevel: 'error',
      },
      { PENSTOCK_ADMIN_USER: login.user, PENSTOCK_ADMIN_PASSWORD: login.password },
    );
    app = await start(config, openLog(config.logLevel));
    stage = {
      url: app.url,
      login: `${login.user}:${login.password}`,
      folder,
      signal: stop.signal,
      say: (text = '') => out.write(`${text}\n`),
    };
    stage.say(`Penstock is running on ${app.url}, with its data in ${folder}.`);
    stage.say('Each step shows the curl command that does the same.');
    await showText(stage);
    await showSound(stage);
    await showPipeline(stage);
    await showServers(stage);
    stage.say('\nAll results are correct.');
  } catch (error) {
    if (stop.signal.aborted) throw new Ended(exitCodes.interrupted);
    throw error;
  } finally {
    if (stage !== undefined) await cancelAll(stage);
    await app?.stop();
    clear();
    process.off('exit', clear);
    for (const signal of signals) process.off(signal, interrupt);
  }
  out.write(
    'The server is stopped and its folder is removed. To continue: npm start, and the tour in README.md\n',
  );
}

async function showText(stage: Stage): Promise<void> {
  const program = existsSync('/usr/bin/tr') ? '/usr/bin/tr' : findProgram('tr');
  if (program === undefined)
    throw new CliError('The demo needs the program tr, which is not installed here.');
  const text = Array.from(
    { length: 5000 },
    (_, index) => `${index + 1}: six quick foxes mix wax in the old mill's extra box\n`,
  ).join('');
  stage.say('\n1. A text through `tr -d x`: every x is removed');
  const output = await registerAndRun(stage, removeX(program), {
    name: 'foxes.txt',
    bytes: Buffer.from(text),
  });
  stage.say('   The first lines of the output:');
  for (const line of output.toString().split('\n', 3)) stage.say(`     ${line}`);
  if (output.toString() !== text.replaceAll('x', '')) {
    throw new CliError('The output of tr is not the text without every x.');
  }
  stage.say(`   All ${count(output.length)} bytes equal the result of JavaScript's replaceAll('x', '').`);
}

async function showSound(stage: Stage): Promise<void> {
  stage.say('\n2. A sound through ffmpeg: WAV to MP3');
  const program = findProgram('ffmpeg');
  if (program === undefined) {
    stage.say('   Skipped: there is no ffmpeg on the PATH of this machine.');
    return;
  }
  const output = await registerAndRun(
    stage,
    toMp3(program),
    { name: 'sine.wav', bytes: sineWav(440, 2) },
    'sine.mp3',
  );
  const isMp3 =
    output.subarray(0, 3).toString() === 'ID3' || (output[0] === 0xff && (output[1] ?? 0) >= 0xe0);
  if (!isMp3) throw new CliError('The output of ffmpeg is not an MP3 file.');
  stage.say(
    `   ${count(output.length)} bytes of MP3: they begin with ${output.subarray(0, 4).toString('hex')}.`,
  );
}

/** Programs for the steps of a pipeline. Every Linux has them. */
const words = [
  { name: 'words', definition: { exec: 'tr', argv: ['-cs', 'a-z', '\\n'] } },
  { name: 'sort', definition: { exec: 'sort' } },
  { name: 'count', definition: { exec: 'uniq', argv: ['-c'] } },
];

async function showPipeline(stage: Stage): Promise<void> {
  const { say } = stage;
  say('\n3. A pipeline that counts words: tr -cs a-z "\\n" | sort | uniq -c');
  const steps: Json[] = [];
  for (const { name, definition } of words) {
    const { location } = await register(stage, 'process_definition', { definition: { name, ...definition } });
    steps.push({ name, process_definition: new URL(location).pathname });
  }
  const { location } = await register(stage, 'pipeline', { name: 'count words', steps });
  const run = `${new URL(location).pathname}run/?wait=60`;
  const text = 'the mill and the gate and the wheel\n';
  say(`\n   Run it:\n   $ echo '${text.trim()}' | curl -u '${stage.login}' --data-binary @- \\`);
  say(`       '${stage.url}${run}'`);
  const headers = { 'Content-Type': 'text/plain' };
  const job = (await (await ask(stage, run, { method: 'POST', headers, body: text })).json()) as Json;
  for (const { name, state, started, ended, joined_to: next } of (job.steps ?? []) as Json[]) {
    const joined = next === null ? '' : `, joined to ${next} by a pipe`;
    say(`     ${started} to ${ended}  ${String(name).padEnd(5)} ${state}${joined}`);
  }
  const output = await (await ask(stage, `${job.resource_uri}output/`)).text();
  say('   Its output:');
  for (const line of output.trimEnd().split('\n')) say(`     ${line}`);
  if (output.replace(/ +/g, ' ') !== ' 2 and\n 1 gate\n 1 mill\n 3 the\n 1 wheel\n') {
    throw new CliError('The pipeline did not count the words.');
  }
}

/** Registers the definition, runs it on the input, shows every step, and returns the output. */
async function registerAndRun(
  stage: Stage,
  definition: object,
  input: { name: string; bytes: Buffer },
  outputName?: string,
): Promise<Buffer> {
  const { say } = stage;
  const { location } = await register(stage, 'process_definition', { definition });

  const query = new URLSearchParams({ wait: '60', output: 'raw', input_name: input.name });
  if (outputName !== undefined) query.set('output_name', outputName);
  const run = `${new URL(location).pathname}run/?${query}`;
  say(`\n   Run it on ${input.name}, ${count(input.bytes.length)} bytes:`);
  say(`   $ curl -u '${stage.login}' --data-binary @${input.name} \\`);
  say(`       '${stage.url}${run}' > ${outputName ?? 'output'}`);
  const answer = await ask(stage, run, { method: 'POST', body: new Uint8Array(input.bytes) });
  const output = Buffer.from(await answer.arrayBuffer());
  say(`   ${answer.status} ${answer.statusText}, ${count(output.length)} bytes`);

  const job = `/api/job/${answer.headers.get('x-job-uuid')}/`;
  say(`\n   Its history:\n   $ curl -u '${stage.login}' ${stage.url}${job}history/`);
  const { objects } = (await (await ask(stage, `${job}history/`)).json()) as { objects: Json[] };
  for (const { date, name, state, data } of objects) {
    const exit = (data as Json | null)?.exit_code;
    say(
      `     ${date}  ${String(name).padEnd(6)} → ${state}${exit === undefined ? '' : `, exit code ${exit}`}`,
    );
  }
  return output;
}
