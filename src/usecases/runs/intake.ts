import { Readable } from 'node:stream';
import { namedFiles } from '../../domain/definitions/command.js';
import { fileNameProblem } from '../../domain/definitions/file-name.js';
import type { ProcessDefinition } from '../../domain/definitions/process-definition.js';
import { type InputDeclaration, inputsOf } from '../../domain/inputs/declaration.js';
import { type FileReference, referenceForms, referenceProblem } from '../../domain/inputs/file-reference.js';
import { unknownInput } from '../../domain/inputs/input-values.js';
import { fits, mayHold, sameKind } from '../../domain/inputs/media-type.js';
import { valueOfTexts } from '../../domain/inputs/value-text.js';
import { copyWritten } from '../../domain/json/written-json.js';
import { PenstockError, type Problem } from '../../lib/errors.js';
import { nearest } from '../../lib/nearest.js';
import { below } from '../../lib/pointer.js';
import { invalid } from '../body.js';
import type { Received, Receiver } from './receive.js';
import { sniffedType } from './sniff.js';

/** The inputs that a run may send: those that are declared, or those that an older definition has by its placeholders. */
export interface TakenInputs {
  inputs: readonly InputDeclaration[];
  /** The one that is the main input. */
  main: string | null;
  /** False for an older definition: unknown names are found out later, in the words of the time. */
  declared: boolean;
}

/** The inputs of a definition; older spellings are read as declarations. */
export function takenInputs(definition: ProcessDefinition): TakenInputs {
  const { inputs, mainInput } = definition;
  if (inputs !== null) return { inputs, main: mainInput, declared: true };
  return olderInputs(namedFiles(definition).inputs);
}

/** The inputs of what declares none: a file `input`, and those with names. */
export function olderInputs(named: readonly string[]): TakenInputs {
  const file = { type: 'file', optional: true };
  const names = ['input', ...named.filter((name) => name !== 'input')];
  return {
    inputs: inputsOf(Object.fromEntries(names.map((name) => [name, file]))),
    main: 'input',
    declared: false,
  };
}

/** The problem of a file `input_file.NAME` that nothing reads. */
export function unreadNamed(name: string, inputs: readonly { name: string }[]): Problem {
  const near = nearest(
    name,
    inputs.map((input) => input.name),
  );
  const hint = near === undefined ? '' : `; did you mean input_file.${near}?`;
  return { pointer: `/input_file.${name}`, detail: `nothing reads \${input_file.${name}}${hint}` };
}

/** Where an output of another job is, for who may see it. */
export type FindOutput = (
  uuid: string,
  name: string | undefined,
) => Promise<{ file: string; name: string; identity: string }[]>;

/** Fetches a URL; the name is that which the URL suggests. */
type Fetch = (url: string) => Promise<{ stream: AsyncIterable<Buffer>; name: string | undefined }>;

