import type { Problem } from '../../lib/errors.js';
import { below } from '../../lib/pointer.js';
import { showTyped } from '../../lib/wording.js';
import { fileNameProblem } from '../definitions/file-name.js';

/** Files as one JSON document: the name of each, and its content as text, or as base64 if it is not text. */
export type FileDocument = Readonly<Record<string, FileContent>>;
export type FileContent = string | { base64: string };

/** The longest list of problems. */
const mostProblems = 50;

/** Why a value is not a document of files, each problem with its place; empty if it is one. */
export function checkFileDocument(value: unknown, pointer = ''): Problem[] {
  if (!isObject(value)) {
    const detail = `the files must be an object of file name and content, not ${showTyped(value)}`;
    return [{ pointer, detail }];
  }
  const problems: Problem[] = [];
  for (const [name, content] of Object.entries(value)) {
    const place = below(pointer, name);
    const wrong = fileNameProblem(name);
    if (wrong !== undefined) problems.push({ pointer: place, detail: wrong });
    problems.push(...contentProblems(content, place));
    if (problems.length >= mostProblems) break;
  }
  return problems.slice(0, mostProblems);
}

/** The content of each file by its name: text as it is, base64 decoded. */
export function filesOf(document: FileDocument): Map<string, string | Buffer> {
  return new Map(
    Object.entries(document).map(([name, content]) => [
      name,
      typeof content === 'string' ? content : Buffer.from(content.base64, 'base64'),
    ]),
  );
}

function contentProblems(content: unknown, pointer: string): Problem[] {
  if (typeof content === 'string') return textProblems(content, pointer);
  if (!isObject(content)) {
    const detail = `the content of a file must be text or {"base64": "…"}, not ${showTyped(content)}`;
    return [{ pointer, detail }];
  }
  const other = Object.keys(content).find((key) => key !== 'base64');
  if (other !== undefined) {
    const detail = `unknown key "${other.slice(0, 60)}"; the only key is "base64"`;
    return [{ pointer: below(pointer, other), detail }];
  }
  const place = below(pointer, 'base64');
  if (!Object.hasOwn(content, 'base64'))
    return [{ pointer: place, detail: 'base64 is required but missing' }];
  const { base64 } = content;
  if (typeof base64 !== 'string') {
    return [{ pointer: place, detail: `base64 must be a string, not ${showTyped(base64)}` }];
  }
  return isBase64(base64)
    ? []
    : [{ pointer: place, detail: 'this is not valid base64 (the alphabet with + and /)' }];
}

/** JSON can hold halves of surrogate pairs, which UTF-8 cannot: the file would get different content. */
function textProblems(text: string, pointer: string): Problem[] {
  return !isWellFormed(text)
    ? [
        {
          pointer,
          detail: 'the text contains half of a surrogate pair, which is not a character; send it as base64',
        },
      ]
    : [];
}

/** Whether the text has no lone half of a surrogate pair. Native code where possible: a text may be long. */
function isWellFormed(text: string): boolean {
  return (text as string & { isWellFormed(): boolean }).isWellFormed();
}

/** Whether a text is base64 in the standard alphabet, padded or not. */
function isBase64(text: string): boolean {
  const padding = text.endsWith('==') ? 2 : text.endsWith('=') ? 1 : 0;
  if (padding > 0 && text.length % 4 !== 0) return false;
  const digits = text.length - padding;
  // Searches for a wrong character: matching the whole would have to backtrack over a long text.
  return digits % 4 !== 1 && !/[^A-Za-z0-9+/]/.test(text.slice(0, digits));
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
