import type { ScriptName } from '../../config/node-file.js';
import { messageOf } from '../../lib/errors.js';
import { answer, type NodeAnswer } from './node-answer.js';
import type { NodeMachine, NodeScripts } from './node-scripts.js';
import type { NodeSettingsService } from './node-settings.js';

/** A read-only request, which needs no login. */
export type NodeView = () => Promise<NodeAnswer>;

/** What GET shows: the node's scripts, folders and settings. */
export function nodeViews(given: {
  settings: NodeSettingsService;
  scripts: NodeScripts;
  machine: NodeMachine;
}) {
  const { scripts, machine } = given;
  const settings = given.settings.current;

  /** A file or folder of the node. If it cannot be read, the answer is -1 and the reason. */
  const view =
    (read: () => Promise<NodeAnswer>): NodeView =>
    () =>
      read().catch((error: unknown) => answer(-1, messageOf(error)));

  const scriptFile = (name: ScriptName) =>
    view(async () => answer(await machine.scriptText(scripts.command(name)[0] ?? '', settings().ptsuser)));

  const folder = (which: 'inputdir' | 'outputdir') =>
    view(async () => {
      const place = settings().paths[which];
      const listed = await machine.listing(place);
      return listed === null ? answer(null, `${place} does not exist.`) : { result: listed, message: '""' };
    });

  return {
    init: scriptFile('init'),
    config: scriptFile('config'),
    run: scriptFile('run'),
    clean: scriptFile('clean'),
    input: folder('inputdir'),
    output: folder('outputdir'),
    pnsconfig: async (): Promise<NodeAnswer> => ({ result: given.settings.shown(), message: '""' }),
    settings: async (): Promise<NodeAnswer> => ({ result: given.settings.effective(), message: '""' }),
  };
}
