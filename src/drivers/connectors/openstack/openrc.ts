import { messageOf } from '../../../lib/errors.js';
import { ConnectorError } from '../connector.js';
import { type Piece, shellCommands, type Word } from './shell-words.js';

/** What a file says of a variable: its value, or why only a shell could tell it. */
export type Variable = { value: string; line: number } | { unknown: string; line: number };

/** Words that begin and end what is done on a condition or several times. */
const opening = new Set(['if', 'for', 'while', 'until', 'case', '{']);
const closing = new Set(['fi', 'done', 'esac', '}']);
const passing = new Set(['then', 'else', 'elif', 'do', '!']);
const declaring = new Set(['export', 'declare', 'typeset', 'readonly', 'local']);
const assignment = /^([A-Za-z_][A-Za-z0-9_]*)(\+?)=/;

const plain = (word: Word | undefined) => {
  const [piece, more] = word?.pieces ?? [];
  return piece !== undefined && more === undefined && 'text' in piece ? piece.text : undefined;
};

/**
 * Reads an openrc file as data: assignments with or without `export`, quotes, references to variables that are set
 * before in the file, `unset`. Nothing is executed, so what a `read`, a command or a condition would give is known to be
 * unknown, with the reason.
 *
 * @param source the text of the file
 * @param file its name, for messages
 */
export function readOpenrc(source: string, file: string): Map<string, Variable> {
  const variables = new Map<string, Variable>();
  let depth = 0;
  for (const command of commandsOf(source, file)) {
    let words = command;
    for (let word = plain(words[0]); word !== undefined; word = plain(words[0])) {
      if (opening.has(word)) depth += 1;
      else if (closing.has(word)) depth = Math.max(0, depth - 1);
      else if (!passing.has(word)) break;
      words = words.slice(1);
    }
    const first = plain(words[0]);
    if (first === 'read') asked(words, variables);
    else if (first === 'unset') {
      // In a condition it is the habit of clearing away what is empty, and empty is as good as unset.
      if (depth === 0) for (const word of words) variables.delete(plain(word) ?? '');
    } else assign(words, depth > 0, variables);
  }
  return variables;
}

function commandsOf(source: string, file: string): Word[][] {
  try {
    return shellCommands(source);
  } catch (error) {
    throw new ConnectorError('refused', `${file}, ${messageOf(error)}`);
  }
}

function assign(command: readonly Word[], conditional: boolean, variables: Map<string, Variable>): void {
  let words = command;
  if (declaring.has(plain(words[0]) ?? ''))
    words = words.slice(1).filter((word) => !/^-/.test(plain(word) ?? ''));
  const found: { name: string; add: boolean; rest: Piece[]; line: number }[] = [];
  for (const { pieces, line } of words) {
    const [head, ...tail] = pieces;
    const match = head !== undefined && 'text' in head ? assignment.exec(head.text) : null;
    if (match === null || head === undefined || !('text' in head)) {
      // `export NAME` says nothing new; `NAME=value command` sets it for the command only.
      if (words === command) return;
      continue;
    }
    const [whole, name = '', add] = match;
    found.push({ name, add: add === '+', rest: [{ text: head.text.slice(whole.length) }, ...tail], line });
  }
  for (const { name, add, rest, line } of found) {
    const before = variables.get(name);
    if (conditional) {
      if (before === undefined || ('value' in before && before.value === ''))
        variables.set(name, { unknown: 'is set on a condition, and conditions are not evaluated', line });
      continue;
    }
    const value = expand(rest, line, variables);
    if (!add || before === undefined || 'unknown' in value) variables.set(name, value);
    else if ('value' in before) variables.set(name, { value: before.value + value.value, line });
  }
}

/** `read -s -p prompt NAME`: only a person knows. */
function asked(words: readonly Word[], variables: Map<string, Variable>): void {
  for (const word of words.slice(1)) {
    const name = plain(word) ?? '';
    if (/^[A-Za-z_][A-Za-z0-9_]*$/.test(name))
      variables.set(name, {
        unknown:
          'is asked for at the keyboard (`read`), and nobody is asked here: put the value into the file',
        line: word.line,
      });
  }
}

function expand(pieces: readonly Piece[], line: number, variables: ReadonlyMap<string, Variable>): Variable {
  let text = '';
  for (const piece of pieces) {
    if ('text' in piece) text += piece.text;
    else if ('command' in piece)
      return { unknown: 'is made by a shell, and the file is read as data and never executed', line };
    else {
      const found = variables.get(piece.variable);
      const empty = found === undefined || ('value' in found && found.value === '');
      const value: Variable =
        empty && piece.orElse !== null
          ? expand(piece.orElse, line, variables)
          : (found ?? { unknown: `refers to $${piece.variable}, which the file does not set before`, line });
      if ('unknown' in value) return { unknown: value.unknown, line };
      text += value.value;
    }
  }
  return { value: text, line };
}
