/**
 * `npm run bench`: measures Penstock and its peers side by side in one run, and prints one table. Slow figures
 * are not a failure. It exits with 1 only if Penstock gave wrong answers or none at all.
 */
import { writeFileSync } from 'node:fs';
import { rows } from './rows/index.js';
import { type Options, readOptions, usage } from './support/options.js';
import { MissingPeer } from './support/packages.js';
import type { Context, Figures, Line, Row } from './support/row.js';
import { cleanUp, stopAll, temporaryFolder } from './support/started.js';
import { asMarkdown, asText, type Measured, machine, results } from './support/table.js';

const message = (error: unknown) => (error instanceof Error ? error.message : String(error));

/** Reports every figure of one side as missing, for the same reason. */
const allMissing = (names: (string | undefined)[], missing: string): Figures =>
  Object.fromEntries(names.filter((name) => name !== undefined).map((name) => [name, { missing }]));

/** Measures the peer, then Penstock, not both at once: they would compete for the processor. */
async function measure(row: Row, context: Context): Promise<Measured> {
  const lines = row.lines(context);
  const side = async (
    name: string,
    measureSide: () => Promise<Figures>,
    figure: (line: Line) => string | undefined,
  ) => {
    console.error(`bench: ${row.name}: ${name} …`);
    try {
      return await measureSide();
    } catch (error) {
      const reason = error instanceof MissingPeer ? error.message : `failed: ${message(error)}`;
      return allMissing(lines.map(figure), reason);
    } finally {
      await stopAll();
    }
  };
  const hasPeer = lines.some((line) => line.peer);
  const peer = hasPeer
    ? await side(
        'peer',
        () => row.peer(context),
        (line) => line.peer?.figure,
      )
    : {};
  const ours = await side(
    'Penstock',
    () => row.ours(context),
    (line) => line.ours,
  );
  await cleanUp();
  return { row, lines, peer, ours };
}

async function main(options: Options): Promise<boolean> {
  const notes: string[] = [];
  const context: Context = {
    quick: options.quick,
    install: options.install,
    seconds: options.quick ? 2 : 8,
    folder: temporaryFolder,
    note: (text) => notes.push(text),
  };
  if (options.quick) context.note('--quick: short runs over less data. Do not quote these figures.');

  const measured: Measured[] = [];
  for (const row of rows) {
    if (options.only.length === 0 || options.only.includes(row.name))
      measured.push(await measure(row, context));
  }
  const lines = results(measured);
  for (const reason of new Set(lines.flatMap((line) => line.missing))) context.note(reason);

  const host = machine();
  const where = `${host.cores} cores (${host.processor}), ${host.memoryGiB} GiB, ${host.system}, Node ${host.node}`;
  console.log(`${asText(lines)}\n\nRatio: Penstock's figure divided by the peer's. Measured on ${where}.`);
  for (const note of notes) console.log(`- ${note}`);
  if (options.json) {
    const document = { date: new Date().toISOString(), machine: host, quick: options.quick, lines, notes };
    writeFileSync(options.json, `${JSON.stringify(document, null, 2)}\n`);
  }
  if (options.markdown) {
    const list = notes.map((note) => `- ${note.replaceAll('\n', ' ')}\n`).join('');
    writeFileSync(options.markdown, `${asMarkdown(lines)}\n\nMeasured on ${where}.\n\n${list}`);
  }
  return lines.every((line) => line.ourFigure !== null);
}

for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.once(signal, () => {
    void cleanUp().finally(() => process.exit(130));
  });
}

// Even a bug in the benchmark itself must not leave a peer running.
process.once('uncaughtException', (error) => {
  console.error(error);
  void cleanUp().finally(() => process.exit(2));
});

try {
  const options = readOptions(
    process.argv.slice(2),
    rows.map((row) => row.name),
  );
  if (options === 'help') console.log(usage);
  else process.exitCode = (await main(options)) ? 0 : 1;
} catch (error) {
  console.error(`bench: ${message(error)}`);
  process.exitCode = 2;
} finally {
  await cleanUp();
}
