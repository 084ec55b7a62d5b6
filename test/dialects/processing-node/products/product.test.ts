import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  answerProduct,
  datasetContent,
  datasets,
  isProduct,
  testProduct,
  theName,
} from '../../../../src/dialects/processing-node/products/product.js';
import { emptied } from '../../../../src/dialects/processing-node/products/product-parts.js';
import type { JsonNode } from '../../../../src/domain/json/json-node.js';
import {
  jsonOf,
  member,
  members,
  parseJsonText,
  plain,
  writeJsonText,
} from '../../../../src/domain/json/json-text.js';
import { PenstockError } from '../../../../src/lib/errors.js';
import { fixtureFile } from '../../../support/paths.js';

const fixture = (version: string): JsonNode =>
  parseJsonText(readFileSync(fixtureFile(`products/${version}.json`), 'utf8'));
const now = new Date('2026-01-01T00:00:00.123Z');
const request = (input: JsonNode) => ({ creator: 'me', rootCause: 'a "test"', input, now });
const product = (text: string) => request(parseJsonText(text));

/** What is found on this way through objects, as it is written. */
function at(node: JsonNode, ...path: string[]): string {
  const found = path.reduce<JsonNode | undefined>((inner, key) => inner && member(inner, key), node);
  return found === undefined ? 'nothing' : writeJsonText(found);
}
const keys = (node: JsonNode | undefined) => (node === undefined ? [] : members(node).map(([key]) => key));
const names = (node: JsonNode) => datasets(node).map(([name]) => name);
/** In order, and with the spelling of numbers: what Python would compare, without the blanks. */
const compact = (node: JsonNode | undefined): string => {
  if (node?.kind === 'array') return `[${node.items.map(compact).join()}]`;
  if (node?.kind === 'object')
    return `{${members(node)
      .map(([key, value]) => `${key}:${compact(value)}`)
      .join()}}`;
  return node?.text ?? 'nothing';
};

const sides = [
  { version: 'v0.6', tag: 'classID', entries: ['meta', '_sets'], value: [] },
  { version: 'v0.8', tag: '_STID', entries: ['meta'], value: ['value'] },
];

describe.each(sides)('the dialect of $version', ({ version, tag, entries, value }) => {
  const input = fixture(version);
  const entry = (answer: JsonNode, key: string) => at(answer, ...entries, key, ...value);

  test('datasets come in order, and their content as it was written', () => {
    expect(isProduct(input)).toBe(true);
    expect(names(input)).toEqual(['energies', 'theName', '2', '1', 'note']);
    const contents = new Map(datasets(input).map(([name, dataset]) => [name, datasetContent(dataset)]));
    expect(contents.get('energies')).toBe('[1.0, 2, 1e5, 3.50,  -0.0]');
    expect(contents.get('1')).toEqual(new Uint8Array([0x00, 0xff, 0xc3, 0xa9]));
    expect(contents.get('note')).toBe('a bare text');
    expect(contents.get('2')).toContain('[NaN, 7]');
    expect(theName(input)).toBe('stranger');
  });

  test('testcalc answers with the first entry, the first dataset and a table', () => {
    const answer = testProduct(request(input));
    expect(at(answer, tag)).toBe('"Product"');
    expect(keys(answer)).toEqual(keys(input));
    expect(at(answer, ...entries, 'description')).toBe(at(input, ...entries, 'description'));
    const said = ['creator', 'rootCause', 'instrument', 'modelName', 'type', 'mission'];
    expect(said.map((key) => entry(answer, key))).toEqual([
      '"me"',
      '"a \\"test\\""',
      '"MyFavourite"',
      '"Flight"',
      '"test"',
      '"SVOM"',
    ]);
    expect(at(answer, ...entries, 'endDate')).toBe(at(input, ...entries, 'endDate'));
    expect(at(answer, ...entries, 'exposure')).toBe('nothing');
    expect(names(answer)).toEqual(
      tag === 'classID' ? ['energies', 'Spectrum', 'QualityImage'] : ['energies', 'spectrum'],
    );
    expect(at(answer, '_sets', 'energies')).toBe(at(input, '_sets', 'energies'));
  });

  test('testrun answers with theAnswer, like theName', () => {
    const answer = answerProduct(request(input), 'hello "stranger"!\n');
    expect(names(answer)).toEqual(['theAnswer']);
    expect(at(answer, '_sets', 'theAnswer', tag)).toBe('"GenericDataset"');
    expect(datasetContent(datasets(answer)[0]?.[1] ?? jsonOf(null))).toBe('hello "stranger"!\n');
    expect(keys(datasets(answer)[0]?.[1])).toEqual(keys(datasets(input)[1]?.[1]));
    expect(at(answer, '_sets', 'theAnswer', 'description')).not.toContain('greeted');
    const said = ['description', 'creator', 'instrument', 'modelName', 'type'];
    expect(said.map((key) => entry(answer, key))).toEqual([
      '"Demo pipeline product"',
      '"me"',
      '"hello"',
      '"you know what!"',
      '"test"',
    ]);
    expect(keys(member(answer, 'meta'))).not.toContain('exposure');
  });

  test('the history is a fresh one, with the same keys', () => {
    const history = member(testProduct(request(input)), 'history');
    expect(keys(history)).toEqual(keys(member(input, 'history')));
    expect(compact(history)).toBe(
      tag === 'classID'
        ? '{description:"how it came about",HIST_SCRIPT:"",PARAM_HISTORY:"",TASK_HISTORY:"",meta:{_sets:{},listenersurn:[],classID:"MetaData",version:""},_sets:{},listenersurn:[],classID:"History",version:""}'
        : '{description:"how it came about",HIST_SCRIPT:"",PARAM_HISTORY:{_STID:"ODict"},TASK_HISTORY:"",meta:{_STID:"MetaData"},_sets:{_STID:"ODict"},_STID:"History"}',
    );
  });
});

