import type { Adapter } from './adapter.js';
import { appendAdapter } from './append.js';
import { farFileAdapter } from './far-file.js';
import { farPipeAdapter } from './far-pipe.js';
import { fileAdapter } from './file.js';
import { folderAdapter } from './folder.js';
import { pipeAdapter } from './pipe.js';
import { portAdapter } from './port.js';

/** Every adapter, by its word in a definition, for programs that run on this machine. */
export const adapters: Readonly<Record<string, Adapter>> = {
  file: fileAdapter,
  folder: folderAdapter,
  append: appendAdapter,
  pipe: pipeAdapter,
  port: portAdapter,
};

/** The adapters for programs on another machine, where Penstock has nothing but a shell. */
export const farAdapters: Readonly<Record<string, Adapter>> = { file: farFileAdapter, pipe: farPipeAdapter };
