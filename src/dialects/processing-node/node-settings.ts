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
 * The node's settings: those of node.yaml, until a client replaces them. The replacement is lost when the server stops.
 *
 * @param fileWritten node.yaml as written, for showing it
 */
export function nodeSettings(file: NodeFile, fileWritten: object) {
  let current = completeSettings(file);
  const configured = parseJsonText(JSON.stringify(configuredSettings(fileWritten, current)));
  /** The replacement as the client wrote it, or null. */
  let written: JsonNode | null = null;

  const stored = (): JsonNode => written ?? configured;
  /** The same with the current password, even if it was not written there. */
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

    /** All current settings, including Penstock's own, as JSON text. Secrets are always masked. */
    effective: (): string => writeJsonText(masked(parseJsonText(JSON.stringify(current)))),

    /** The settings as written, as JSON text, with secrets masked unless node.yaml says otherwise. */
    shown(): string {
      const whole = stored();
      return writeJsonText(file.mask_secrets ? masked(whole) : whole);
    },

    /**
     * Replaces the settings. Missing keys keep their value from node.yaml. Unknown keys are kept and shown. Stars in place
     * of a secret keep the current secret. Throws `invalid-body` for invalid settings.
     *
     * @param text a JSON object
     * @param pointer its place in the body
     */
    replace(text: string, pointer: string): void {
      const whole = unmasked(parseJsonText(text), withPassword());
      const given = plain(whole);
      if (typeof given !== 'object' || given === null || Array.isArray(given)) {
        throw invalid('invalid-body', [{ pointer, detail: 'the configuration must be an object' }]);
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