describe('the table of testcalc', () => {
  test('has bare columns in the classID dialect', () => {
    const answer = testProduct(request(fixture('v0.6')));
    expect(at(answer, '_sets', 'Spectrum', 'data')).toBe(
      '{"col1": [1, 4.4, 5400.0], "col2": [0, 43.2, 2000.0]}',
    );
    expect(at(answer, '_sets', 'Spectrum', 'classID')).toBe('"TableDataset"');
    expect(at(answer, '_sets', 'Spectrum', 'meta')).toBe(
      '{"_sets": {}, "listenersurn": [], "classID": "MetaData", "version": ""}',
    );
    expect(at(answer, '_sets', 'QualityImage')).toBe('"aQualityImage"');
  });

  test('has columns with units in the _STID dialect, and the attributes of the first dataset', () => {
    const answer = testProduct(request(fixture('v0.8')));
    const table = ['_sets', 'spectrum'];
    expect(at(answer, ...table, 'data', 'col1', 'data')).toBe('[1, 4.4, 5400.0]');
    expect(at(answer, ...table, 'data', 'col1', 'unit')).toBe('"eV"');
    expect(at(answer, ...table, 'data', 'col2', 'data')).toBe('[0, 43.2, 2000.0]');
    expect(at(answer, ...table, 'data', 'col2', 'unit')).toBe('"cnt"');
    expect(at(answer, ...table, 'data', 'col2', '_STID')).toBe('"Column"');
    expect(at(answer, ...table, 'data', '_STID')).toBe('"ODict"');
    expect(at(answer, ...table, 'FORMATV')).toBe('"1.6.0.1"');
    expect(keys(datasets(answer)[1]?.[1])).toEqual(keys(datasets(fixture('v0.8'))[0]?.[1]));
  });

  test('needs no first dataset', () => {
    expect(names(testProduct(product('{"meta": {}}')))).toEqual(['Spectrum', 'QualityImage']);
    expect(names(testProduct(product('{"_STID": "Product", "_sets": [1]}')))).toEqual(['spectrum']);
    const bare = testProduct(product('{"_STID": "Product", "_sets": {"a": "text", "_STID": "ODict"}}'));
    expect(keys(member(bare, '_sets'))).toEqual(['a', 'spectrum', '_STID']);
    expect(at(bare, '_sets', 'spectrum', 'meta')).toBe('{"_STID": "MetaData"}');
  });
});

