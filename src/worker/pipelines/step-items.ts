import { createReadStream } from 'node:fs';
import { open, readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';

import { jsonItems, LineEnds, mostItems } from '../../domain/pipelines/items.js';
import type { PlannedStep } from '../../domain/pipelines/pipeline-plan.js';
import { escapedNote } from '../../domain/shown-name.js';
import { filesBelow, type Left } from '../../drivers/files/files-below.js';
import { messageOf, PenstockError } from '../../lib/errors.js';
import { fileSize, makeDurable } from '../../store/folder/job-files.js';
import { place, type StepFiles } from './step-files.js';

/** The items of a step that runs once per item. */
export interface Items {
  total: number;
  /** A note for people about them, as a sentence. */
  note?: string | null;
  /**
   * Writes one item where a job expects its input.
   *
   * @param own whether it must be a copy that the program may change
   * @returns its own name, if it has one
   */
  stage(item: number, target: string, own: boolean): Promise<string | null>;
}

/** A JSON array must fit in memory. */
const largestJson = 64 * 1024 * 1024;

const wrongInput = (step: PlannedStep, why: string) =>
  new PenstockError(
    'invalid-body',
    `The input of the step '${step.name}' cannot be split into items: ${why}.`,
  );

/** Finds a step's items in its input, which exists by now. The same input always has the same items. */
export async function itemsOf(
  step: PlannedStep,
  files: StepFiles,
  totalOf: (step: string) => number,
): Promise<Items> {
  const { each, input } = step;
  if (each === null || input === null) throw new Error(`the step ${step.name} has no items`);
  const before = input.step ?? '';
  if (each.over === 'items') {
    const one = (item: number) => files.ofJob(before, item);
    return {
      total: totalOf(before),
      async stage(item, target, own) {
        const { file, name } = await one(item);
        await place(file, target, own);
        return name;
      },
    };
  }
  if (each.over === 'files') return fileItems(step, await files.workOf(before), each.files ?? '');
  const given = await files.of(input);
  if (given === null) return { total: 0, stage: async () => null };
  return each.over === 'lines' ? lineItems(step, given.file) : elementItems(step, given.file);
}

function checked(step: PlannedStep, total: number): number {
  if (total > mostItems) throw wrongInput(step, `it has ${total} items, more than ${mostItems}`);
  return total;
}

async function lineItems(step: PlannedStep, file: string): Promise<Items> {
  const lines = new LineEnds();
  for await (const chunk of createReadStream(file, { highWaterMark: 1024 * 1024 })) {
    lines.add(chunk as Buffer);
    checked(step, lines.ends.length);
  }
  lines.finish();
  const { ends } = lines;
  return {
    total: checked(step, ends.length),
    async stage(item, target) {
      const from = item === 0 ? 0 : (ends[item - 1] ?? 0);
      const to = ends[item] ?? from;
      const source = await open(file, 'r');
      const copy = await open(target, 'w', 0o600);
      try {
        // A line may be as long as the file, so it is copied in pieces.
        const buffer = Buffer.allocUnsafe(Math.min(to - from, 1024 * 1024));
        for (let at = from; at < to; ) {
          const { bytesRead } = await source.read(buffer, 0, Math.min(buffer.length, to - at), at);
          if (bytesRead === 0)
            throw new PenstockError('gone', `the input of the step '${step.name}' was changed`);
          await copy.writeFile(buffer.subarray(0, bytesRead));
          at += bytesRead;
        }
        await copy.datasync();
      } finally {
        await source.close();
        await copy.close();
      }
      return null;
    },
  };
}

async function elementItems(step: PlannedStep, file: string): Promise<Items> {
  const size = fileSize(file) ?? 0;
  if (size > largestJson) throw wrongInput(step, `it is JSON of more than ${largestJson} bytes`);
  let texts: string[];
  try {
    texts = jsonItems(await readFile(file, 'utf8'));
  } catch (error) {
    throw wrongInput(step, messageOf(error).replace(/\.$/, ''));
  }
  return {
    total: checked(step, texts.length),
    async stage(item, target) {
      await writeFile(target, texts[item] ?? '', { mode: 0o600 });
      await makeDurable(target);
      return null;
    },
  };
}

async function fileItems(step: PlannedStep, folder: string, pattern: string): Promise<Items> {
  const found = await filesBelow(folder, pattern, (count) => checked(step, count));
  const escaped = found.flatMap((one) => (one.escaped ? [one.name] : []));
  return {
    total: found.length,
    note: escapedNote(escaped, `the working folder of the step '${step.input?.step}'`),
    async stage(item, target, own) {
      const { name, bytes } = found[item] as Left;
      const file = Buffer.concat([Buffer.from(`${folder}/`), bytes]);
      if (fileSize(file) === null) {
        throw new PenstockError(
          'gone',
          `the file ${name} of the step '${step.input?.step}' no longer exists`,
        );
      }
      await place(file, target, own);
      await makeDurable(target);
      return path.basename(name);
    },
  };
}
