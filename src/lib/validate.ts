import type { ErrorObject } from 'ajv';
import type { Problem } from './errors.js';
import { nearest } from './nearest.js';
import { below, keysOf } from './pointer.js';
import { count, either, label, shorten, show, showTyped, typeNames } from './wording.js';

/** The longest list of problems. With this many, the first ones are enough to start with. */
const mostProblems = 50;

/** How many errors are looked at, because each is compared with the others. */
const mostErrors = 500;

/**
 * Turns ajv's errors into problems for people: the exact place, the value, what was expected, and the nearest right
 * word for a misspelt one. One mistake gives one problem.
 *
 * The errors must come from an ajv with `verbose`, so that they carry values and schemas. If a pattern or branches would
 * not tell a reader anything, a schema can describe what it expects in `x-expects` ("a size: …"). A `writeOnly` value is
 * a secret and is not shown. `prefix` is the pointer to the value in the whole body.
 */
export function explain(errors: readonly ErrorObject[], prefix = ''): Problem[] {
  const first = errors.slice(0, mostErrors);
  const misspelt = new Set(first.flatMap(misspeltKey));
  const seen = new Set<string>();
  const problems: Problem[] = [];
  for (const error of withoutNoise(first)) {
    if (problems.length === mostProblems) break;
    const pointer = placeOf(error);
    // `exce` for `exec` is one mistake: report the unknown key, but not the missing one as well.
    if (error.keyword === 'required' && misspelt.has(pointer)) continue;
    const detail = sentence(error, label(keysOf(pointer)));
    if (seen.has(`${pointer} ${detail}`)) continue;
    seen.add(`${pointer} ${detail}`);
    problems.push({ pointer: prefix + pointer, detail });
  }
  return problems;
}

/** The place of a problem. A missing or unknown key has its own place. */
function placeOf({ keyword, instancePath, params, propertyName }: ErrorObject): string {
  if (propertyName !== undefined) return below(instancePath, propertyName);
  if (keyword === 'required' || keyword === 'dependentRequired')
    return below(instancePath, params.missingProperty);
  const extra = params.additionalProperty ?? params.unevaluatedProperty;
  return extra === undefined ? instancePath : below(instancePath, extra);
}

/** The pointer to the key that a misspelt key was meant to be. */
function misspeltKey(error: ErrorObject): string[] {
  const key = error.params.additionalProperty ?? error.params.unevaluatedProperty;
  const meant = key === undefined ? undefined : nearest(key, knownKeys(error));
  return meant === undefined ? [] : [below(error.instancePath, meant)];
}

/** Leaves out errors that only repeat others, so that each failed `anyOf` or `oneOf` is reported once. */
function withoutNoise(errors: readonly ErrorObject[]): ErrorObject[] {
  let kept: ErrorObject[] = [];
  for (const error of errors) {
    // A value of the wrong type need not be reported as too small as well.
    if (error.keyword !== 'type' && errors.some((other) => isTypeErrorOf(other, error))) continue;
    if (error.keyword === 'if' || error.keyword === 'propertyNames') continue;
    if (error.keyword !== 'anyOf' && error.keyword !== 'oneOf') {
      kept.push(error);
      continue;
    }
    // Ajv reports the branches first, then that none of them matches.
    const fromBranches = kept.filter((earlier) => isFromBranch(earlier, error));
    const deeper = fromBranches.filter((earlier) => earlier.instancePath !== error.instancePath);
    const right = deeper.length > 0 ? deeper : fromBranches.filter((earlier) => !saysOtherKind(earlier));
    kept = kept.filter((earlier) => !fromBranches.includes(earlier));
    // A branch of the right type that fails deeper inside is the one that was meant. If every branch only lacks a key,
    // the schema's own words say more.
    const lacking = right.every(({ keyword }) => keyword === 'required');
    const inWords = lacking && error.parentSchema?.['x-expects'] !== undefined;
    if (right.length > 0 && !inWords) kept.push(...right);
    else kept.push({ ...error, params: { ...error.params, branches: fromBranches } });
  }
  return kept;
}

function isTypeErrorOf(other: ErrorObject, { instancePath, parentSchema }: ErrorObject): boolean {
  return (
    other.keyword === 'type' && other.parentSchema === parentSchema && other.instancePath === instancePath
  );
}

function isFromBranch(earlier: ErrorObject, union: ErrorObject): boolean {
  const inside =
    earlier.instancePath === union.instancePath || earlier.instancePath.startsWith(`${union.instancePath}/`);
  if (!inside) return false;
  // Errors of keywords beside the union are independent of it.
  const around = union.schemaPath.slice(0, -union.keyword.length);
  if (!earlier.schemaPath.startsWith(around)) return true;
  const beside = earlier.schemaPath.slice(around.length);
  return beside.startsWith(`${union.keyword}/`) || beside.startsWith('$defs/');
}

function saysOtherKind({ keyword }: ErrorObject): boolean {
  return keyword === 'type' || keyword === 'const' || keyword === 'enum';
}

