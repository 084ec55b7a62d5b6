import { jsonOf, member, parseJsonText, plain, withMember, writeJsonText } from '../domain/json-text.js';
import {
  completeSettings,
  maskedPassword,
  type NodeFile,
  type NodeSettings,
  replacedSettings,
} from '../domain/node-settings.js';
import { validator } from '../schemas.js';
import { invalid } from './body.js';

/**
 * The node's settings: those of node.yaml, until a client puts others in their place. That is forgotten when the
 * server stops.
 */
export function nodeSettings(file: NodeFile) {
  let current = completeSettings(file);
  /** As the client wrote it; null: nobody did. */
  let written: string | null = null;

  return {
    file,
    current: (): NodeSettings => current,

    /** The settings as JSON text, as they were written, with the password masked unless node.yaml says otherwise. */
    shown(): string {
      const text = written ?? JSON.stringify(current);
      let whole = parseJsonText(text);
      // Where later clients have the password a second time.
      if (file.mask_secrets && member(whole, 'auth_pass') !== undefined) {
        whole = withMember(whole, 'auth_pass', jsonOf(maskedPassword));
      }
      const node = member(whole, 'node');
      if (node !== undefined && member(node, 'password') !== undefined) {
        const { password } = current.node;
        const shown = password === null ? null : file.mask_secrets ? maskedPassword : password;
        whole = withMember(whole, 'node', withMember(node, 'password', jsonOf(shown)));
      }
      return writeJsonText(whole);
    },

    /**
     * Puts other settings in place of these. What they do not name is as in node.yaml; keys that mean nothing here
     * are kept and shown. Throws `invalid-body` for what does not have the right shape.
     *
     * @param text a JSON object
     * @param pointer where it stands in the body
     */
    replace(text: string, pointer: string): void {
      const given = plain(parseJsonText(text));
      if (typeof given !== 'object' || given === null || Array.isArray(given)) {
        throw invalid('invalid-body', [{ pointer, detail: 'a configuration is an object' }]);
      }
      const replaced = replacedSettings(file, given, current.node.password);
      const problems = validator('config/node')(replaced, pointer);
      if (problems.length > 0) throw invalid('invalid-body', problems);
      current = completeSettings(replaced as NodeFile);
      written = text;
    },
  };
}

export type NodeSettingsService = ReturnType<typeof nodeSettings>;
