import { type Declarations, type Declared, isFiles, isRequired } from '../../client/declared.js';

const width = 80;

/** Text in lines of at most 80 columns, all of them indented. */
function wrapped(text: string, indent: number): string {
  const lines: string[] = [];
  let line = '';
  for (const word of text.split(/\s+/).filter(Boolean)) {
    if (line !== '' && indent + line.length + 1 + word.length > width) {
      lines.push(line);
      line = word;
    } else line = line === '' ? word : `${line} ${word}`;
  }
  if (line !== '') lines.push(line);
  return lines.map((one) => ' '.repeat(indent) + one).join('\n');
}

const sentence = (text: unknown): string =>
  typeof text !== 'string' || text === '' ? '' : /[.?!]$/.test(text) ? text : `${text}.`;

/** How an input is written on the command line. */
function usageOf(name: string, input: Declared): string {
  if (input.type === 'boolean') return `--${name}, --no-${name}`;
  return isFiles(input) ? `${name}=@FILE` : `${name}=VALUE`;
}

/** What may be given, in words. */
function kindOf(input: Declared): string {
  const types = [input.media_type ?? []].flat().join(' or ');
  const size = input.max_size === undefined ? '' : `, up to ${String(input.max_size)}`;
  const more = `${types === '' ? '' : `, ${types}`}${size}`;
  if (input.type === 'file') return `a file${more}`;
  if (input.type === 'folder') return `a folder, or several files${more}`;
  if (isFiles(input)) return `several files: give it once for each${more}`;
  const values = input.enum as unknown[] | undefined;
  if (values !== undefined) return `one of ${values.map(String).join(', ')}`;
  const type = [input.type ?? 'any value'].flat().join(' or ');
  const { minimum, maximum, multipleOf, pattern, items } = input;
  const range =
    minimum !== undefined && maximum !== undefined
      ? ` from ${minimum} to ${maximum}`
      : minimum !== undefined
        ? ` from ${minimum} up`
        : maximum !== undefined
          ? ` up to ${maximum}`
          : '';
  const step = multipleOf === undefined ? '' : `, a multiple of ${multipleOf}`;
  const shape = pattern === undefined ? '' : ` like ${String(pattern)}`;
  const each =
    input.type === 'array'
      ? ` of ${kindOf((items as Declared | undefined) ?? {})}: give it once for each`
      : '';
  return `${type}${range}${step}${shape}${each}`;
}

/** What an input is when it is not given. */
function otherwise(input: Declared): string {
  if (Object.hasOwn(input, 'default')) return `Default: ${JSON.stringify(input.default)}.`;
  return isRequired(input) ? 'Required.' : 'Optional.';
}

/** The inputs and outputs of a definition or a pipeline, for its help. */
export function inputsHelp(
  name: string,
  inputs: Declarations | undefined,
  outputs: Declarations | undefined,
): string {
  if (inputs === undefined) {
    return `\n${name} declares no inputs. Its input file comes from standard input, or from --input.`;
  }
  const lines = ['', `Inputs of ${name}:`];
  const order = (input: Declared) =>
    typeof input.order === 'number' ? input.order : Number.POSITIVE_INFINITY;
  for (const [input, declared] of Object.entries(inputs).sort(([, one], [, other]) =>
    compare(order(one), order(other)),
  )) {
    const secret = declared.secret === true ? 'Kept secret.' : '';
    const stdin = declared.stdin === true ? 'By default standard input.' : '';
    const texts = [
      sentence(declared.title),
      sentence(declared.description),
      `${sentence(kindOf(declared)).replace(/^./, (letter) => letter.toUpperCase())}`,
      otherwise(declared),
      stdin,
      secret,
    ];
    lines.push(`  ${usageOf(input, declared)}`, wrapped(texts.join(' '), 6));
  }
  if (Object.keys(inputs).length === 0) lines.push('  none');
  const made = Object.entries(outputs ?? {});
  if (made.length > 0) lines.push('', `Outputs of ${name}:`);
  for (const [output, declared] of made) {
    const type = [declared.type ?? 'output of a step'].flat().join(' or ');
    const texts = [
      sentence(declared.title),
      sentence(declared.description),
      sentence(`${type}${declared.media_type === undefined ? '' : `, ${String(declared.media_type)}`}`),
    ];
    lines.push(`  ${output}`, wrapped(texts.join(' '), 6));
  }
  return lines.join('\n');
}

const compare = (one: number, other: number) => (one === other ? 0 : one - other);