function knownKeys({ parentSchema }: ErrorObject): string[] {
  return Object.keys((parentSchema?.properties as object | undefined) ?? {});
}

/** What is wrong, in words. `name` is the name of the value. */
function sentence(error: ErrorObject, name: string): string {
  const { keyword, params, data, parentSchema } = error;
  const limit = params.limit as number;
  const expects = parentSchema?.['x-expects'] as string | undefined;
  switch (keyword) {
    case 'required':
      return `${name} is required but missing`;
    case 'dependentRequired':
      return `${name} is required together with ${params.property}`;
    case 'additionalProperties':
    case 'unevaluatedProperties':
      return unknownKey(error);
    case 'type':
      return `${name} must be ${wantedType(params.type, expects)}, not ${parentSchema?.writeOnly ? 'that' : showTyped(data)}`;
    case 'enum':
      return oneOfThese(name, params.allowedValues, data);
    case 'const':
      return oneOfThese(name, [params.allowedValue], data);
    case 'minimum':
      return `${name} must be ${limit} or more, not ${show(data)}`;
    case 'maximum':
      return `${name} must be ${limit} or less, not ${show(data)}`;
    case 'exclusiveMinimum':
      return `${name} must be more than ${limit}, not ${show(data)}`;
    case 'exclusiveMaximum':
      return `${name} must be less than ${limit}, not ${show(data)}`;
    case 'multipleOf':
      return `${name} must be a multiple of ${params.multipleOf}, not ${show(data)}`;
    case 'minLength':
      return limit === 1
        ? `${name} must not be empty`
        : `${name} must have at least ${count(limit, 'character')}, not ${(data as string).length}`;
    case 'maxLength':
      return `${name} may have at most ${count(limit, 'character')}, not ${(data as string).length}`;
    case 'minItems':
      return limit === 1 ? `${name} must not be empty` : `${name} must have at least ${count(limit, 'item')}`;
    case 'maxItems':
      return `${name} may have at most ${count(limit, 'item')}, not ${(data as unknown[]).length}`;
    case 'uniqueItems':
      return `${name} has the same item twice, at ${params.j} and ${params.i}`;
    case 'minProperties':
      return limit === 1 ? `${name} must not be empty` : `${name} must have at least ${count(limit, 'key')}`;
    case 'maxProperties':
      return `${name} may have at most ${count(limit, 'key')}`;
    case 'not':
      return `${name} must be ${expects ?? 'another value'}, not ${show(data)}`;
    case 'pattern':
      return `${name} must be ${expects ?? `text that matches ${params.pattern}`}, not ${show(data)}`;
    case 'format':
      return `${name} must be ${expects ?? `text of the format "${params.format}"`}, not ${show(data)}`;
    case 'anyOf':
    case 'oneOf':
      return noBranch(error, name, expects);
    case 'false schema':
      return `${name} is not allowed here`;
    default:
      return `${name} ${error.message ?? `does not satisfy "${keyword}"`}`;
  }
}

/** If several types are allowed, the schema's own words say more than a list of them. */
function wantedType(types: string | string[], expects: string | undefined): string {
  return Array.isArray(types) && expects !== undefined ? expects : typeNames(types);
}

function unknownKey(error: ErrorObject): string {
  const key: string = error.params.additionalProperty ?? error.params.unevaluatedProperty;
  const known = knownKeys(error);
  const parent = keysOf(error.instancePath);
  const unknown = `unknown key "${shorten(key)}"${parent.length === 0 ? '' : ` in ${label(parent)}`}`;
  const meant = nearest(key, known);
  if (meant !== undefined) return `${unknown}; did you mean "${meant}"?`;
  if (known.length === 0) return unknown;
  return `${unknown}; known keys: ${known.map((word) => `"${word}"`).join(', ')}`;
}

function oneOfThese(name: string, allowed: readonly unknown[], data: unknown): string {
  const words = allowed.filter((value) => typeof value === 'string');
  const meant = typeof data === 'string' ? nearest(data, words) : undefined;
  const hint = meant !== undefined && allowed.length > 1 ? `; did you mean "${meant}"?` : '';
  return `${name} must be ${either(allowed.map(show))}, not ${show(data)}${hint}`;
}

function noBranch({ params, data }: ErrorObject, name: string, expects: string | undefined): string {
  if (expects !== undefined) return `${name} must be ${expects}, not ${show(data)}`;
  if (params.passingSchemas) return `${name} matches more than one of the allowed forms; use only one`;
  const branches: ErrorObject[] = params.branches ?? [];
  const values = branches.flatMap(
    (branch) => branch.params.allowedValues ?? branch.params.allowedValue ?? [],
  );
  const types = [...new Set(branches.flatMap((branch) => branch.params.type ?? []))];
  if (types.length === 0 && values.length > 0) return oneOfThese(name, values, data);
  const forms = either([...types.map((type) => typeNames(type)), ...values.map(show)]);
  return forms === ''
    ? `${name} has none of the allowed forms`
    : `${name} must be ${forms}, not ${showTyped(data)}`;
}
