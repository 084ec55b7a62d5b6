import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { xnatDefinition, xnatTask } from '../../../src/dialects/pipeline-scheduler/task.js';
import { checkDefinition } from '../../../src/domain/definitions/definition-rules.js';
import { validator } from '../../../src/lib/schemas.js';

const task = {
  project: 'SampleProject',
  subject: 'SampleSubject',
  session: 'SampleSession',
  host: 'http://127.0.0.1:8080/xnat/',
  user: 'admin',
  pwd: 'adm in',
  script: 'echo.sh',
  type: 'xnat',
};
const problemsOf = (more: object): string[] => {
  const checked = xnatTask({ ...task, ...more });
  return checked.ok ? [] : checked.problems.map(({ pointer, detail }) => `${pointer}: ${detail}`);
};

test.each<[object, string[]]>([
  [{ pwd: undefined }, ['/pwd: pwd is missing']],
  [{ session: undefined, sesion: 'x' }, ['/session: session is missing; is "sesion" a misspelling of it?']],
  [{ project: ['a'] }, ['/project: project must be a string, not an array']],
  [{ project: 'a\0b' }, ['/project: project contains a NUL character']],
  [
    { script: '../evil.sh' },
    ['/script: "../evil.sh" cannot be a file name: it must not contain a slash, a backslash or NUL.'],
  ],
  [{ files: 'one.txt' }, ['/files: files must be a list of strings']],
  [
    { files: ['ok', '/etc/passwd'] },
    ['/files/1: "/etc/passwd" cannot be a file name: it must not contain a slash, a backslash or NUL.'],
  ],
  [{ options: '-a "b' }, [expect.stringMatching(/^\/options: options .*quot/i)]],
  [{ pwd_in_argv: 'yes' }, ['/pwd_in_argv: pwd_in_argv must be true or false']],
  [{ session: 12 }, []],
])('%j', (more, problems) => {
  expect(problemsOf(more)).toEqual(problems);
});

test('what is shown has the keys of old, in their order, and no password', () => {
  const checked = xnatTask({ ...task, files: ['a', 'echo.sh'] });
  if (!checked.ok) throw new Error('a good task is refused');
  const { shown, files } = checked.value;
  expect(Object.entries(shown)).toEqual([
    ['project', 'SampleProject'],
    ['subject', 'SampleSubject'],
    ['session', 'SampleSession'],
    ['host', 'http://127.0.0.1:8080/xnat/'],
    ['user', 'admin'],
    ['pwd', '***'],
    ['script', 'echo.sh'],
  ]);
  expect(files).toEqual(['echo.sh', 'a']);
});

test('its definition is a good one', () => {
  expect(validator('process-definition')(xnatDefinition)).toEqual([]);
  expect(checkDefinition(xnatDefinition)).toEqual([]);
});

describe('a script', () => {
  let folder: string;
  beforeAll(() => {
    folder = mkdtempSync(path.join(os.tmpdir(), 'penstock-task-'));
    writeFileSync(path.join(folder, 'echo.sh'), 'printf "%s\\0" "$@"; printf "%s\\0" "pwd=$TASK_PWD"\n');
  });
  afterAll(() => rmSync(folder, { recursive: true }));

  function run(more: object): string[] {
    const checked = xnatTask({ ...task, ...more });
    if (!checked.ok) throw new Error(JSON.stringify(checked.problems));
    const { status, stdout, stderr } = spawnSync(
      xnatDefinition.exec,
      (xnatDefinition.argv ?? []).map(String),
      {
        env: { PATH: process.env.PATH, PENSTOCK_BASE_FOLDER: folder, ...checked.value.environment },
        encoding: 'utf8',
      },
    );
    expect([status, stderr]).toEqual([0, '']);
    return stdout.split('\0').slice(0, -1);
  }
  const flags = (values: Record<string, string>) =>
    ['project', 'subject', 'session', 'host', 'user'].flatMap((key) => [`-${key}`, values[key] ?? '']);

  test('gets its flags, and the password in its environment', () => {
    expect(run({})).toEqual([...flags(task), 'pwd=adm in']);
  });

  test('gets the password as a flag only where that is asked for', () => {
    expect(run({ pwd_in_argv: true, options: ['-x'] })).toEqual([
      ...flags(task),
      '-pwd',
      'adm in',
      '-x',
      'pwd=adm in',
    ]);
  });

  test.each<[string | string[], string[]]>([
    [' -algo 1 -name "two words"', ['-algo', '1', '-name', 'two words']],
    ["-q 'a'\\''b'", ['-q', "a'b"]],
    [
      ['$(id)', '`id`', '; rm -rf /', ''],
      ['$(id)', '`id`', '; rm -rf /', ''],
    ],
  ])('gets the options %j', (options, words) => {
    expect(run({ options }).slice(10, -1)).toEqual(words);
  });

  test('gets whatever texts there are as they are', () => {
    const text = fc.string({ unit: 'binary', maxLength: 30 }).filter((one) => !one.includes('\0'));
    fc.assert(
      fc.property(text, text, fc.array(text, { maxLength: 4 }), (project, pwd, options) => {
        const said = run({ project, pwd, options });
        expect(said).toEqual([...flags({ ...task, project }), ...options, `pwd=${pwd}`]);
      }),
      { numRuns: 60 },
    );
  });
});
