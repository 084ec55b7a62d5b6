import type { Adapter } from './adapter.js';
import { appendAdapter } from './append.js';
import { fileAdapter } from './file.js';
import { folderAdapter } from './folder.js';
import { pipeAdapter } from './pipe.js';
import { portAdapter } from './port.js';

/** Every adapter, by its word in a definition. */
export const adapters: Readonly<Record<string, Adapter>> = {
  file: fileAdapter,
  folder: folderAdapter,
  append: appendAdapter,
  pipe: pipeAdapter,
  port: portAdapter,
};
