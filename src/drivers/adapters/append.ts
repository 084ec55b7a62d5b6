import { open, rm, stat } from 'node:fs/promises';
import path from 'node:path';
import { inputPlace, outputPlace, placeValues } from '../../domain/definitions/places.js';
import { fileKey } from '../../domain/feeder/feeder-plan.js';
import { PenstockError } from '../../lib/errors.js';
import { openToOthers } from '../processes/umask.js';
import type { Adapter, AdapterContext } from './adapter.js';
import { chunkOf, refuseOthers, taken } from './fed.js';
import { makeNamedFolder } from './file.js';

/**
 * Input is appended to a file that the program follows, and output is followed as the program appends it to a file.
 * Files at a fixed path stay: they are not ours to remove.
 */
export const appendAdapter: Adapter = {
  input: {
    async prepare(context) {
      const { definition, feed } = context;
      const { input } = definition;
      const place = inputPlace(context);
      if (input?.type !== 'append' || place.kind !== 'file') return { values: {}, stdin: null };
      await refuse(context, place.chosen);
      await makeNamedFolder(path.dirname(place.path));
      await make(place.path);
      return {
        values: placeValues('input', place),
        stdin: null,
        inlet: {
          kind: 'append',
          path: place.path,
          chunk: chunkOf(input),
          // A service is meant to wait for more.
          quiet: feed === null && definition.service === null ? input.quiet : null,
        },
      };
    },
    async clear() {},
  },
  output: {
    async prepare(context) {
      const place = outputPlace(context);
      if (place.kind !== 'file') return { values: {} };
      await refuse(context, place.chosen);
      await makeNamedFolder(path.dirname(place.path));
      const before = await stat(place.path, { bigint: true }).catch(() => null);
      const from = before?.isFile() ? { key: fileKey(before), size: Number(before.size) } : null;
      const outlet = { kind: 'append', path: place.path, from } as const;
      return { values: placeValues('output', place), outlet };
    },
    // Both the file and its rotated versions; the collected output is another file.
    async clear(context) {
      const place = outputPlace(context);
      if (place.kind === 'file' && place.chosen)
        await rm(path.dirname(place.path), { recursive: true, force: true });
    },
    finish: async (context) => taken(context),
  },
};

async function refuse({ user }: AdapterContext, chosen: boolean): Promise<void> {
  if (user !== null && chosen) await refuseOthers(user, 'a file in a folder');
}

/** Creates the file if it does not exist. */
async function make(file: string): Promise<void> {
  const is = await stat(file).catch(() => null);
  // Opening a named pipe would wait for its reader.
  if (is !== null && !is.isFile()) {
    throw new PenstockError('conflict', `${file} is not a regular file, so it cannot be appended to`);
  }
  await (await open(file, 'a')).close();
  if (is === null) openToOthers(file, 0o666);
}
