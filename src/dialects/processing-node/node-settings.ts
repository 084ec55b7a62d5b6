import { completeSettings, type NodeFile, type NodeSettings } from '../../config/node-file.js';
import type { JsonNode } from '../../domain/json/json-node.js';
import {
  jsonOf,
  member,
  parseJsonText,
  plain,
  withMember,
  writeJsonText,
} from '../../domain/json/json-text.js';
import { validator } from '../../lib/schemas.js';
import { invalid } from '../../usecases/body.js';
import { masked, unmasked } from './masked-json.js';
import { configuredSettings, replacedSettings } from './shown-settings.js';

/**
 * The node's settings: those of node.yaml, until a client puts others in their place. That is forgotten when the
 * server stops.
 *
 * @param fileWritten node.yaml as it is written, which is what is shown
 */
export function nodeSettings(file: NodeFile, fileWritten: object) {
  let current = completeSettings(file);
  const configured = parseJsonText(JSON.stringify(configuredSettings(fileWritten, current)));
  /** As the client wrote it; null: nobody did. */
  let written: JsonNode | null = null;

  const stored = (): JsonNode => written ?? configured;
  /** The same with the password that holds, where nobody wrote one, too. */
  function withPassword(): JsonNode {
    const node = withMember(
      member(stored(), 'node') ?? jsonOf({}),
      'password',
      jsonOf(current.node.password),
    );
    return withMember(stored(), 'node', node);
  }

  return {
    file,
    current: (): NodeSettings => current,

    /** All settings as they hold, those of Penstock's own too, as JSON text; secrets always masked. */
    effective: (): string => writeJsonText(masked(parseJsonText(JSON.stringify(current)))),

    /** The settings as JSON text, as they were written, with secrets masked unless node.yaml says otherwise. */
    shown(): string {
      const whole = stored();
      return writeJsonText(file.mask_secrets ? masked(whole) : whole);
    },

    /**
     * Puts other settings in place of these. What they do not name is as in node.yaml; keys that mean nothing here
     * are kept and shown; stars for a secret mean the one that is there. Throws `invalid-body` for what does not have
     * the right shape.
     *
     * @param text a JSON object
     * @param pointer where it stands in the body
     */
    replace(text: string, pointer: string): void {
      const whole = unmasked(parseJsonText(text), withPassword());
      const given = plain(whole);
      if (typeof given !== 'object' || given === null || Array.isArray(given)) {
        throw invalid('invalid-body', [{ pointer, detail: 'a configuration is an object' }]);
      }
      const replaced = replacedSettings(file, given, current.node.password);
      const problems = validator('config/node')(replaced, pointer);
      if (problems.length > 0) throw invalid('invalid-body', problems);
      current = completeSettings(replaced as NodeFile);
      written = whole;
    },
  };
}

export type NodeSettingsService = ReturnType<typeof nodeSettings>;
