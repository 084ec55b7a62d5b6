import { expect, test } from 'vitest';
import { adminToken, isAdminToken } from '../../../src/domain/external-jobs/admin-token.js';
import { jobIdentity } from '../../../src/domain/external-jobs/job-identity.js';
import { numbersAsWritten, pythonJson } from '../../../src/domain/external-jobs/python-text.js';
import { sessionName } from '../../../src/domain/external-jobs/session-name.js';
import { typedUuids } from '../../../src/domain/external-jobs/typed-uuid.js';
import { parseJsonText } from '../../../src/domain/json/json-text.js';

const uuids = typedUuids();
const computed = (pipeline_uuid: string, data: unknown, child_of?: string[]) =>
  uuids.computed(
    'job',
    jobIdentity({ pipeline_uuid, data, ...(child_of === undefined ? {} : { child_of }) }),
  );

test('the namespace is that of the domain', () => {
  expect(uuids.namespace).toBe('54765aeb-44ca-374a-9a9f-eb4658383ee4');
  expect(typedUuids('example.org').namespace).not.toBe(uuids.namespace);
});

test('the UUIDs of jobs are those that PipelineJobs computes', () => {
  const pipeline = '10650844-1baa-55c5-a481-5e945b19c065';
  const parents = ['10483e8d-6602-532a-8941-176ce20dd05a'];
  const data = {
    param1: 'value1',
    param2: 1,
    param3: true,
    param4: [1, 2, 3],
    param5: ['a', 'b', 'c'],
  };
  expect(computed(pipeline, data, parents)).toBe('107b93f3-1eae-5e79-8a18-0a480f8aa3a5');
  const longer = { ...data, param5: ['a', 'b', 'c', 'd'] };
  expect(computed(pipeline, longer, parents)).toBe('107bb52d-6469-54c3-b977-0c22adcae020');
  const fixture = '1064aaf1-459c-5e42-820d-b822aa4b3990';
  expect(computed(fixture, { param1: 'value1' })).toBe('10766b61-49f0-524d-a17f-f4bd42bdfce7');
  expect(computed(fixture, { param1: 'value1' }, [])).toMatch(/^10778616-/);
});

test('the order of keys does not matter, and how a number is written does', () => {
  const of = (text: string) =>
    computed('10650844-1baa-55c5-a481-5e945b19c065', numbersAsWritten(parseJsonText(text)));
  expect(of('{"a": 1, "b": {"d": 2, "c": 3}}')).toBe(of('{"b": {"c": 3, "d": 2}, "a": 1}'));
  expect(of('{"a": 1}')).not.toBe(of('{"a": 1.0}'));
});

// Each as Python 3 prints it: json.dumps(json.loads(text), sort_keys=True, separators=(',', ':')).
test.each([
  ['{"b": 1, "a": [], "A": {}}', '{"A":{},"a":[],"b":1}'],
  ['[1.0, 1e16, 1e15, 0.0001, 0.00001, 1E5]', '[1.0,1e+16,1000000000000000.0,0.0001,1e-05,100000.0]'],
  ['[-0.0, -0, 1e-7, 5e-324, 100.5]', '[-0.0,0,1e-07,5e-324,100.5]'],
  ['[1.7976931348623157e308, 1e999]', '[1.7976931348623157e+308,Infinity]'],
  ['123456789012345678901234567890', '123456789012345678901234567890'],
  ['"\\u00e9\\u007f\\ud83d\\ude00/\\n\\t\\u0001"', '"\\u00e9\\u007f\\ud83d\\ude00/\\n\\t\\u0001"'],
  ['{"\\ud83d\\ude00": 1, "\\uffff": 2}', '{"\\uffff":2,"\\ud83d\\ude00":1}'],
  ['[null, true, false]', '[null,true,false]'],
  ['{"isLosslessNumber": true, "value": "1"}', '{"isLosslessNumber":true,"value":"1"}'],
])('%s as Python writes it', (text, expected) => {
  expect(pythonJson(numbersAsWritten(parseJsonText(text)))).toBe(expected);
});

test('an admin token is good for its span of time and the next', () => {
  expect(adminToken('s', 'k', 12_345)).toBe('306786fa294eeadc');
  const settings = { secret: 's', key: 'k', lifetime: 3600 };
  const at = (bucket: number, seconds = 0) => new Date((bucket * 3600 + seconds) * 1000);
  const valid = (date: Date) => isAdminToken(settings, '306786fa294eeadc', date);
  expect([at(12_345), at(12_345, 3599), at(12_346), at(12_346, 3599)].map(valid)).toEqual(
    Array(4).fill(true),
  );
  expect([at(12_344, 3599), at(12_347)].map(valid)).toEqual([false, false]);
  expect(isAdminToken(settings, '', at(12_345))).toBe(false);
});

test('a session of fewer than four characters gets an adjective and an animal', () => {
  expect(sessionName('solid-snake', () => 0)).toBe('solid-snake');
  for (const random of [0, 0.5, 0.999_999]) {
    expect(sessionName('abc', () => random)).toMatch(/^[a-z-]+-[a-z-]+$/);
    expect(sessionName(undefined, () => random)).toMatch(/^[a-z-]+-[a-z-]+$/);
  }
});