describe('creationDate', () => {
  const dated = (text: string, key: 'classID' | '_STID' = 'classID') =>
    at(
      testProduct(
        product(`{"meta": {${text === '' ? '' : `"creationDate": ${text}`}}, "${key}": "Product"}`),
      ),
      'meta',
      'creationDate',
    );

  test.each([
    [
      'microseconds since 2000',
      '{"tai": 1, "classID": "FineTime1"}',
      '{"tai": 820540800123000.0, "classID": "FineTime1"}',
    ],
    [
      'microseconds since 1958',
      '{"tai": 1, "_STID": "FineTime"}',
      '{"tai": 2145916837123000, "_STID": "FineTime"}',
    ],
    [
      'milliseconds since 2017',
      '{"tai": 1, "_STID": "FineTime1"}',
      '{"tai": 283996837123, "_STID": "FineTime1"}',
    ],
    [
      'inside a parameter',
      '{"value": {"tai": 1.0, "_STID": "FineTime1"}, "unit": 1.0}',
      '{"value": {"tai": 283996837123, "_STID": "FineTime1"}, "unit": 1.0}',
    ],
    ['without a class', '{"tai": 1}', '{"tai": 820540800123000.0}'],
    ['a scalar', '"today"', '{"tai": 820540800123000.0, "classID": "FineTime1", "version": ""}'],
    ['missing', '', '{"tai": 820540800123000.0, "classID": "FineTime1", "version": ""}'],
  ])('%s', (_what, before, after) => {
    expect(dated(before)).toBe(after);
  });

  test('is a parameter where the _STID dialect has none, and a time in one without a time', () => {
    const time = '{"tai": 2145916837123000, "format": "%Y-%m-%dT%H:%M:%S.%f", "_STID": "FineTime"}';
    expect(dated('', '_STID')).toContain(`"value": ${time}, "valid": null`);
    expect(dated('', '_STID')).toContain('"_STID": "DateParameter"');
    expect(dated('{"value": null, "x": 1}', '_STID')).toBe(`{"value": ${time}, "x": 1}`);
    expect(dated('0', '_STID')).toBe(time);
  });
});

describe('meta', () => {
  test('the first entry is taken over as it is, and then the description is unknown', () => {
    const answer = testProduct(
      product(
        '{"meta": {"_STID": "MetaData", "listeners": [], "1": {"value":  1.0}, "2": 2, "description": "d"}}',
      ),
    );
    expect(at(answer, 'meta', '1')).toBe('{"value":  1.0}');
    expect(at(answer, 'meta', '2')).toBe('nothing');
    expect(at(answer, 'meta', 'description')).toBe('"UNKNOWN"');
    expect(at(answer, 'meta', 'listeners')).toBe('[]');
    expect(at(answer, 'meta', 'creator')).toBe(
      '{"description": "creator", "default": "", "value": "me", "valid": null, "typecode": "B", "_STID": "StringParameter"}',
    );
  });

  test('is made where there is none', () => {
    const answer = testProduct(product('{"classID": "Product", "version": "", "meta": 1}'));
    expect(at(answer, 'meta', '_sets', 'creator')).toBe('"me"');
    expect(at(answer, 'meta', 'classID')).toBe('"MetaData"');
    expect(at(answer, 'history', 'classID')).toBe('"History"');
  });
});

