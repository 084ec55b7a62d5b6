import { split } from 'shlex';
import { ConnectorError } from '../connector.js';

/** A variable of a file: its value, or why only a shell could compute it. */
export type Variable = { value: string; line: number } | { unknown: string; line: number };

/** Words that begin and end conditions and loops. */
const opening = new Set(['if', 'for', 'while', 'until', 'case', '{']);
const closing = new Set(['fi', 'done', 'esac', '}']);
const passing = new Set(['then', 'else', 'elif', 'do', '!']);
const declaring = new Set(['export', 'declare', 'typeset', 'readonly', 'local']);
const assignment = /^([A-Za-z_]\w*)(\+?)=(.*)$/s;

/** Text that quotes or a backslash protect. */
const quoted = /\$'(?:\\.|[^'\\])*'|'[^']*'|"(?:\\.|[^"\\])*"|\\./gs;
/** A command, up to where the next begins; a comment; or a quote that is never closed. */
const command = new RegExp(
  `((?:${quoted.source}|\\$\\(|(?<=[^\\s;&|()])#|[^'"\\\\\\n;&|()#])+)|#[^\\n]*|['"]`,
  'gs',
);
/** `$NAME`, `${NAME}`, `${NAME:-otherwise}`, or what only a shell understands. */
const reference = /\$([A-Za-z_]\w*)|\$\{([A-Za-z_]\w*)(?::-([^}]*))?\}|\$[\d?$!@*#({-]|`/g;

/** Puts characters that no text has in the place of those that begin a reference, and back. */
const protect = (text: string) => text.replaceAll('$', '\uFDD0').replaceAll('`', '\uFDD1');
const unprotect = (text: string) => text.replaceAll('\uFDD0', '$$').replaceAll('\uFDD1', '`');

/**
 * Reads an openrc file as data: assignments with or without `export`, quotes, references to variables set earlier in
 * the file, `unset`. Nothing is executed: a variable that depends on a `read`, a command or a condition is unknown,
 * with the reason.
 *
 * @param source the text of the file
 * @param file its name, for messages
 */
export function readOpenrc(source: string, file: string): Map<string, Variable> {
  const text = source.replace(/^\uFEFF/, '').replace(/\r\n?/g, '\n');
  const variables = new Map<string, Variable>();
  let depth = 0;
  for (const { 0: whole, 1: found, index } of text.matchAll(command)) {
    const line = text.slice(0, index).split('\n').length;
    if (whole === "'" || whole === '"')
      throw new ConnectorError('refused', `${file}, line ${line}: a ${whole} is never closed`);
    let words = wordsOf(found ?? '');
    for (let [word] = words; word !== undefined; [word] = words) {
      if (opening.has(word)) depth += 1;
      else if (closing.has(word)) depth = Math.max(0, depth - 1);
      else if (!passing.has(word)) break;
      words = words.slice(1);
    }
    if (words[0] === 'read') asked(words, line, variables);
    else if (words[0] === 'unset') {
      // In a condition it usually unsets empty variables, and empty counts as unset.
      if (depth === 0) for (const word of words) variables.delete(word);
    } else assign(words, line, depth > 0, variables);
  }
  return variables;
}

/** The words of a command without their quotes; what those protect begins no reference. */
const wordsOf = (text: string): string[] =>
  split(
    text.replace(quoted, (piece) =>
      piece.startsWith('"')
        ? piece.replace(/\\[\\$`]/g, (pair) => (pair === '\\\\' ? pair : protect(pair.slice(1))))
        : piece.slice(0, 1) + protect(piece.slice(1)),
    ),
  );

function assign(
  words: readonly string[],
  line: number,
  conditional: boolean,
  variables: Map<string, Variable>,
): void {
  const declares = declaring.has(words[0] ?? '');
  const passes = !declares && words.some((word) => !assignment.test(word));
  for (const word of words) {
    const [, name, add, text = ''] = assignment.exec(word) ?? [];
    // `export NAME` changes nothing.
    if (name === undefined) continue;
    const before = variables.get(name);
    if (conditional && before !== undefined && !isEmpty(before)) continue;
    const value: Variable = conditional
      ? { unknown: 'is set in a condition, and conditions are not evaluated', line }
      : expand(add === '+' ? `\${${name}:-}${text}` : text, line, variables);
    // `NAME=value command` sets it for that command only; `NAME=$(a command)` looks the same.
    if (!passes || 'unknown' in value) variables.set(name, value);
  }
}

/** `read -s -p prompt NAME`: only a person knows the value. */
function asked(words: readonly string[], line: number, variables: Map<string, Variable>): void {
  for (const name of words.slice(1)) {
    if (/^[A-Za-z_]\w*$/.test(name))
      variables.set(name, {
        unknown:
          'is read from the keyboard (`read`), which is not possible here: put the value into the file',
        line,
      });
  }
}

const isEmpty = (variable: Variable | undefined) =>
  variable === undefined || ('value' in variable && variable.value === '');

function expand(text: string, line: number, variables: ReadonlyMap<string, Variable>): Variable {
  let unknown: string | undefined;
  const value = text.replace(reference, (_, bare?: string, braced?: string, otherwise?: string) => {
    const name = bare ?? braced;
    const found = name === undefined ? undefined : variables.get(name);
    let piece = found ?? { unknown: `refers to $${name}, which the file has not set before` };
    if (name === undefined)
      piece = { unknown: 'needs a shell, but the file is only read as data and never executed' };
    else if (otherwise !== undefined && isEmpty(found)) piece = expand(otherwise, line, variables);
    if ('value' in piece) return piece.value;
    unknown ??= piece.unknown;
    return '';
  });
  return unknown === undefined ? { value: unprotect(value), line } : { unknown, line };
}
