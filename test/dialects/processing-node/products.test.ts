import { readFileSync } from 'node:fs';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type NodeAnswer, productText, startNode, type TestNode, written } from '../../support/node.js';

let node: TestNode;
beforeAll(async () => {
  node = await startNode();
});
afterAll(() => node.server.remove());

const dialects = [
  { version: 'v0.6', tag: 'classID', entries: ['meta', '_sets'], value: [], table: 'Spectrum' },
  { version: 'v0.8', tag: '_STID', entries: ['meta'], value: ['value'], table: 'spectrum' },
] as const;

describe.each(dialects)('a client of $version', ({ version, tag, entries, value, table }) => {
  const input = productText(version);
  const sent = (...way: string[]) => written(input, way);
  const body = `{"creator": "me \\u00e9", "rootcause": "a \\"test\\"", "input": ${input}, "timeout": 20}`;
  const keys = (answer: NodeAnswer, ...way: string[]) =>
    Object.keys(JSON.parse((answer.raw('result', ...way) ?? '{}').replaceAll('NaN', 'null')));
  const keysSent = (...way: string[]) =>
    Object.keys(JSON.parse((sent(...way) ?? '{}').replaceAll('NaN', 'null')));
  const entry = (answer: NodeAnswer, name: string) => answer.raw('result', ...entries, name, ...value);

  /** What every answer says of itself, and what it has as the input had it. */
  function expectProduct(answer: NodeAnswer, names: { instrument: string; modelName: string }): void {
    expect(answer.status).toBe(200);
    expect(answer.raw('result', tag)).toBe('"Product"');
    expect(keys(answer)).toEqual(keysSent());
    expect(JSON.parse(entry(answer, 'creator') ?? '')).toBe('me é');
    expect(JSON.parse(entry(answer, 'rootCause') ?? '')).toBe('a "test"');
    expect(JSON.parse(entry(answer, 'instrument') ?? '')).toBe(names.instrument);
    expect(JSON.parse(entry(answer, 'modelName') ?? '')).toBe(names.modelName);
    expect(JSON.parse(entry(answer, 'type') ?? '')).toBe('test');
    for (const kept of ['mission', 'startDate', 'endDate']) {
      expect(answer.raw('result', ...entries, kept)).toBe(sent(...entries, kept));
    }
    // In the other dialect an entry is more than its value.
    if (version === 'v0.8') {
      for (const part of ['description', 'default', 'valid', 'typecode', '_STID']) {
        expect(answer.raw('result', 'meta', 'creator', part)).toBe(sent('meta', 'creator', part));
      }
    }
    const tai = answer.raw('result', ...entries, 'creationDate', ...value, 'tai') ?? '';
    expect(tai).toMatch(version === 'v0.6' ? /^\d{15}\.0$/ : /^\d{16}$/);
    const [epoch, leap] = version === 'v0.6' ? [Date.UTC(2000, 0, 1), 0] : [Date.UTC(1958, 0, 1), 37_000];
    expect(Math.abs(Number(tai) / 1000 + epoch - leap - Date.now())).toBeLessThan(60_000);
    expect(keys(answer, 'history')).toEqual(keysSent('history'));
    expect(answer.raw('result', 'history', 'HIST_SCRIPT')).toBe('""');
    expect(answer.raw('result', 'history', tag)).toBe('"History"');
    expect(answer.text).not.toContain('"make it"');
    expect(answer.text).not.toContain('"pointing"');
  }

  test('testcalc gives a new Product, with the first dataset to the letter', async () => {
    const answer = await node.call('POST', 'testcalc', body);
    expectProduct(answer, { instrument: 'MyFavourite', modelName: 'Flight' });
    expect(answer.raw('message')).toBe('""');
    expect(answer.raw('result', ...entries, 'description')).toBe(sent(...entries, 'description'));
    const sets = version === 'v0.6' ? ['energies', table, 'QualityImage'] : ['energies', table, '_STID'];
    expect(keys(answer, '_sets')).toEqual(sets);
    expect(answer.raw('result', '_sets', 'energies')).toBe(sent('_sets', 'energies'));
    expect(answer.raw('result', '_sets', 'energies', 'data')).toBe('[1.0, 2, 1e5, 3.50,  -0.0]');
    const column = (name: string) =>
      answer.raw('result', '_sets', table, 'data', name, ...(version === 'v0.6' ? [] : ['data']));
    expect(column('col1')).toBe('[1, 4.4, 5400.0]');
    expect(column('col2')).toBe('[0, 43.2, 2000.0]');
    expect(answer.raw('result', '_sets', table, tag)).toBe('"TableDataset"');
    expect(answer.headers).not.toHaveProperty('x-job-uuid');
  });

  test('testrun gives theAnswer to theName', async () => {
    const answer = await node.call('POST', 'testrun', body);
    expectProduct(answer, { instrument: 'hello', modelName: 'you know what!' });
    expect(entry(answer, 'description')).toMatch(/pipeline product"$/);
    expect(keys(answer, '_sets').filter((name) => name !== '_STID')).toEqual(['theAnswer']);
    const dataset = ['result', '_sets', 'theAnswer'];
    expect(keys(answer, '_sets', 'theAnswer')).toEqual(keysSent('_sets', 'theName'));
    expect(answer.raw(...dataset, 'data')).toBe('"hello stranger!"');
    expect(answer.raw(...dataset, tag)).toBe('"GenericDataset"');
    expect(answer.raw(...dataset, 'meta')).toBe(sent('_sets', 'theName', 'meta'));
    expect(answer.json.message).toEqual({
      command: `['${node.home}/runPTS', '']`,
      stdout: 'hello stranger!',
      stderr: '',
      returncode: 0,
    });
    const file = (name: string) => readFileSync(path.join(node.home, name), 'utf8');
    expect([file('input/infile'), file('output/outfile')]).toEqual(['stranger', 'hello stranger!']);
    // What there was is kept once.
    const next = body.replaceAll('"stranger"', '"next\\n\\u00e9"');
    expect((await node.call('POST', 'testrun', next)).raw(...dataset, 'data')).toBe('"hello next\\né!"');
    expect([file('input/infile'), file('input/infile.old')]).toEqual(['next\né', 'stranger']);
  });

  test('run has each dataset as a file, and the whole Product in the first of inputfiles', async () => {
    await node.call('DELETE', 'clean');
    node.script('run', 'cp input/* output');
    const answer = await node.call('POST', 'run', body);
    expect(answer.json.message).toMatchObject({ stdout: '', stderr: '', returncode: 0 });
    const { result } = answer.json;
    expect(Object.keys(result).sort()).toEqual(['1', '2', 'energies', 'infile', 'note', 'theName']);
    expect(result.infile).toBe(input);
    expect(result.energies).toBe('[1.0, 2, 1e5, 3.50,  -0.0]');
    expect(result['2']).toBe(sent('_sets', '2', 'data'));
    expect([result.theName, result.note]).toEqual(['stranger', 'a bare text']);
    expect(result['1']).toEqual({ base64: Buffer.from([0x00, 0xff, 0xc3, 0xa9]).toString('base64') });
    await node.call('PUT', 'testinit');
  });
});

test('without a creator and a rootcause both are empty', async () => {
  for (const command of ['testcalc', 'testrun']) {
    const answer = await node.call('POST', command, `{"input": ${productText('v0.6')}}`);
    expect([answer.json.result.meta._sets.creator, answer.json.result.meta._sets.rootCause]).toEqual([
      '',
      '',
    ]);
  }
});

test.each([
  ['testcalc', undefined, 'input'],
  ['testcalc', '{}', 'input'],
  ['testcalc', '[]', 'object'],
  ['testcalc', '{"input": null}', 'input'],
  ['testcalc', '{"input": {"a": 1}}', 'Product'],
  ['testcalc', '{"input": "Product"}', 'Product'],
  ['testcalc', '{"creator": 5, "input": {"classID": "Product"}}', 'creator'],
  ['testcalc', '{"rootcause": {}, "input": {"classID": "Product"}}', 'rootcause'],
  ['testrun', undefined, 'input'],
  ['testrun', '{"input": [1]}', 'Product'],
  ['testrun', '{"input": {"classID": "Product"}}', 'theName'],
  ['testrun', '{"input": {"_STID": "Product", "_sets": {"thename": 1}}}', '"thename"'],
  [
    'testrun',
    '{"creator": [], "input": {"classID": "Product", "_sets": {"theName": {"data": "x"}}}}',
    'creator',
  ],
  [
    'testrun',
    '{"input": {"_STID": "Product", "_sets": {"theName": {"data": {"code": "f", "_STID": "bytes"}}}}}',
    'code',
  ],
])('%s of %s is answered with -1 and the reason', async (command, body, says) => {
  const answer = await node.call('POST', command, body);
  expect([answer.status, answer.json.result]).toEqual([200, -1]);
  expect(answer.json.message).toContain(says);
  expect(answer.headers).not.toHaveProperty('x-job-uuid');
});

test('a testrun that fails is told with its code and status, and no Product', async () => {
  const body = `{"input": ${productText('v0.8')}, "timeout": 20}`;
  node.script('run', 'echo half >output/outfile; echo why >&2; exit 7');
  const failed = await node.call('POST', 'testrun', body);
  expect([failed.json.result, failed.json.message.returncode]).toEqual([7, 7]);
  expect(failed.json.message.stderr).toBe('why\n');
  node.script('run', 'rm -f output/outfile');
  const empty = await node.call('POST', 'testrun', body);
  expect([empty.json.result, empty.json.message]).toEqual([-1, expect.stringContaining('outfile')]);
  node.script('run', "printf 'a\\377b' >output/outfile");
  const bytes = await node.call('POST', 'testrun', body);
  expect(bytes.json.result._sets.theAnswer.data).toBe('a\ufffdb');
  await node.call('PUT', 'testinit');
});