describe('what is no Product', () => {
  test.each([
    ['{"a.txt": "text", "b": {"base64": "AA=="}}', false],
    ['{"meta": "text"}', false],
    ['{"meta": {"base64": "AA=="}}', false],
    ['{"classID": 1}', false],
    ['[{"meta": {}}]', false],
    ['"meta"', false],
    ['null', false],
    ['{}', false],
    ['{"meta": {}}', true],
    ['{"classID": "Product"}', true],
    ['{"_STID": "SubProduct", "_sets": {}}', true],
  ])('%s: %s', (text, expected) => {
    expect(isProduct(parseJsonText(text))).toBe(expected);
  });

  test('is refused, with what is missing', () => {
    const names = parseJsonText('{"meta": {}, "_sets": {"other": "", "version": ""}}');
    expect(() => theName(names)).toThrow('The Product in "input" has no dataset "theName"; it has "other".');
    expect(() => answerProduct(request(names), '')).toThrow('no dataset "theName"');
    expect(() => theName(jsonOf({ a: 'b' }))).toThrow('The "input" is not a Product');
    expect(() => testProduct(request(jsonOf(null)))).toThrow('The "input" is not a Product');
    expect(() => theName(parseJsonText('{"meta": {}}'))).toThrow('it has none');
  });

  test('bytes must be hexadecimal', () => {
    for (const bytes of [
      '{"hex": "0", "classID": "bytes"}',
      '{"code": "zz", "_STID": "bytes"}',
      '{"_STID": "bytes"}',
    ]) {
      expect(() => datasetContent(parseJsonText(`{"data": ${bytes}}`))).toThrow('hexadecimal');
    }
    expect(datasetContent(parseJsonText('{"code": "", "_STID": "bytes"}'))).toEqual(new Uint8Array());
    expect(datasetContent(parseJsonText('{"data": { "hex":"00" }}'))).toBe('{ "hex":"00" }');
    expect(datasetContent(parseJsonText('{"x": 1.0}'))).toBe('{"x": 1.0}');
  });
});

describe('whatever JSON comes in', () => {
  const words = [
    'meta',
    '_sets',
    'sets',
    'history',
    'theName',
    'description',
    'creationDate',
    'type',
    'first',
  ];
  const parts = ['data', 'value', 'tai', 'hex', 'code', 'version', 'listeners', '__proto__', '1', 'mission'];
  const classes = ['Product', 'bytes', 'FineTime', 'FineTime1', 'ODict', '00ff', '', 'x'];
  const { json } = fc.letrec<{ json: string; object: string }>((tie) => ({
    json: fc.oneof(
      { maxDepth: 5, depthSize: 'large' },
      fc.constantFrom(
        '1.0',
        '12345678901234567890',
        '-0',
        'NaN',
        'null',
        '[]',
        ...classes.map((name) => JSON.stringify(name)),
      ),
      tie('object'),
      tie('object'),
      fc.array(tie('json'), { maxLength: 3 }).map((items) => `[${items.join()}]`),
    ),
    object: fc
      .array(
        fc.oneof(
          fc.tuple(fc.constantFrom(...words, ...parts), tie('json')),
          fc.tuple(
            fc.constantFrom('classID', '_STID'),
            fc.constantFrom(...classes).map((name) => JSON.stringify(name)),
          ),
        ),
        { maxLength: 8 },
      )
      .map((entries) => `{${entries.map(([key, value]) => `"${key}":${value}`).join()}}`),
  }));
  const input = fc.oneof(
    json,
    fc
      .tuple(json, json, json)
      .map(([meta, sets, history]) => `{"meta":${meta},"_sets":${sets},"history":${history}}`),
  );

  /** The result, or undefined for an error that is meant for the caller. Any other one fails the test. */
  function attempt<T>(act: () => T): T | undefined {
    try {
      return act();
    } catch (error) {
      if (error instanceof PenstockError) return undefined;
      throw error;
    }
  }

  test('there is an answer that can be read again, or an error that says why', () => {
    fc.assert(
      fc.property(input, (text) => {
        const node = parseJsonText(text);
        for (const [, dataset] of datasets(node)) attempt(() => datasetContent(dataset));
        attempt(() => theName(node));
        emptied(node);
        for (const make of [
          testProduct,
          (asked: ReturnType<typeof request>) => answerProduct(asked, 'a\ud800'),
        ]) {
          const answer = attempt(() => make(request(node)));
          if (answer === undefined) continue;
          expect(isProduct(node)).toBe(true);
          expect(plain(parseJsonText(writeJsonText(answer)))).toEqual(plain(answer));
          expect([at(answer, 'classID'), at(answer, '_STID')]).toContain('"Product"');
        }
      }),
      { numRuns: 2000 },
    );
  });

  test('the first dataset is copied to the letter', () => {
    fc.assert(
      fc.property(json, fc.constantFrom('classID', '_STID'), (dataset, tag) => {
        const answer = testProduct(product(`{"${tag}": "Product", "_sets": {"1": ${dataset}, "0": 1}}`));
        expect(at(answer, '_sets', '1')).toBe(dataset);
        expect(at(answer, '_sets', '0')).toBe('nothing');
      }),
    );
  });
});
