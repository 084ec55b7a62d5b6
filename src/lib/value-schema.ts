import { createRequire } from 'node:module';
import type { ValidateFunction } from 'ajv';
import type { Ajv2020 } from 'ajv/dist/2020.js';
import { openAjv } from './ajv.js';
import { distinctItems } from './distinct-items.js';
import { messageOf, type Problem } from './errors.js';
import { Kept } from './kept.js';
import { explain } from './validate.js';
import { show } from './wording.js';

const load = createRequire(import.meta.url);

/** A JSON Schema (2020-12) as a user wrote it, for one value. */
export type ValueSchema = Readonly<Record<string, unknown>>;

/** Returns the problems of a value. `prefix` is the pointer to the value in the whole body. */
type ValueCheck = (value: unknown, prefix?: string) => Problem[];

/** Characters of schemas whose checks are kept. */
const mostKept = 400_000;
/** The code that ajv makes of a schema takes several times the memory of its text. */
const ownWeight = 2000;
/** No format needs more characters, and some take long for long ones. */
const longestFormatted = 4096;
/** A value of more parts is checked up to its first mistake: each part may have one for each part of the schema. */
const mostParts = 200;
/** What ajv has ever compiled stays in its memory, so it is replaced after so many schemas. */
const mostCompiled = 500;

const kept = new Kept<string, ValueCheck>(mostKept);

/** Characters times the size of a pattern that one check may take: about a tenth of a second. */
const mostSteps = 4_000_000;
/** What the check that is going on has taken so far. */
let steps = 0;
class TooLong extends Error {}

/**
 * Patterns are run by RE2, in a time linear in the text: with JavaScript's own engine, a pattern of a user's could stop
 * the server for years.
 */
function linearPattern(pattern: string): { test(text: string): boolean; toString(): string } {
  const { RE2JS } = load('re2js') as typeof import('re2js');
  let compiled: ReturnType<typeof RE2JS.compile>;
  try {
    compiled = RE2JS.compile(pattern);
  } catch (error) {
    const reason = messageOf(error).replace(/^error parsing regexp: /, '');
    throw new Error(`its pattern ${show(pattern)} cannot be used: ${reason}`, { cause: error });
  }
  const size = compiled.programSize();
  return {
    test(text) {
      steps += text.length * size;
      if (steps > mostSteps) throw new TooLong();
      return compiled.matcher(text).find();
    },
    // Ajv takes patterns that are the same as text for the same pattern.
    toString: () => `re2:${pattern}`,
  };
}
/** Part of the code that ajv would write into a file of its own. */
linearPattern.code = 'linearPattern';

function open(allErrors: boolean): Ajv2020 {
  const ajv = openAjv(
    { allErrors, useDefaults: false },
    { code: { regExp: linearPattern as never }, multipleOfPrecision: 9, addUsedSchema: false },
  );
  ajv.removeKeyword('uniqueItems');
  ajv.addKeyword(distinctItems);
  for (const [name, format] of Object.entries(ajv.formats)) {
    if (format === undefined || typeof format === 'boolean') continue;
    const fits =
      format instanceof RegExp
        ? (text: string) => format.test(text)
        : typeof format === 'function'
          ? format
          : undefined;
    if (fits === undefined) continue;
    ajv.addFormat(name, (text: string) => text.length <= longestFormatted && fits(text));
  }
  return ajv;
}

/** Ajv that finds all mistakes, or the first one only. */
function compiler(allErrors: boolean) {
  let opened: Ajv2020 | undefined;
  let compiled = 0;
  return (): Ajv2020 => {
    compiled += 1;
    if (opened === undefined || compiled > mostCompiled) {
      opened = open(allErrors);
      compiled = 1;
    }
    return opened;
  };
}
const [ofAll, ofFirst] = [compiler(true), compiler(false)];

/** Compiles a schema; ajv would otherwise keep every one that it has ever seen. */
function compiledBy(ajv: Ajv2020, schema: ValueSchema): ValidateFunction {
  try {
    return ajv.compile(schema);
  } finally {
    ajv.removeSchema(schema);
  }
}

/**
 * The check that a schema stands for. The schema must be bounded and must not refer to itself, since its author may be
 * anybody.
 *
 * @param pointer the place of the schema, for its own problems
 * @returns the check, or what is wrong with the schema itself
 */
export function compileSchema(schema: ValueSchema, pointer = ''): ValueCheck | Problem[] {
  const text = JSON.stringify(schema);
  const known = kept.get(text);
  if (known !== undefined) return known;
  const ajv = ofAll();
  if (ajv.validateSchema(schema) !== true) return explain(ajv.errors ?? [], pointer);
  try {
    const findAll = compiledBy(ajv, schema);
    let findFirst: ValidateFunction | undefined;
    const check: ValueCheck = (value, prefix = '') => {
      const many = hasMany(value);
      if (many) findFirst ??= compiledBy(ofFirst(), schema);
      const find = many && findFirst !== undefined ? findFirst : findAll;
      steps = 0;
      try {
        return find(value) ? [] : explain(find.errors ?? [], prefix);
      } catch (error) {
        if (!(error instanceof TooLong)) throw error;
        return [{ pointer: prefix, detail: 'this is too long to be compared with its pattern' }];
      }
    };
    kept.set(text, check, text.length + ownWeight);
    return check;
  } catch (error) {
    return [{ pointer, detail: messageOf(error).replace(/^strict mode: /, '') }];
  }
}

/** Whether a value has more parts than can all be told what is wrong with them. */
function hasMany(value: unknown): boolean {
  const waiting = [value];
  for (let seen = 1; waiting.length > 0; seen += 1) {
    if (seen + waiting.length > mostParts) return true;
    const next = waiting.pop();
    if (typeof next === 'object' && next !== null) for (const one of Object.values(next)) waiting.push(one);
  }
  return false;
}