/** Takes in the inputs of one run, in whatever form they come. */
export function openIntake(given: {
  receiver: Receiver;
  received: Received;
  taken: TakenInputs;
  digest: boolean;
}) {
  const { receiver, received, taken, digest } = given;
  const texts = new Map<string, string[]>();
  const declared = (name: string) => taken.inputs.find((input) => input.name === name);
  const at = (name: string) => below('/inputs', name);
  const refuse = (problems: readonly Problem[]) => invalid('invalid-input', problems);

  /** The declaration of an input that a file was sent for. */
  function forFile(name: string): InputDeclaration {
    const input = declared(name);
    if (input === undefined && !taken.declared)
      throw invalid('invalid-body', [unreadNamed(name, taken.inputs)]);
    if (input === undefined) {
      const names = taken.inputs.map((one) => one.name);
      throw refuse([{ pointer: at(name), detail: unknownInput(name, names) }]);
    }
    if (input.kind !== 'value') return input;
    throw refuse([{ pointer: at(name), detail: `${name} is a value, and a file was sent` }]);
  }

  async function checkType(input: InputDeclaration, file: string, name: string, said: string): Promise<void> {
    if (input.mediaTypes.length === 0) return;
    const found = await sniffedType(file);
    const held = found !== null && input.mediaTypes.some((wanted) => mayHold(found, wanted));
    const type = (held ? null : found) ?? (sameKind(said, input.mediaTypes) ? null : said);
    if (type === null || input.mediaTypes.some((wanted) => fits(type, wanted))) return;
    const detail = `${input.name} takes ${input.mediaTypes.join(', ')}, and ${JSON.stringify(name)} ${found === null ? 'was sent as' : 'is'} ${type}`;
    throw refuse([{ pointer: at(input.name), detail }]);
  }

  async function store(
    input: InputDeclaration,
    name: string,
    stream: AsyncIterable<Buffer | string>,
    said: string,
  ): Promise<void> {
    const main = input.name === taken.main;
    const file = await receiver.storeFile(received, input, main, name, stream, { digest });
    await checkType(input, file, name, said);
  }

  return {
    taken,

    /** Whether any of the inputs is a file. */
    takesFiles: taken.inputs.some(({ kind }) => kind !== 'value'),

    /** The input that a body of bytes is: the main one, or the only file. */
    ofBody(): InputDeclaration {
      const main = declared(taken.main ?? '');
      const files = taken.inputs.filter(({ kind }) => kind !== 'value');
      const only = main ?? (files.length === 1 ? files[0] : undefined);
      if (only !== undefined) return only;
      const detail =
        files.length === 0
          ? 'this takes no file; send the inputs as JSON, or in the query: ?inputs.NAME=VALUE'
          : `this takes several files: ${files.map(({ name }) => name).join(', ')}; send them as parts of a form`;
      throw refuse([{ pointer: '', detail }]);
    },

    /** The input that a part of a form, or a parameter, means; undefined if it is none. */
    nameOf(part: string): string | undefined {
      if (part === 'input_file') return taken.declared ? (taken.main ?? undefined) : 'input';
      const [, own] = /^(?:input_file|inputs)\.([A-Za-z0-9_-]{1,64})$/.exec(part) ?? [];
      if (own !== undefined) return own;
      // An unknown name is found with everything else that is wrong.
      return taken.declared ? part : undefined;
    },

    /** A value as text: of a form's field, or of a parameter. */
    text(name: string, text: string): void {
      const input = declared(name);
      // An unknown name is found with all other mistakes, a text for a file is not taken for one.
      if (input !== undefined && input.kind !== 'value') {
        throw refuse([
          { pointer: at(name), detail: `${name} is a file, and a text was sent; send it with a file name` },
        ]);
      }
      const known = texts.get(name) ?? [];
      if (known.length >= 1000)
        throw refuse([{ pointer: at(name), detail: `${name} was sent more than 1,000 times` }]);
      texts.set(name, [...known, text]);
    },

    /** A file, with its media type as the client says; empty if it does not. */
    async file(
      name: string,
      fileName: string | undefined,
      stream: AsyncIterable<Buffer | string>,
      said = '',
    ): Promise<void> {
      await store(forFile(name), fileName ?? name, stream, said);
    },

    forFile,

    /** What the JSON of a run gives. */
    async json(inputs: Readonly<Record<string, unknown>>, fetch: Fetch, find: FindOutput): Promise<void> {
      const references: { input: InputDeclaration; pointer: string; reference: FileReference }[] = [];
      const problems: Problem[] = [];
      for (const [name, value] of Object.entries(inputs)) {
        if (texts.has(name) || received.files[name] !== undefined) {
          problems.push({
            pointer: at(name),
            detail: `${name} was sent twice, in the JSON and outside of it`,
          });
          continue;
        }
        const input = declared(name);
        if (input === undefined || input.kind === 'value') {
          if (input !== undefined || taken.declared) continue;
          problems.push({
            pointer: at(name),
            detail: unknownInput(
              name,
              taken.inputs.map((one) => one.name),
            ),
          });
          continue;
        }
        const list = Array.isArray(value) && input.kind !== 'file' ? value : [value];
        for (const [index, one] of list.entries()) {
          const pointer = list === value ? below(at(name), index) : at(name);
          const detail = referenceProblem(one);
          if (detail === null) references.push({ input, pointer, reference: one as FileReference });
          // What is wrong may be shown with the value, and the value of a secret is not.
          else problems.push({ pointer, detail: `${name}: ${input.secret ? referenceForms : detail}` });
        }
        if (list.length === 0) received.files[name] = [];
      }
      if (problems.length > 0) throw refuse(problems);
      const values = Object.entries(inputs).filter(([name]) => {
        const kind = declared(name)?.kind;
        return kind === undefined || kind === 'value';
      });
      received.values = copyWritten(
        inputs,
        Object.fromEntries([...Object.entries(received.values), ...values]),
      );
      for (const { input, pointer, reference } of references) {
        await one(input, pointer, reference, fetch, find);
      }
    },

    /** To be called when all has come: reads the texts by their schemas. */
    finish(): void {
      const read = [...texts].map(([name, given]) => [
        name,
        valueOfTexts(declared(name)?.written ?? {}, given),
      ]);
      const all = Object.fromEntries([...Object.entries(received.values), ...read]) as Received['values'];
      received.values = copyWritten(received.values, all);
    },
  };

  async function one(
    input: InputDeclaration,
    pointer: string,
    reference: FileReference,
    fetch: Fetch,
    find: FindOutput,
  ): Promise<void> {
    const { name } = reference;
    if ('text' in reference) {
      return store(input, name ?? input.name, Readable.from([Buffer.from(reference.text)]), '');
    }
    if ('base64' in reference) {
      return store(input, name ?? input.name, Readable.from([Buffer.from(reference.base64, 'base64')]), '');
    }
    if ('url' in reference) {
      const fetched = await fetch(reference.url).catch((error: unknown) => {
        throw error instanceof PenstockError && error.code === 'invalid-input-url'
          ? new PenstockError(error.code, `${input.name}: ${error.message}`, {
              problems: [{ pointer: `${pointer}/url`, detail: error.message }],
            })
          : error;
      });
      return store(input, name ?? fetched.name ?? input.name, fetched.stream, '');
    }
    const found = await find(reference.job, reference.output).catch((error: unknown) => {
      if (!(error instanceof PenstockError)) throw error;
      throw refuse([{ pointer, detail: `${input.name}: ${error.message}` }]);
    });
    if (found.length !== 1 && input.kind === 'file') {
      const detail = `${input.name} is one file, and that output of the job ${reference.job} is ${found.length}`;
      throw refuse([{ pointer, detail }]);
    }
    for (const output of found) {
      const shown = found.length === 1 ? (name ?? output.name) : output.name;
      const plain = fileNameProblem(shown) === undefined ? shown : (shown.split('/').at(-1) ?? input.name);
      const file = await receiver.linkFile(received, input, input.name === taken.main, plain, output);
      await checkType(input, file, plain, '');
    }
  }
}

export type Intake = ReturnType<typeof openIntake>;
